import numpy as np
import pytest
import tensorflow as tf

from tfmask.export.warmup import FILE, prediction_log, write_requests


def test_prediction_log_byte_by_byte():
    proto = tf.make_tensor_proto([b"ab"]).SerializeToString()
    spec = b"\x0a\x01m\x1a\x01s"
    entry = b"\x0a\x01x\x12" + bytes([len(proto)]) + proto
    request = (
        b"\x0a" + bytes([len(spec)]) + spec + b"\x12" + bytes([len(entry)]) + entry
    )
    log = b"\x0a" + bytes([len(request)]) + request
    assert prediction_log("s", {"x": [b"ab"]}, "m") == b"\x32" + bytes([len(log)]) + log


def test_requests_are_what_tensorflow_serving_reads(tmp_path):
    logs = pytest.importorskip(
        "tensorflow_serving.apis.prediction_log_pb2",
        reason="tensorflow-serving-api is not installed",
    )
    image = np.arange(300, dtype=np.uint8).reshape(1, 10, 10, 3)  # a two-byte length
    write_requests(str(tmp_path), [("serving_default", "input_tensor", image)])
    (record,) = tf.data.TFRecordDataset(str(tmp_path / FILE)).as_numpy_iterator()
    request = logs.PredictionLog.FromString(record).predict_log.request
    assert request.model_spec.name == "tfmask"
    assert request.model_spec.signature_name == "serving_default"
    np.testing.assert_array_equal(
        tf.make_ndarray(request.inputs["input_tensor"]), image
    )
