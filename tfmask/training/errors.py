"""What can stop a training run, each with one clear sentence."""


class RunFolderError(ValueError):
    """The output folder does not fit what the run was asked to do."""


class CheckpointError(OSError):
    """A checkpoint or weight file that cannot be written or read."""


class ClassMapError(ValueError):
    """Weights were trained for other classes than those of the data."""


class NonFiniteLossError(ArithmeticError):
    """A loss or gradient became NaN or infinite; the weights were not touched."""


class TrainingInterrupted(SystemExit):
    """SIGTERM or Ctrl-C: the step was finished and a checkpoint was saved.

    As a SystemExit it ends a script with the shell's usual code for the signal, 143
    for SIGTERM and 130 for Ctrl-C, unless it is caught.
    """

    def __init__(self, signal_number: int, step: int):
        super().__init__(128 + signal_number)
        self.step = step
