"""Requests in TensorFlow Serving's own protocol buffers, over gRPC.

The server is a few lines around TensorFlow's runtime: what TensorFlow Serving does with
a request, without its batching and versions.
"""

import os
from concurrent import futures
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from export.export_cases import PHOTOGRAPHS, encoded, photograph

grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
serving = pytest.importorskip(
    "tensorflow_serving.apis.prediction_service_pb2_grpc",
    reason="tensorflow-serving-api is not installed",
)
from tensorflow_serving.apis import predict_pb2  # noqa: E402

GOOD = encoded(PHOTOGRAPHS[0], ".jpg")
PNG = encoded(PHOTOGRAPHS[1], ".png")
HUGE = PNG[:16] + (20_000).to_bytes(4, "big") * 2 + PNG[24:]


class Service(serving.PredictionServiceServicer):
    def __init__(self, folder):
        self.signatures = tf.saved_model.load(str(folder)).signatures

    def Predict(self, request, context):
        try:
            inputs = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
            function = self.signatures[request.model_spec.signature_name]
            outputs = function(**{k: tf.constant(v) for k, v in inputs.items()})
        except (
            tf.errors.InvalidArgumentError,
            TypeError,
            KeyError,
            ValueError,
        ) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error)[:1000])
        response = predict_pb2.PredictResponse()
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
        return response


@pytest.fixture(scope="module")
def predict(exported):
    options = [("grpc.max_send_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(1), options=options)
    serving.add_PredictionServiceServicer_to_server(Service(exported[0]), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    options = [("grpc.max_receive_message_length", -1)]
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=options)
    stub = serving.PredictionServiceStub(channel)

    def call(signature, value, name=None):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "tfmask"
        request.model_spec.signature_name = signature
        request.inputs[name or signature].CopyFrom(tf.make_tensor_proto(value))
        outputs = stub.Predict(request, timeout=120).outputs
        return {key: tf.make_ndarray(proto) for key, proto in outputs.items()}

    yield call
    channel.close()
    server.stop(None)


def pixels(*shape, value=0):
    return np.full(shape, value, np.uint8)


BAD = {
    "empty file": ("image_bytes", [b""]),
    "garbage": ("image_bytes", [bytes(range(256)) * 3]),
    "text": ("image_bytes", [b"no image"]),
    "start alone": ("image_bytes", [b"\xff\xd8\xff"]),
    "cut JPEG": ("image_bytes", [GOOD[: len(GOOD) // 2]]),
    "cut PNG": ("image_bytes", [PNG[: len(PNG) // 2]]),
    "JPEG header alone": ("image_bytes", [GOOD[:100]]),
    "PNG header alone": ("image_bytes", [PNG[:40]]),
    "20,000-pixel header": ("image_bytes", [HUGE]),
    "GIF": ("image_bytes", [b"GIF89a" + bytes(100)]),
    "one of two": ("image_bytes", [GOOD, b"x"]),
    "no files": ("image_bytes", np.array([], object)),
    "files of rank 2": ("image_bytes", [[GOOD]]),
    "numbers for files": ("image_bytes", [1.0, float("nan")]),
    "no example": ("tf_example", [b"\xff\xff\xff"]),
    "example without a file": ("tf_example", [b""]),
    "no images": ("serving_default", pixels(0, 8, 8, 3)),
    "no pixels": ("serving_default", pixels(1, 0, 8, 3)),
    "one channel": ("serving_default", pixels(1, 8, 8, 1)),
    "rank 3": ("serving_default", pixels(8, 8, 3)),
    "floats": ("serving_default", np.full((1, 8, 8, 3), np.nan, np.float32)),
    "too many pixels": ("serving_default", pixels(1, 400, 400, 3)),
    "other signature": ("predict", pixels(1, 8, 8, 3)),
}


def test_files_and_pixels_give_detections(predict):
    outputs = predict("image_bytes", [GOOD, PNG])
    assert (outputs["num_detections"] > 3).all()
    image = PHOTOGRAPHS[1][None]
    alone = predict("serving_default", image, "input_tensor")
    np.testing.assert_allclose(
        outputs["detection_scores"][1], alone["detection_scores"][0], atol=1e-5
    )


@pytest.mark.parametrize("name", BAD)
def test_malformed_requests_are_invalid_and_the_next_good_one_works(predict, name):
    signature, value = BAD[name]
    where = "input_tensor" if signature in ("serving_default", "predict") else None
    if name == "no files":
        value = tf.zeros([0], tf.string)
    with pytest.raises(grpc.RpcError) as caught:
        predict(signature, value, where)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert predict("image_bytes", [GOOD])["num_detections"][0] > 3


def megabytes() -> float:
    """Memory that this process, server and client in one, holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.slow
def test_memory_stays_flat_over_2000_requests(predict):
    sizes = [photograph(60 + 9 * i, 120 - 7 * i, seed=i) for i in range(8)]
    files = [encoded(image, ".jpg") for image in sizes]
    memory = []
    for number in range(2000):
        if number % 10 == 9:
            with pytest.raises(grpc.RpcError):
                predict("image_bytes", [GOOD[: 50 + number]])
        else:
            predict("image_bytes", [files[number % len(files)]])
        if number % 250 == 249:
            memory.append(megabytes())
    print("MB after each 250 requests:", [round(value) for value in memory])
    # The first requests fill caches: kernels, arenas, threads.
    assert memory[-1] - memory[1] < 0.05 * memory[1]
