"""Text on pictures, in any script for which the machine has a font.

OpenCV draws ASCII. Other letters are drawn by Pillow with the first font of the system
that has them all. Where there is none, accents are left out, and what is then not ASCII
is written as its escape (`\\u82f9`), so that names stay apart.
"""

import functools
import os
import sys
import unicodedata
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

_ASCII_FONT = cv2.FONT_HERSHEY_SIMPLEX
_EM = 28  # pixels of a TrueType font at scale 1: nearly as large as OpenCV's
_SMALLEST_EM = 14  # Chinese characters of fewer pixels cannot be read
_MOST_FONTS = 1000  # files that are looked at
# Parts of file names of fonts that have many scripts, or are plain: tried first.
_FAMILIES = (
    "notosanscjk sourcehansans wqy msyh simhei pingfang hiragino applegothic malgun "
    "yugoth meiryo arialuni unifont droidsansfallback notosans dejavusans arial"
).split()
_STYLES = ("bold", "italic", "oblique", "condensed", "mono", "light", "thin", "black")


def measure(text: str, scale: float) -> tuple[int, int, int]:
    """(width, height, depth below the base line) of a text in pixels.

    Args:
      text: one line.
      scale: OpenCV's font scale; at 1 capitals are about 21 pixels high.
    """
    text, font = _drawable(text, scale)
    if font is None:
        (width, height), depth = cv2.getTextSize(text, _ASCII_FONT, scale, 1)
        return width, height, depth
    left, top, right, bottom = font.getbbox(text, anchor="ls")
    # A pixel of air above and below, which OpenCV's figures have in them.
    return right - min(left, 0), 1 - top, max(bottom, 0) + 1


def write(canvas: np.ndarray, text: str, at, scale: float, colour) -> None:
    """Draws a text in place.

    Args:
      canvas: [H, W, 3] uint8 RGB.
      text: one line.
      at: (x, y) of the left end of the base line; a part outside is cut off.
      scale: as for `measure`.
      colour: RGB.
    """
    text, font = _drawable(text, scale)
    if font is None:
        at = tuple(map(int, at))
        cv2.putText(canvas, text, at, _ASCII_FONT, scale, colour, 1, cv2.LINE_AA)
        return
    height, width = canvas.shape[:2]
    cover = Image.new("L", (width, height))
    ImageDraw.Draw(cover).text(tuple(at), text, fill=255, font=font, anchor="ls")
    box = cover.getbbox()
    if box is None:
        return
    x1, y1, x2, y2 = box
    share = np.asarray(cover.crop(box), np.float32)[..., None] / 255
    view = canvas[y1:y2, x1:x2]
    view[:] = np.rint(view * (1 - share) + np.float32(colour) * share)


def _drawable(text: str, scale: float):
    """The text as it can be drawn, and its font; None for OpenCV's."""
    if text.isascii():
        return text, None
    source = _font_file("".join(sorted(set(filter(_is_drawn, text)))))
    if source is None:
        return "".join(map(_plain, text)), None
    return text, _font(source, max(round(_EM * scale), _SMALLEST_EM))


def _plain(letter: str) -> str:
    """A character without its accents where that is ASCII, else its escape."""
    parts = unicodedata.normalize("NFKD", letter)
    base = "".join(part for part in parts if not unicodedata.combining(part))
    if base.isascii():  # empty where it was an accent by itself
        return base
    return letter.encode("ascii", "backslashreplace").decode("ascii")


def _is_drawn(letter: str) -> bool:
    """Whether a character leaves a mark of its own: no space, accent or control."""
    return not letter.isascii() and unicodedata.category(letter)[0] not in "ZMC"


@functools.lru_cache(maxsize=64)
def _font_file(letters: str) -> str | None:
    """The file of a font that has all letters, or None."""
    for source in _font_files():
        try:
            font = _font(source, _SMALLEST_EM)
            missing = bytes(font.getmask("\uffff"))
            if all(bytes(font.getmask(v)) not in (missing, b"") for v in letters):
                return source
        except (OSError, ValueError):  # damaged, or of a kind without outlines
            continue
    return None


@functools.lru_cache(maxsize=256)
def _font(source: str, size: int):
    return ImageFont.truetype(source, size)


@functools.cache
def _font_files() -> tuple[str, ...]:
    """Fonts of the system, those for many scripts and the plain ones first."""
    files: list[Path] = []
    for folder in _font_folders():
        for suffix in ("ttf", "ttc", "otf"):
            files += folder.rglob(f"*.{suffix}")
    return tuple(str(f) for f in sorted(files, key=_rank)[:_MOST_FONTS])


def _font_folders() -> list[Path]:
    home = Path(os.path.expanduser("~"))
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", str(home))
        windows = Path(os.environ.get("WINDIR", r"C:\Windows"))
        folders = [windows / "Fonts", Path(local) / "Microsoft" / "Windows" / "Fonts"]
    elif sys.platform == "darwin":
        roots = (Path("/System/Library"), Path("/Library"), home / "Library")
        folders = [root / "Fonts" for root in roots]
    else:
        folders = [Path("/usr/share/fonts"), Path("/usr/local/share/fonts")]
        folders += [home / ".fonts", home / ".local" / "share" / "fonts"]
    return [folder for folder in folders if folder.is_dir()]


def _rank(file: Path) -> tuple:
    name = file.stem.lower().replace("-", "").replace("_", "").replace(" ", "")
    family = next((i for i, f in enumerate(_FAMILIES) if f in name), len(_FAMILIES))
    return sum(style in name for style in _STYLES), family, name
