"""tfmask: instance segmentation for TensorFlow and Keras.

Importing this package takes no TensorFlow; the public names below import what they need
when they are first used.
"""

import importlib as _importlib

from tfmask._registration import register_with_keras as _register_with_keras

__version__ = "0.2.0"

# Public name -> module that holds it.
_PUBLIC = {
    "BMaskRCNN": "tfmask.models.architectures",
    "CascadeMaskRCNN": "tfmask.models.architectures",
    "Config": "tfmask.config",
    "GeneralizedRCNN": "tfmask.models.rcnn",
    "IEMaskRCNN": "tfmask.models.architectures",
    "MRRCNN": "tfmask.models.architectures",
    "MaskPlus": "tfmask.models.architectures",
    "MaskRCNN": "tfmask.models.architectures",
    "MaskScoringRCNN": "tfmask.models.architectures",
    "PANetRCNN": "tfmask.models.architectures",
    "Predictor": "tfmask.evaluation.predictor",
    "TfmaskError": "tfmask.errors",
    "load_config": "tfmask.config",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str):
    if name in _PUBLIC:
        return getattr(_importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'tfmask' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_PUBLIC])


_register_with_keras()
