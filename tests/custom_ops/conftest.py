"""The modules of the harness can be imported by its tests."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "custom_ops" / "harness"))
