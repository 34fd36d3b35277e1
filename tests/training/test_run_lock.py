import json
import os
import signal
import subprocess
import sys

import pytest

from tfmask.errors import RunFolderError
from tfmask.training.run_lock import locked

HOLDER = """
import sys, time
from tfmask.training.run_lock import locked
with locked(sys.argv[1]):
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.communicate()


def test_folder_of_a_running_training_is_refused_by_its_owner(tmp_path, holder):
    with pytest.raises(RunFolderError, match=f"process {holder.pid} on "):
        with locked(tmp_path):
            pass
    assert json.loads((tmp_path / "lock").read_text())["pid"] == holder.pid


def test_lock_of_a_killed_process_is_taken_over(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "lock").exists()
    with locked(tmp_path):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


def test_the_file_goes_with_the_lock(tmp_path):
    for _ in range(2):
        with locked(tmp_path / "new"):
            assert (tmp_path / "new" / "lock").exists()
        assert not list((tmp_path / "new").iterdir())


def test_the_file_goes_when_training_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot be written"):
        with locked(tmp_path / "file"):
            pass
