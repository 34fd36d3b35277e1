"""Before a command runs: streams that take any text, TensorFlow without chatter."""

import os
import sys
import tempfile


def escape_what_streams_cannot_encode() -> None:
    """Makes stdout and stderr write `\\u82f9` for a letter that they cannot encode.

    Class and file names have any letters, and file names on Linux even bytes that are
    none. A line of output is never worth the end of a training.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not of a stand-in, as notebooks have
            stream.reconfigure(errors="backslashreplace")


def start_tensorflow() -> None:
    """Imports TensorFlow; what it prints on the way is shown only when that fails.

    Some of its start-up lines come before its logging is set up and obey no setting, so
    the process's stderr is turned away while it is imported. A `TF_CPP_MIN_LOG_LEVEL`
    of the user's own is kept, and then nothing is turned away.
    """
    if "tensorflow" in sys.modules or "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        except BaseException:
            captured.seek(0)
            os.write(kept, captured.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
