"""What `pip install .` installs."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of the checkout, built from a copy: building leaves files about."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "tfmask", "configs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    names = [n for n in listed.stdout.splitlines() if n.endswith((".py", ".typed"))]
    for name in [*names, "setup.py", "pyproject.toml", "README.md", "LICENSE"]:
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    (folder / "source" / "tfmask" / "configs").symlink_to("../configs")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
        + ["--no-build-isolation", "--wheel-dir", folder, folder / "source"],
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("tfmask-*.whl")
    return path


def test_recipes_and_code_are_in_the_wheel_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "configs").rglob("*.py"):
        assert f"tfmask/{path.relative_to(ROOT).as_posix()}" in names
    assert {"tfmask/models/rcnn.py", "tfmask/py.typed"} <= names
    assert {n.split("/")[0].split("-")[0] for n in names} == {"tfmask"}


def test_wheel_has_the_licence_and_the_command(wheel):
    archive = zipfile.ZipFile(wheel)
    names = archive.namelist()
    assert any(name.endswith("LICENSE") for name in names)
    (entry,) = [name for name in names if name.endswith("entry_points.txt")]
    assert b"tfmask = tfmask.cli:main" in archive.read(entry)


def test_recipes_are_found_without_a_checkout(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "tfmask", "recipes"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "demo/shapes" in done.stdout


def test_files_beside_the_package_are_not_in_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "import tfmask.setup"], cwd=tmp_path, capture_output=True
    )
    assert b"No module named 'tfmask.setup'" in done.stderr


def test_lock_files_name_no_place():
    """Hashes pin the files; where they are fetched from is the installer's business."""
    for path in (ROOT / "requirements").iterdir():
        text = path.read_text()
        assert "://" not in text and "file:" not in text and "--index" not in text


def test_every_locked_package_has_hashes():
    for path in (ROOT / "requirements").glob("*.lock"):
        entries = path.read_text().replace("\\\n", " ").splitlines()
        entries = [e for e in entries if e and not e.startswith("#")]
        assert len(entries) > 30
        assert all("==" in e and "--hash=sha256:" in e for e in entries)
