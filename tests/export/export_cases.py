"""Small models of each architecture, exported, and photographs for them."""

import dataclasses
import importlib
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from models.model_cases import change, small_boxes, small_mask, small_model

from tfmask.config import (
    BoundaryRefinementConfig,
    ContextConfig,
    DataConfig,
    IEFPNConfig,
    MaskScoringConfig,
    PoolConfig,
    PyramidConfig,
    QuasiConfig,
    RefineConfig,
)
from tfmask.config.boxes import cascade_stages
from tfmask.layers.naming import named_weights
from tfmask.structures import ClassMap

CLASSES = ClassMap((3, 7, 90), ("cat", "dog", "kite"))
DATA = DataConfig(eval_short_side=96, eval_max_side=160)
MASKPLUS = {
    "context": ContextConfig(filters=(16, 32)),
    "pyramid": PyramidConfig(enabled=True),
    "refinement": BoundaryRefinementConfig(kind="improved"),
    "quasi": QuasiConfig(sizes=(0.5, 2.0)),
}


def cascade_boxes():
    return dataclasses.replace(
        small_boxes(class_agnostic=True), stages=cascade_stages()
    )


MODELS = {
    "mask_rcnn": lambda: {},
    "mr_rcnn": lambda: {
        "refine": RefineConfig(enabled=True),
        "pool": PoolConfig(sampling_ratio=2),
    },
    "bmask": lambda: {"mask": small_mask("boundary_preserving")},
    "mask_scoring": lambda: {
        "mask": small_mask(scoring=MaskScoringConfig(enabled=True))
    },
    "maskplus": lambda: {"mask": small_mask(**MASKPLUS), "boxes": cascade_boxes()},
    "iemask": lambda: {
        "neck": IEFPNConfig(channels=32),
        "mask": small_mask("encoder_decoder", pool_size=28),
    },
}


def trained(name: str, precision="float32"):
    """A model whose random weights tell classes and boxes apart."""
    model = small_model(seed=3, precision=precision, **MODELS[name]())
    tell_scores_apart(model)
    change(model.boxes, "select", score_threshold=0.0, max_detections=20)
    return model


def tell_scores_apart(model) -> None:
    """Draws anew what predicts scores, so that the best are not chosen by rounding."""
    rng = np.random.default_rng(5)
    predictors = [stage.head.class_logits for stage in model.boxes.stages]
    for predictor in (*predictors, model.proposals.head.objectness):
        kernel = named_weights(predictor)["kernel"]
        kernel.assign(rng.normal(0, 0.1, kernel.shape))


def photograph(height: int, width: int, seed=0) -> np.ndarray:
    """Smooth colours with bright shapes and a little noise, `[H, W, 3]` uint8 RGB."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 160, (5, 7, 3)).astype(np.float32)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(6):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        colour = tuple(int(v) for v in rng.integers(120, 255, 3))
        cv2.circle(image, centre, int(rng.integers(5, height // 3)), colour, -1)
    image += rng.normal(0, 4, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


PHOTOGRAPHS = [photograph(120, 200, 1), photograph(240, 180, 2), photograph(77, 91, 3)]


def encoded(image: np.ndarray, extension: str) -> bytes:
    """The image as a file of this kind."""
    done, data = cv2.imencode(extension, image[..., ::-1])
    assert done
    return data.tobytes()


def run_apart(requests: list, folder, python=sys.executable) -> list[dict]:
    """Runs exported models in a process that cannot import tfmask.

    Args:
      requests: (folder of the model, signature, array or list of bytes).
      folder: for the files between the processes.
      python: interpreter, perhaps of another TensorFlow.

    Returns:
      For each request the outputs by name, or `error`.
    """
    arrays = {}
    for i, (model, signature, value) in enumerate(requests):
        arrays[f"{i}/folder"], arrays[f"{i}/signature"] = str(model), signature
        if isinstance(value, list):
            arrays[f"{i}/input"] = np.array([*value, None], object)[:-1]
        else:
            arrays[f"{i}/input"] = value
    np.savez(folder / "requests.npz", **arrays)
    script = Path(__file__).with_name("run_exported.py")
    files = [str(folder / "requests.npz"), str(folder / "results.npz")]
    done = subprocess.run(
        [python, "-I", str(script), *files], capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results = [{} for _ in requests]
    for key, value in np.load(folder / "results.npz").items():
        number, name = key.split("/")
        results[int(number)][name] = value
    return results


def run_by_runtime_apart(runtime: str, model, images: list, folder) -> list[dict]:
    """The outputs of a converted model for each image, by a runtime alone.

    Args:
      runtime: the module's name, e.g. openvino; `run_<its name>.py` calls it.
      model: file.
      images: `[H, W, 3]` uint8.
      folder: for the files between the processes.
    """
    module = importlib.import_module(runtime)
    files = [str(folder / "images.npz"), str(folder / "results.npz")]
    np.savez(files[0], **{str(i): image for i, image in enumerate(images)})
    script = Path(__file__).with_name(f"run_{runtime}.py")
    libraries = str(Path(module.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-I", str(script), libraries, str(model), *files],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results = [{} for _ in images]
    for key, value in np.load(files[1]).items():
        number, name = key.split("/")
        results[int(number)][name] = value
    return results
