import numpy as np
import tensorflow as tf

from tfmask.export.freeze import freeze
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.deform_conv import DeformableConv


def normalised(activation=None, dtype="float32"):
    layer = ConvNorm(6, norm="bn", activation=activation, dtype=dtype)
    layer.build((None, None, None, 4))
    rng = np.random.default_rng(0)
    norm = layer.norm_layer
    for weight in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance):
        weight.assign(rng.uniform(0.5, 2, weight.shape))
    return layer


def operations(frozen):
    return {node.op for node in frozen.graph_def.node}


def test_batch_norm_is_folded_into_the_convolution_before_it():
    layer = normalised("relu")
    x = tf.random.stateless_normal([2, 9, 7, 4], [1, 2])
    spec = tf.TensorSpec([None, None, None, 4])
    frozen = freeze(lambda x: {"y": layer(x, training=False)}, [spec])
    assert not operations(frozen) & {"FusedBatchNormV3", "ReadVariableOp"}
    result = frozen(x)["y"]
    expected = layer(x, training=False)
    assert float(tf.reduce_max(expected)) > 1
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_batch_norm_stays_where_something_else_reads_the_convolution():
    layer = normalised()
    kernel = tf.constant(np.random.default_rng(1).normal(size=(1, 1, 4, 6)), tf.float32)

    def function(x):
        y = tf.nn.conv2d(x, kernel, 1, "SAME")
        return {"y": layer.norm_layer(y, training=False) + y}

    frozen = freeze(function, [tf.TensorSpec([1, 5, 5, 4])])
    assert "FusedBatchNormV3" in operations(frozen)
    x = tf.random.stateless_normal([1, 5, 5, 4], [3, 4])
    np.testing.assert_allclose(frozen(x)["y"], function(x)["y"], atol=1e-5)


def test_weights_are_stored_in_the_type_that_they_compute_in():
    layer = normalised(dtype="mixed_bfloat16")
    frozen = freeze(lambda x: {"y": layer(x)}, [tf.TensorSpec([1, 5, 5, 4])])
    kernels = [
        node
        for node in frozen.graph_def.node
        if node.op == "Const" and len(node.attr["value"].tensor.tensor_shape.dim) == 4
    ]
    types = [node.attr["dtype"].type for node in kernels]
    assert types == [tf.bfloat16.as_datatype_enum]


def test_loops_and_branches_do_not_meet_those_of_the_first_trace():
    table = tf.Variable([1.0, 2.0])

    def function(x):
        rows = tf.map_fn(lambda row: row * table, x)
        return {"y": tf.cond(tf.size(x) > 4, lambda: rows, lambda: rows + table)}

    for _ in range(2):
        frozen = freeze(function, [tf.TensorSpec([None, 2])])
        np.testing.assert_allclose(frozen(tf.ones([1, 2]))["y"], [[2.0, 4.0]])


def test_outputs_that_are_constants_stay():
    def function(x):
        return {"y": x + 1.0, "size": tf.constant([[4, 5]])}

    frozen = freeze(function, [tf.TensorSpec([1, 2])])
    np.testing.assert_array_equal(frozen(tf.ones([1, 2]))["size"], [[4, 5]])


def test_deformable_convolutions_are_frozen_as_stock_ops():
    layer = DeformableConv(6, modulated=True)
    layer.build((None, None, None, 4))
    rng = np.random.default_rng(0)
    for weight in layer.weights:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    spec = tf.TensorSpec([None, None, None, 4])
    frozen = freeze(lambda x: {"y": layer(x)}, [spec])
    assert "CropAndResize" in operations(frozen)
    assert not any("Tfmask" in operation for operation in operations(frozen))
    x = tf.random.stateless_normal([2, 9, 7, 4], [1, 2])
    np.testing.assert_allclose(tf.function(frozen)(x)["y"], layer(x), atol=1e-4)
