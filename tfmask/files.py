"""Writing files so that a kill or a full disk never takes what was there before."""

import contextlib
import os
import tempfile
from pathlib import Path


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
