"""Settings of the random changes of training images; all of them are off by default."""

from dataclasses import dataclass

from tfmask.config.settings import setting


@dataclass(kw_only=True)
class AugmentConfig:
    """How training images are changed, drawn for each example; see docs/training.md.

    Mirroring from left to right is `data.flip`.
    """

    # Least and largest factor on the size that data.short_side gives. What is larger
    # than the window `crop` is cut to it, at a random place.
    scale_jitter: tuple[float, float] = setting((1.0, 1.0), above=0, at_most=100)
    # Height and width of the window in pixels of the model's input; 0,0: the size that
    # data.short_side gives the image.
    crop: tuple[int, int] = setting((0, 0), at_least=0)
    vertical_flip: float = setting(0.0, at_least=0, at_most=1)  # share of examples
    # Share of examples that are turned by 90, 180 or 270 degrees.
    rotate: float = setting(0.0, at_least=0, at_most=1)
    # Factors are drawn from 1 - value to 1 + value.
    brightness: float = setting(0.0, at_least=0, at_most=1)
    contrast: float = setting(0.0, at_least=0, at_most=1)  # about the image's mean
    saturation: float = setting(0.0, at_least=0, at_most=1)
    # Hues are turned by up to this share of the circle of colours, either way.
    hue: float = setting(0.0, at_least=0, at_most=0.5)
    # Share of examples that get instances of a second image (Ghiasi et al. 2021).
    copy_paste: float = setting(0.0, at_least=0, at_most=1)
    # Share of the second image's instances that are pasted.
    paste_instances: float = setting(0.5, above=0, at_most=1)
    # An object of which a smaller share is left in sight is dropped.
    min_visible: float = setting(0.1, at_least=0, at_most=1)
