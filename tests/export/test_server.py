"""The local server by its own test client."""

import base64
import json

import numpy as np
import pytest
import tensorflow as tf
from export.export_cases import encoded, photograph

pytest.importorskip("flask", reason="flask is not installed: pip install tfmask[serve]")

from tfmask.errors import ExportError
from tfmask.export.server import Model, create_app, latest_version

ADDRESS = "/v1/models/tfmask"
FILE = encoded(photograph(40, 60), ".jpg")


class Module(tf.Module):
    """A stand-in with the signatures of an exported model: fast to write and load."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)])
    def pixels(self, input_tensor):
        count = tf.shape(input_tensor)[0]
        mean = tf.reduce_mean(tf.cast(input_tensor, tf.float32), [1, 2, 3])
        return {
            "num_detections": tf.ones([count]),
            "detection_scores": (mean / 255)[:, None],
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def files(self, image_bytes):
        def one(contents):
            image = tf.io.decode_jpeg(contents, 3)
            limit = tf.debugging.Assert(tf.size(image) < 30_000, ["too many pixels"])
            with tf.control_dependencies([limit]):
                return {k: v[0] for k, v in self.pixels(image[None]).items()}

        spec = {
            "num_detections": tf.TensorSpec([]),
            "detection_scores": tf.TensorSpec([1]),
        }
        return tf.map_fn(one, image_bytes, fn_output_signature=spec)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    module = Module()
    tf.saved_model.save(
        module,
        str(folder / "3"),
        signatures={"serving_default": module.pixels, "image_bytes": module.files},
    )
    extra = folder / "3" / "assets.extra"
    extra.mkdir()
    (extra / "tfmask.json").write_text(json.dumps({"classes": {"7": "cat"}}))
    return create_app(Model(folder)).test_client()


def b64(data: bytes) -> dict:
    return {"b64": base64.b64encode(data).decode()}


def files(*values) -> dict:
    return {"signature_name": "image_bytes", "instances": list(values)}


def test_files_give_a_row_for_each_image(client):
    reply = client.post(f"{ADDRESS}:predict", json=files(b64(FILE), b64(FILE)))
    assert reply.status_code == 200
    first, second = reply.json["predictions"]
    assert first == second and first["num_detections"] == 1
    mean = tf.reduce_mean(tf.cast(tf.io.decode_jpeg(FILE, 3), tf.float32)) / 255
    assert first["detection_scores"][0] == pytest.approx(float(mean), rel=1e-5)


@pytest.mark.parametrize("form", ["instances", "inputs", "named instances", "named"])
def test_pixels_in_every_form_of_the_rest_interface(client, form):
    pixels = np.full((1, 4, 5, 3), 51).tolist()
    body = {
        "instances": {"instances": pixels},
        "inputs": {"inputs": pixels},
        "named instances": {"instances": [{"input_tensor": pixels[0]}]},
        "named": {"inputs": {"input_tensor": pixels}},
    }[form]
    reply = client.post(f"{ADDRESS}/versions/3:predict", json=body)
    assert reply.status_code == 200, reply.json
    answer = reply.json
    scores = (
        answer["predictions"][0]["detection_scores"]
        if "instances" in body
        else answer["outputs"]["detection_scores"][0]
    )
    assert scores == [pytest.approx(0.2)]


BAD = {
    "nothing": (b"", "empty"),
    "no JSON": (b"{", "not JSON"),
    "a list": (b"[]", "not a JSON object"),
    "NaN": (b'{"instances": [[[[NaN, 0, 0]]]]}', "NaN"),
    "deep": (b'{"instances": ' + b"[" * 100_000, "not JSON"),
    "no inputs": ({}, "instances"),
    "both": ({"instances": [], "inputs": []}, "either"),
    "no list": ({"instances": 3}, "expected a list"),
    "unknown signature": ({"signature_name": "x", "instances": []}, "one of"),
    "signature of another type": ({"signature_name": [1], "instances": []}, "one of"),
    "no pixels": ({"instances": []}, "whole numbers"),
    "rank 2": ({"instances": [[1, 2]]}, "shape"),
    "two channels": ({"instances": [[[[1, 2]]]]}, "shape"),
    "ragged": ({"instances": [[[[1, 2, 3]]], [[[1, 2]]]]}, "one shape"),
    "fractions": ({"instances": [[[[0.5, 1, 2]]]]}, "whole numbers"),
    "too bright": ({"instances": [[[[0, 1, 256]]]]}, "0 to 255"),
    "text": ({"instances": ["abc"]}, "whole numbers"),
    "other name": ({"instances": [{"image": [[[1, 2, 3]]]}]}, "input_tensor"),
    "no file": (files(), "at least one"),
    "file as text": (files("abc"), "b64"),
    "no base64": (files({"b64": "%%"}), "base64"),
    "b64 of another type": (files({"b64": 5}), "base64"),
    "empty file": (files(b64(b"")), "JPEG"),
    "garbage": (files(b64(bytes(300))), "JPEG"),
    "cut file": (files(b64(FILE[:200])), "JPEG"),
    "too large": (files(b64(encoded(photograph(200, 200), ".jpg"))), "too many"),
}


@pytest.mark.parametrize("name", BAD)
def test_malformed_requests_are_one_sentence(client, name):
    body, words = BAD[name]
    options = {"data": body} if isinstance(body, bytes) else {"json": body}
    reply = client.post(f"{ADDRESS}:predict", **options)
    assert reply.status_code == 400, reply.data[:300]
    assert words in reply.json["error"]
    assert "\n" not in reply.json["error"] and len(reply.json["error"]) < 250
    assert client.post(f"{ADDRESS}:predict", json=files(b64(FILE))).status_code == 200


def test_status_metadata_and_page(client):
    (state,) = client.get(ADDRESS).json["model_version_status"]
    assert (state["version"], state["state"]) == ("3", "AVAILABLE")
    metadata = client.get(f"{ADDRESS}/metadata").json["metadata"]
    assert metadata["classes"] == {"7": "cat"}
    spec = metadata["signature_def"]["serving_default"]["inputs"]["input_tensor"]
    assert spec == {"dtype": "uint8", "shape": [-1, -1, -1, 3]}
    page = client.get("/")
    assert page.mimetype == "text/html" and ADDRESS[1:] in page.text
    assert client.get("/other").status_code == 404
    assert client.post("/v1/models/other:predict", json={}).status_code == 404


def test_the_highest_version_is_taken(tmp_path):
    for name in ("2", "10", "notes"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").write_bytes(b"")
    assert latest_version(tmp_path).name == "10"
    assert latest_version(tmp_path / "2").name == "2"
    with pytest.raises(ExportError, match="no saved_model.pb"):
        latest_version(tmp_path / "none")
