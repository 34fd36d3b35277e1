"""Initial weights that follow from a seed and from where a weight is."""

import math
import zlib

import keras

from tfmask.layers import initializers
from tfmask.layers.naming import named_layers


def draw(model: keras.layers.Layer, seed: int) -> None:
    """Draws every random initial weight anew, from the seed and the weight's path.

    Two models that have a part in common begin with the same weights of it then,
    whatever else they are made of and in whichever order that was built.

    Args:
      model: a built model or layer. A layer's weight NAME is drawn where the layer has
        a Keras initializer NAME_initializer; all others keep their values.
      seed: at least 0.
    """
    for path, layer in named_layers(model).items():
        for name in ("kernel", "bias"):
            weight = getattr(layer, name, None)
            initializer = getattr(layer, f"{name}_initializer", None)
            if weight is None or initializer is None:
                continue
            if initializer == initializers.TORCH:  # of a bias
                fan_in = math.prod(layer.kernel.shape[:-1])
                initializer = initializers.torch_bias(fan_in)
            config = initializer.get_config()
            if "seed" not in config:
                continue  # a constant
            config["seed"] = zlib.crc32(f"{seed}/{path}/{name}".encode())
            fresh = type(initializer).from_config(config)
            weight.assign(fresh(tuple(weight.shape), dtype="float32"))
