"""tfmask: instance segmentation for TensorFlow and Keras.

Importing this package takes no TensorFlow; the submodules that need it import it.
"""

from pathlib import Path as _Path

__version__ = "0.1.0"

# The recipes are the package tfmask.configs. Installed, they lie inside this folder; in
# a source checkout they stand beside it, at the top level, where a reader looks first.
_CHECKOUT = _Path(__file__).resolve().parent.parent
if (_CHECKOUT / "configs" / "lineages.py").is_file():
    __path__.append(str(_CHECKOUT))
