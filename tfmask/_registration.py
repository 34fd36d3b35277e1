"""Makes the layers and models of tfmask known to Keras, whichever is imported first.

`keras.models.load_model` builds what a file names only if its class is registered, and
Keras 3 does not import the module of a class that is not its own. `import tfmask` takes
no TensorFlow, so that registering has to wait until Keras is there.
"""

import importlib
import importlib.abc
import importlib.util
import sys

# Modules that register classes, directly or by what they import.
_MODULES = ("tfmask.models.architectures",)


def register_with_keras() -> None:
    """Imports the modules with registered classes, now or once Keras is imported."""
    if "keras" not in sys.modules:
        sys.meta_path.insert(0, _AfterKeras())
    elif not _initializing("keras"):
        _import_all()


def _import_all() -> None:
    # TensorFlow 2.15 imports Keras in its own initialisation, when no other module can
    # use it yet. That line's Keras imports the module of a class by itself. And where a
    # module of tfmask is what imports Keras, it registers its classes when it is done.
    importing = [name for name in sys.modules if name.startswith("tfmask.")]
    if not any(map(_initializing, ["tensorflow", *importing])):
        for name in _MODULES:
            importlib.import_module(name)


def _initializing(name: str) -> bool:
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return getattr(spec, "_initializing", False)


class _AfterKeras(importlib.abc.MetaPathFinder):
    """Runs `_import_all` at the end of the first import of Keras."""

    def find_spec(self, fullname, path, target=None):
        if fullname != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                _import_all()

            vars(spec.loader)["exec_module"] = exec_module  # of this loader alone
        return spec
