import functools

import numpy as np
import pytest
import tensorflow as tf
from models.model_cases import (
    losses_and_gradients,
    small_batch,
    small_mask,
    small_model,
)

from tfmask.models import packing
from tfmask.ops._roi_gathers import as_gathers


def test_cpus_pad_to_one_roi_and_no_more():
    sizes = [int(packing.padded_count(tf.constant(n))) for n in (0, 1, 7, 100)]
    assert sizes == [1, 1, 7, 100]


def test_gpus_meet_few_numbers_of_rois(monkeypatch):
    monkeypatch.setattr(packing, "_has_gpu", lambda: True)
    counts = [0, 1, 16, 17, 33, 100, 128, 129, 512, 513, 1025, 2049]
    sizes = [int(packing.padded_count(tf.constant(n))) for n in counts]
    assert sizes == [16, 16, 16, 32, 64, 128, 128, 192, 512, 768, 1536, 4096]
    every = {int(packing.padded_count(tf.constant(n))) for n in range(0, 2049, 8)}
    assert len(every) == 12


@pytest.mark.parametrize("head", ["fcn", "boundary_preserving"])
def test_padding_rois_changes_no_result(monkeypatch, head):
    model = small_model(mask=small_mask(head))
    batch = small_batch()
    terms, gradients = losses_and_gradients(model, batch)
    detections = model(batch)
    monkeypatch.setattr(packing, "_has_gpu", lambda: True)
    for name, value in model(batch).items():
        np.testing.assert_allclose(value, detections[name], atol=1e-5, err_msg=name)
    padded_terms, padded_gradients = losses_and_gradients(model, batch)
    for name, value in terms.items():
        assert float(padded_terms[name]) == pytest.approx(float(value), rel=1e-5), name
    for one, other in zip(gradients, padded_gradients):
        scale = np.abs(tf.convert_to_tensor(one)).max()
        difference = np.abs(tf.convert_to_tensor(one - other)).max()
        assert difference <= 1e-4 * scale + 1e-7


@pytest.mark.parametrize("side", [8, 6, None])
def test_rows_of_bytes_are_taken_as_they_are(side):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (2, 3, 5, side or 8)).astype(np.uint8)
    image, position = np.array([1, 0, 1, 1]), np.array([2, 0, 0, 2])
    rows = tf.constant(image * 3 + position)

    @tf.function(input_signature=[tf.TensorSpec([2, None, 5, side], tf.uint8)])
    def take(values):
        return packing.rows_at(values, rows)

    np.testing.assert_array_equal(take(values), values[image, position])


def test_a_batch_of_known_size_is_mapped_without_a_loop():
    def function(image):
        (value, other), size = image
        return value + other[0], size * 2

    def call(in_turn, values, others, sizes):
        return packing.map_images(
            function, ([values, others], sizes), (tf.float32, tf.int32), in_turn
        )

    cases = [(1, True, False), (3, True, False), (3, True, True), (3, False, True)]
    for count, known, in_turn in cases:
        values = tf.reshape(tf.range(2.0 * count), [count, 2])
        inputs = values, 10 * values, tf.range(count)
        lead = count if known else None
        signature = [tf.TensorSpec([lead, *v.shape[1:]], v.dtype) for v in inputs]
        with as_gathers():
            mapped = functools.partial(call, in_turn)
            traced = tf.function(mapped, input_signature=signature)
            traced = traced.get_concrete_function()
        loops = {op.type for op in traced.graph.get_operations()} & {
            "While",
            "StatelessWhile",
        }
        assert bool(loops) != known
        total, sizes = traced(*inputs)
        np.testing.assert_array_equal(total, values + 10 * values[:, :1])
        np.testing.assert_array_equal(sizes, 2 * tf.range(count))
