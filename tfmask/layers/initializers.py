"""Initial values that several heads share."""

import keras


def msra() -> keras.initializers.Initializer:
    """He et al. 2015: normal with variance 2 / fan_out, not truncated."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def mask_predictor(kind: str) -> keras.initializers.Initializer:
    """Of the 1x1 predictor of masks: `normal` N(0, 0.001) or `msra`."""
    return msra() if kind == "msra" else keras.initializers.RandomNormal(stddev=0.001)
