"""What a served model takes and gives; without TensorFlow, for the command line."""

from dataclasses import dataclass

from tfmask.config import DataConfig
from tfmask.errors import ExportError

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


def check_pixels(data: DataConfig) -> None:
    """Refuses images that a served model cannot take.

    Its files are decoded by TensorFlow, as 8-bit RGB.

    Raises:
      ExportError: other channels, or a range of values.
    """
    if data.channels != 3:
        raise ExportError(
            f"data.channels={data.channels}: expected 3, since an exported model takes "
            "RGB images alone; predict with `tfmask predict`"
        )
    if data.value_range:
        low, high = data.value_range
        raise ExportError(
            f"data.value_range={low:g},{high:g}: expected none, since an exported "
            "model decodes files as 8 bits; set data.value_range= and send pixels that "
            "are scaled to 0..255 already"
        )
