import numpy as np
import pytest
import tensorflow as tf

from tfmask.ops.gathers import take_rows


@pytest.mark.parametrize("index", [[2, 0, 2, 1], []])
@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
def test_rows_and_gradient_are_those_of_gather(index, dtype):
    values = tf.random.stateless_uniform([4, 3], [1, 2])
    index = tf.constant(index, dtype)
    weights = tf.random.stateless_uniform([len(index), 3], [3, 4])
    results = []
    for take in (take_rows, tf.gather):
        with tf.GradientTape() as tape:
            tape.watch(values)
            rows = take(values, index)
            total = tf.reduce_sum(rows * weights)
        gradient = tf.convert_to_tensor(tape.gradient(total, values))
        results.append((rows, gradient))
    for own, other in zip(*results):
        np.testing.assert_allclose(own, other, rtol=1e-6)


def test_the_gradient_is_one_operation_beside_the_shape():
    @tf.function(
        input_signature=[tf.TensorSpec([None, 4]), tf.TensorSpec([None], "int64")]
    )
    def gradient(values, index):
        with tf.GradientTape() as tape:
            tape.watch(values)
            total = tf.reduce_sum(take_rows(values, index) ** 2)
        return tape.gradient(total, values)

    kinds = [op.type for op in gradient.get_concrete_function().graph.get_operations()]
    assert kinds.count("UnsortedSegmentSum") == 1
    assert "ConcatV2" not in kinds and "Size" not in kinds
