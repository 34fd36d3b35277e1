"""Running exported models of every format, to measure them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmask.errors import ExportError
from tfmask.export.saved_model import FACTS, latest_version


class Runner(NamedTuple):
    """An exported model, loaded.

    Fields:
      folder: of its version.
      call: images `[B, H, W, 3]` uint8 -> dict of arrays.
      facts: what the export recorded; empty where there is no record.
    """

    folder: Path
    call: Callable[[np.ndarray], dict]
    facts: dict


def load(folder, size, batch: int) -> Runner:
    """The highest version of a folder, by the runtime of its format.

    Args:
      folder: as `tfmask export` wrote it.
      size: (height, width) of the images that it will be given.
      batch: images at once.

    Raises:
      ExportError: no model in the folder; the runtime is not installed; the model takes
        another size, or one image at a time.
    """
    version = latest_version(folder, tuple(_LOADERS))
    name = next(name for name in _LOADERS if (version / name).exists())
    places = (version / "assets.extra" / FACTS, version / FACTS)
    texts = [p.read_text(encoding="utf-8") for p in places if p.exists()]
    facts = json.loads(texts[0]) if texts else {}
    if batch > 1 and name != "saved_model.pb":
        raise ExportError(
            f"{version / name}: --batch {batch}: expected 1, it takes one image"
        )
    if facts.get("size") not in (None, [*size]):
        height, width = facts["size"]
        raise ExportError(
            f"{version / name}: --size {size[0]}x{size[1]}: expected {height}x{width}, "
            "for which it was exported"
        )
    try:
        call = _LOADERS[name](version / name, facts)
    except ModuleNotFoundError as error:
        raise ExportError(
            f"{version / name}: {error.name}, which runs it, is not installed"
        ) from None
    return Runner(version, call, facts)


def _tensorflow(path: Path, facts: dict):
    function = tf.saved_model.load(str(path.parent)).signatures["serving_default"]

    def call(images):
        return {name: v.numpy() for name, v in function(tf.constant(images)).items()}

    return call


def _onnxruntime(path: Path, facts: dict):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda images: dict(zip(names, session.run(names, {"input_tensor": images})))


def _litert(path: Path, facts: dict):
    from ai_edge_litert.interpreter import Interpreter

    detect = Interpreter(str(path)).get_signature_runner("serving_default")
    return lambda images: detect(input_tensor=images)


def _openvino(path: Path, facts: dict):
    import openvino

    options = facts.get("compile_options", {})
    compiled = openvino.Core().compile_model(path, "CPU", options)

    def call(images):
        outputs = compiled({"input_tensor": images})
        return {output.get_any_name(): value for output, value in outputs.items()}

    return call


_LOADERS: dict[str, Callable] = {
    "saved_model.pb": _tensorflow,
    "model.onnx": _onnxruntime,
    "model.tflite": _litert,
    "model.xml": _openvino,
}
