"""What the texts of command-line arguments stand for, or an error of argparse."""

import argparse


def size(text: str) -> tuple[int, int]:
    """(height, width) from `800x1333`."""
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) * int(width)):
        raise argparse.ArgumentTypeError(
            f"{text}: expected HEIGHTxWIDTH in pixels, e.g. 800x1333"
        )
    return int(height), int(width)


def count(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text}: expected a positive number")
    return int(text)


def value_range(text: str) -> tuple[float, float]:
    """Two numbers, the smaller one first."""
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low = high = 0.0
    if not low < high:
        raise argparse.ArgumentTypeError(
            f"{text}: expected the lowest and the highest stored value, e.g. 0,4095"
        )
    return low, high


def position(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number from 0 on")
    return int(text)


def fraction(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a number from 0 to 1")
    return value
