"""Small models with the refining module."""

import zlib

import numpy as np
from models.model_cases import small_model

from tfmask.config import RefineConfig
from tfmask.layers.naming import named_weights

REFINE_TERMS = {"refine_class", "refine_box", "refine_mask"}


def refine_model(model=None, spread=True, **refine):
    """A model whose heads say something, the refining ones something else.

    Args:
      model: fields of ModelConfig besides `refine`; `precision`.
      spread: false: the initial values stay.
      refine: fields of RefineConfig.
    """
    built = small_model(refine=RefineConfig(enabled=True, **refine), **(model or {}))
    if spread:
        spread_heads(built)
    return built


def spread_heads(model):
    """Larger numbers for what predicts scores, boxes and masks; one seed, one model."""
    sizes = {"class_logits": 0.3, "deltas": 0.1, "predictor": 0.1}
    for path, weight in named_weights(model).items():
        layer = path.split("/")[-2]
        if layer in sizes and path.endswith("kernel") and not path.startswith("rpn"):
            rng = np.random.default_rng(zlib.crc32(path.encode()))
            weight.assign(rng.normal(0, sizes[layer], tuple(weight.shape)))


def copy_weights(source, target):
    """Of all weights that both models have."""
    found = named_weights(source)
    for path, weight in named_weights(target).items():
        if path in found:
            weight.assign(found[path])


def gradient_of(tape, value, layer) -> float:
    """Size of the gradient of a loss with respect to the weights of a layer."""
    found = tape.gradient(value, layer.trainable_weights)
    return float(sum(np.abs(g).sum() for g in found if g is not None))
