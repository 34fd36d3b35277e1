"""Warm-up requests: TensorFlow Serving runs them before a model takes traffic.

The file is a TFRecord of `tensorflow.serving.PredictionLog`. Its few messages are
written field by field, so that the exporter does not need tensorflow-serving-api:

    PredictionLog   { PredictLog predict_log = 6; }
    PredictLog      { PredictRequest request = 1; }
    PredictRequest  { ModelSpec model_spec = 1; map<string, TensorProto> inputs = 2; }
    ModelSpec       { string name = 1; string signature_name = 3; }
"""

import os

import tensorflow as tf

FILE = "tf_serving_warmup_requests"  # under assets.extra, as TensorFlow Serving has it


def write_requests(folder: str, requests) -> None:
    """Writes the file into `folder`.

    Args:
      folder: `assets.extra` of an exported model.
      requests: (signature, input name, tensor) of each request.
    """
    with tf.io.TFRecordWriter(os.path.join(folder, FILE)) as writer:
        for signature, name, tensor in requests:
            writer.write(prediction_log(signature, {name: tensor}))


def prediction_log(signature: str, inputs: dict, model: str = "tfmask") -> bytes:
    """One serialised PredictionLog; `inputs`: tensors by name."""
    spec = _field(1, model.encode()) + _field(3, signature.encode())
    request = _field(1, spec)
    for name, tensor in inputs.items():
        value = tf.make_tensor_proto(tensor).SerializeToString()
        request += _field(2, _field(1, name.encode()) + _field(2, value))
    return _field(6, _field(1, request))


def _field(number: int, payload: bytes) -> bytes:
    """A field of bytes, text or a message: number and wire type 2, length, content."""
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    """Seven bits per byte, low ones first; the top bit says that more follow."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
