"""Every error of the package. Each says in one sentence what is wrong, where, what was
expected and how to mend it.
"""


class TfmaskError(Exception):
    """Base of all errors that tfmask raises on purpose."""


class ConfigError(TfmaskError, ValueError):
    """A setting that cannot be used; the message says which and what is expected."""


class DataError(TfmaskError, ValueError):
    """Data that cannot be used. The message names the file and how to mend it.

    `kind` is the same word that a `data.problems.Problem` has, e.g. `file_not_json`.
    """

    def __init__(self, message: str, kind: str = "data"):
        super().__init__(message)
        self.kind = kind


class ImageError(DataError):
    """An image file that cannot be read. The message names the file."""


class SegmentationError(DataError):
    """A segmentation that cannot be decoded; the caller adds image and annotation."""


class EvaluationError(TfmaskError, ValueError):
    """Results that cannot be evaluated."""


class WeightsError(TfmaskError, ValueError):
    """A weight file of another project that cannot be used, and why."""


class CheckpointError(TfmaskError, OSError):
    """A checkpoint or weight file that cannot be written or read."""


class ClassMapError(TfmaskError, ValueError):
    """Weights were trained for other classes than those of the data."""


class RunFolderError(TfmaskError, ValueError):
    """The output folder does not fit what the run was asked to do."""


class ExportError(TfmaskError, ValueError):
    """A model that cannot be exported, or an exported model that cannot be used."""


class NonFiniteLossError(TfmaskError, ArithmeticError):
    """A loss or gradient became NaN or infinite; the weights were not touched."""


class TrainingInterrupted(SystemExit):
    """SIGTERM or Ctrl-C: the step was finished and a checkpoint was saved.

    As a SystemExit, and so not a TfmaskError, it ends a script with the shell's usual
    code for the signal, 143 for SIGTERM and 130 for Ctrl-C, unless it is caught.
    """

    def __init__(self, signal_number: int, step: int):
        super().__init__(128 + signal_number)
        self.step = step
