"""What a served model takes and gives; without TensorFlow, for the command line."""

from dataclasses import dataclass

MAX_PIXELS = 36_000_000  # 6000 x 6000, 108 MB decoded


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a served model takes and gives.

    Args:
      size: (height, width) that every image has; None: any.
      max_pixels: height x width of an image; more is refused.
      full_masks: also give masks on the pixels of the images.
    """

    size: tuple[int, int] | None = None
    max_pixels: int = MAX_PIXELS
    full_masks: bool = False


def refusal(message: str) -> str:
    """What the graph says of a refused image, without TensorFlow's trace of it.

    Args:
      message: of the InvalidArgumentError.
    """
    for line in message.splitlines():
        if "assertion failed:" in line:
            return line.split("assertion failed:")[1].strip(" []")
    return "the image cannot be decoded: expected a whole, undamaged JPEG or PNG file"
