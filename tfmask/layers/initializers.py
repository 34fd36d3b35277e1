"""Initial values that several heads share."""

import keras


def msra() -> keras.initializers.Initializer:
    """He et al. 2015: normal with variance 2 / fan_out, not truncated."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
