"""Weights and inputs of the golden cases, regenerated from names.

What the public implementations computed is in `<case>.npz`; `manifest.json` has each
case's seed, options and parameter shapes. Every number of the weights and inputs comes
from NumPy's legacy generator, seeded by the seed and the name, so that nothing of size
has to be stored:

    stream(name) = numpy.random.RandomState(zlib.crc32(f"{seed}/{name}"))
"""

import json
import math
import os
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

# A folder with cases of other seeds can stand in for the ones beside this file.
FOLDER = Path(os.environ.get("TFMASK_GOLDEN", Path(__file__).resolve().parent))

# Variance of a weight times its fan-in, by what its name contains; the first that
# applies. Small for deltas and pyramid, large for class scores, so that outputs spread.
_GAINS = (
    (("bbox_pred", "anchor_deltas"), 0.05),
    (("cls_score", "cls_logits", "objectness_logits"), 8.0),
    (("predictor", "mask_fcn_logits"), 1.0),
)


class Case(NamedTuple):
    """One golden case."""

    name: str
    seed: int
    options: dict
    shapes: dict[str, tuple]  # parameters, in PyTorch's layout
    expected: dict[str, np.ndarray]

    def stream(self, name: str) -> np.random.RandomState:
        """The generator of a name."""
        return np.random.RandomState(zlib.crc32(f"{self.seed}/{name}".encode()))

    def uniform(self, name: str, shape) -> np.ndarray:
        """An input with values in 0..1, float32."""
        return self.stream(f"input/{name}").random_sample(shape).astype(np.float32)

    def normal(self, name: str, shape) -> np.ndarray:
        """A standard normal input, float32."""
        return self.stream(f"input/{name}").standard_normal(shape).astype(np.float32)

    def parameters(self) -> dict[str, np.ndarray]:
        """The state dict of the case's model."""
        drawn = {}
        for name, shape in self.shapes.items():
            if name.endswith("num_batches_tracked"):
                drawn[name] = np.zeros(shape, np.int64)
            else:
                drawn[name] = self._parameter(name, tuple(shape)).astype(np.float32)
        return drawn

    def _parameter(self, name, shape):
        stream, last = self.stream(name), name.rsplit(".", 1)[-1]
        if last == "running_var":
            return 0.5 + stream.random_sample(shape)
        if last == "weight" and len(shape) > 1:
            deviation = math.sqrt(_gain(name) / math.prod(shape[1:]))
            return deviation * stream.standard_normal(shape)
        if last == "weight":
            # The last norm of a block is small, so that depth does not blow up.
            end_of_block = name.endswith(("bn3.weight", "conv3.norm.weight"))
            return (0.5 + stream.random_sample(shape)) * (0.2 if end_of_block else 1.0)
        return 0.1 * stream.standard_normal(shape)  # biases and running means


def _gain(name: str) -> float:
    for parts, gain in _GAINS:
        if any(part in name for part in parts):
            return gain
    if "fpn" in name and "iefpn/" not in name:
        return 0.1
    if name.endswith("stem.conv1.weight"):
        return 6e-4  # for an input of raw pixels
    return 0.5 if name.startswith("hrnet/") else 2.0


def load_case(name: str) -> Case:
    """A case by its name in the manifest."""
    entry = json.loads((FOLDER / "manifest.json").read_text())[name]
    with np.load(FOLDER / f"{name}.npz") as stored:
        expected = {key: stored[key] for key in stored.files}
    return Case(
        name,
        entry["seed"],
        entry.get("options", {}),
        entry.get("parameters", {}),
        expected,
    )
