"""One training at a time in an output folder."""

import contextlib
import errno
import fcntl
import json
import os
import socket
from pathlib import Path

from tfmask.errors import RunFolderError

# Some network file systems know no locks: training goes on without.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


@contextlib.contextmanager
def locked(folder):
    """Inside it no other process trains into the folder.

    The file `lock` names the owner, its process and its host. The lock itself is the
    operating system's (`flock`) and ends with the process, however that ends: a file
    that a killed process left behind locks nothing and is taken over.

    Raises:
      RunFolderError: another training has it, or the folder cannot be written.
    """
    path = Path(folder) / "lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _open_locked(path)
        owner = {"pid": os.getpid(), "host": socket.gethostname()}
        os.truncate(file, 0)
        os.pwrite(file, json.dumps(owner).encode(), 0)
    except OSError as error:
        raise RunFolderError(
            f"train.output={folder}: cannot be written ({error})"
        ) from error
    try:
        yield
    finally:
        # Removed before it is given back: see _open_locked.
        path.unlink(missing_ok=True)
        os.close(file)


def _open_locked(path: Path) -> int:
    """A descriptor of the file, locked."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(file)
            raise RunFolderError(
                f"train.output={path.parent}: another training writes there, "
                f"{_owner(path)}; stop it, wait for it, or name another output"
            ) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(file)
                raise
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(file).st_ino:
                return file
        os.close(file)  # its owner removed it in between: it locks nothing any more


def _owner(path: Path) -> str:
    try:
        owner = json.loads(path.read_text())
        return f"process {owner['pid']} on {owner['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that has not said its name yet"
