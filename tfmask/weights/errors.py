"""The error that a weight file can raise."""


class WeightsError(ValueError):
    """A weight file that cannot be used. The message names the file and the cause."""
