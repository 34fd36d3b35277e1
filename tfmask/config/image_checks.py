"""Settings of images that must agree: channels, ranges, augmentation."""

from tfmask.config.augment import AugmentConfig
from tfmask.config.data import DataConfig
from tfmask.config.schema import ModelConfig
from tfmask.config.values import write_text
from tfmask.errors import ConfigError

_LUMA = (0.299, 0.587, 0.114)  # of R, G and B in gray


def check_images(data: DataConfig, model: ModelConfig) -> None:
    """Checks that the model takes the images that the data gives.

    Raises:
      ConfigError: naming the settings, their values and what is expected.
    """
    channels = data.channels
    for name in ("pixel_mean", "pixel_std"):
        values = getattr(model, name)
        if len(values) != channels:
            count = f"{channels} value{'s' * (channels > 1)}"
            raise ConfigError(
                f"model.{name}={write_text(values)} with data.channels={channels}: "
                f"expected {count}, one for each channel, e.g. {_example(channels)}"
            )
    if len(data.value_range) == 1:
        raise ConfigError(
            f"data.value_range={write_text(data.value_range)}: expected two values, "
            "the lowest and the highest that is stored, e.g. data.value_range=0,4095"
        )
    _check_augmentation(data.augment, channels)


def _check_augmentation(augment: AugmentConfig, channels: int) -> None:
    low, high = augment.scale_jitter
    if low > high:
        raise ConfigError(
            f"data.augment.scale_jitter={low:g},{high:g}: expected the smaller factor "
            f"first, {high:g},{low:g}"
        )
    if 0 in augment.crop and any(augment.crop):
        raise ConfigError(
            f"data.augment.crop={write_text(augment.crop)}: expected a height and a "
            "width above 0, or 0,0 for the size that data.short_side gives"
        )
    for name in ("saturation", "hue"):
        if getattr(augment, name) and channels != 3:
            raise ConfigError(
                f"data.augment.{name}={getattr(augment, name):g} with data.channels="
                f"{channels}: expected 0, since only RGB images have colours"
            )


def _example(channels: int) -> str:
    """Mean and deviation for so many channels, from those of R, G and B."""
    texts = []
    for name in ("pixel_mean", "pixel_std"):
        values = getattr(ModelConfig(), name)
        if channels == 1:
            values = (round(sum(a * b for a, b in zip(_LUMA, values)), 3),)
        chosen = tuple(values[k % len(values)] for k in range(channels))
        texts.append(f"model.{name}={write_text(chosen)}")
    return " ".join(texts)
