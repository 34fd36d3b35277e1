"""A small local server for trying an exported model.

It speaks TensorFlow Serving's REST form and has a page that takes an image by drag and
drop. Flask and Waitress: plain blocking threads are what inference needs, both are kept
by their projects since more than ten years, and both are small. Production is
TensorFlow Serving's; see docs/serving.md.
"""

import base64
import binascii
import json
import math
from pathlib import Path

import flask
import numpy as np
import tensorflow as tf
from werkzeug.exceptions import HTTPException

from tfmask.errors import ExportError
from tfmask.export.limits import refusal
from tfmask.export.saved_model import FACTS, latest_version

MAX_BYTES = 64 << 20  # of a request
PAGE = Path(__file__).with_name("page.html")
_INPUTS = {"serving_default": "input_tensor"}  # of the others: their own name


class Model:
    """An exported model, loaded by TensorFlow's runtime.

    Args:
      folder: `DIR`, whose highest version is taken, or `DIR/<version>`.
      name: in the address of the REST form.

    Raises:
      ExportError: there is no exported model.
    """

    def __init__(self, folder, name: str = "tfmask"):
        self.folder = latest_version(folder)
        self.name = name
        self.signatures = tf.saved_model.load(str(self.folder)).signatures
        if "image_bytes" not in self.signatures:
            raise ExportError(
                f"{self.folder}: signatures {', '.join(self.signatures)}: expected a "
                "model of `tfmask export`"
            )
        facts = self.folder / "assets.extra" / FACTS
        facts = json.loads(facts.read_text()) if facts.exists() else {}
        self.classes = facts.get("classes", {})

    def predict(self, signature: str, inputs: dict) -> dict:
        """Arrays by name -> arrays by name."""
        outputs = self.signatures[signature](**inputs)
        return {name: value.numpy() for name, value in outputs.items()}


class BadRequest(Exception):
    """What is wrong with a request, in one sentence."""


def create_app(model: Model) -> flask.Flask:
    """The server as a WSGI application; `app.test_client()` tries it without a port."""
    app = flask.Flask("tfmask", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BYTES
    address = f"/v1/models/{model.name}"

    @app.get("/")
    def page():
        text = PAGE.read_text(encoding="utf-8").replace("MODEL", model.name)
        return flask.Response(text, mimetype="text/html")

    @app.get(address)
    @app.get(f"{address}/versions/{model.folder.name}")
    def status():
        state = {
            "version": model.folder.name,
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
        return {"model_version_status": [state]}

    @app.get(f"{address}/metadata")
    def metadata():
        signatures = {
            name: {
                "inputs": {
                    key: {"dtype": spec.dtype.name, "shape": _shape(spec)}
                    for key, spec in signature.structured_input_signature[1].items()
                },
                "outputs": {
                    key: {"dtype": spec.dtype.name, "shape": _shape(spec)}
                    for key, spec in signature.structured_outputs.items()
                },
            }
            for name, signature in model.signatures.items()
        }
        spec = {"name": model.name, "version": model.folder.name}
        return {
            "model_spec": spec,
            "metadata": {"signature_def": signatures, "classes": model.classes},
        }

    @app.post(f"{address}:predict")
    @app.post(f"{address}/versions/{model.folder.name}:predict")
    def predict():
        return _predict(model, _body())

    @app.errorhandler(BadRequest)
    def refuse(error):
        return {"error": str(error)}, 400

    @app.errorhandler(HTTPException)
    def other(error):
        return {"error": error.description}, error.code

    return app


def serve(folder, host: str, port: int, name: str = "tfmask", log=print) -> None:
    """Loads a model and serves it until it is stopped."""
    import waitress

    model = Model(folder, name)
    log(f"{model.folder}: http://{host}:{port}/ and /v1/models/{name}:predict")
    # One image at a time: TensorFlow uses all cores for it.
    waitress.serve(
        create_app(model),
        host=host,
        port=port,
        threads=1,
        max_request_body_size=MAX_BYTES,
        ident="tfmask",
    )


def _shape(spec) -> list:
    return [-1 if side is None else side for side in spec.shape]


def _body() -> dict:
    """The request's JSON object."""
    text = flask.request.get_data()
    if not text:
        raise BadRequest("the request is empty: expected a JSON object")
    try:
        body = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the request is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise BadRequest("the request is not a JSON object")
    return body


def _no_constant(name):
    raise ValueError(f"{name} is no number of JSON")


def _predict(model: Model, body: dict) -> dict:
    signature = body.get("signature_name", "serving_default")
    if not isinstance(signature, str) or signature not in model.signatures:
        known = ", ".join(sorted(model.signatures))
        raise BadRequest(f"signature_name {signature!r}: expected one of {known}")
    if ("instances" in body) == ("inputs" in body):
        raise BadRequest("expected either `instances` or `inputs`")
    name = _INPUTS.get(signature, signature)
    rows = "instances" in body
    value = body["instances" if rows else "inputs"]
    if rows:
        if not isinstance(value, list):
            raise BadRequest("`instances`: expected a list")
        named = [isinstance(item, dict) and "b64" not in item for item in value]
        value = [
            _named(item, name, "instances") if is_named else item
            for item, is_named in zip(value, named)
        ]
    elif isinstance(value, dict) and "b64" not in value:
        value = _named(value, name, "inputs")
    tensor = _pixels(value) if signature == "serving_default" else _files(value)
    try:
        outputs = model.predict(signature, {name: tensor})
    except tf.errors.InvalidArgumentError as error:
        raise BadRequest(refusal(error.message)) from None
    outputs = {key: array.tolist() for key, array in outputs.items()}
    if not rows:
        return {"outputs": outputs}
    count = len(outputs["num_detections"])
    return {
        "predictions": [
            {key: array[i] for key, array in outputs.items()} for i in range(count)
        ]
    }


def _named(value: dict, name: str, where: str):
    if set(value) != {name}:
        keys = ", ".join(map(repr, value)) or "none"
        raise BadRequest(f"`{where}` with the keys {keys}: expected {name!r} alone")
    return value[name]


def _pixels(value):
    """`[B, H, W, 3]` uint8 from nested lists."""
    try:
        array = np.asarray(value)
    except ValueError:
        array = None
    if array is None or array.dtype.kind not in "iu":
        raise BadRequest(
            "pixels: expected nested lists of whole numbers, all of one shape"
        )
    if array.ndim != 4 or array.shape[-1] != 3 or not math.prod(array.shape):
        raise BadRequest(
            f"pixels of shape {list(array.shape)}: expected [images, height, width, 3] "
            "without a zero"
        )
    if array.min() < 0 or array.max() > 255:
        raise BadRequest("pixels: expected numbers from 0 to 255")
    return tf.constant(array, tf.uint8)


def _files(value):
    """`[B]` strings from `{"b64": text}` objects."""
    values = value if isinstance(value, list) else [value]
    files = []
    for item in values:
        if not isinstance(item, dict) or set(item) != {"b64"}:
            raise BadRequest('files: expected objects of the form {"b64": "..."}')
        try:
            files.append(base64.b64decode(item["b64"], validate=True))
        except (binascii.Error, TypeError, ValueError):
            raise BadRequest("files: b64 is not base64") from None
    if not files:
        raise BadRequest("no image: expected at least one")
    return tf.constant(files, tf.string)
