"""A page in headless Chromium."""

import shutil
import subprocess

import pytest


def browser() -> str:
    """The command; the test is skipped where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return name
    pytest.skip("no Chromium on this machine")


def run(folder, *arguments) -> subprocess.CompletedProcess:
    options = "--headless --no-sandbox --disable-gpu --hide-scrollbars".split()
    return subprocess.run(
        [browser(), *options, f"--user-data-dir={folder / 'profile'}", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
