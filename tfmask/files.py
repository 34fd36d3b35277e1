"""Writing files so that a kill or a full disk never takes what was there before, and
telling tfmask's own weight files from others.
"""

import contextlib
import os
import tempfile
from pathlib import Path

# What the attribute `format` of a weight file of tfmask says, see weights.files.
WEIGHT_FORMAT = "tfmask-1"


@contextlib.contextmanager
def replacing(path):
    """Gives a temporary name in the same folder, which becomes `path` at the end.

    If anything is raised inside, the temporary file is removed and `path` stays as it
    was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp gives 0600
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def write_atomically(path, content: bytes | str) -> None:
    """Writes a whole file; texts in UTF-8."""
    if isinstance(content, str):
        content = content.encode("utf-8")
    with replacing(path) as temporary:
        Path(temporary).write_bytes(content)


def is_tfmask_file(path) -> bool:
    """Whether `path` is a weight file that tfmask wrote, of any age and name.

    Keras's `load_weights` cannot read one; `tfmask.weights.load.load_weights` does.
    False for anything else, also for what is absent or unreadable.
    """
    # Not at the top: commands that read no weights start without it.
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return file.attrs.get("format") == WEIGHT_FORMAT
    except (OSError, RuntimeError, TypeError):
        return False
