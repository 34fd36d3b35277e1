import keras
import numpy as np
import pytest
import tensorflow as tf

from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.frozen_batch_norm import FoldedNorms


class Two(keras.Model):
    """Two convolutions, each with a frozen normalisation."""

    def __init__(self, policy, train_affine=False, bias=False):
        super().__init__()
        options = dict(norm="frozen_bn", use_bias=bias, dtype=policy)
        self.first = ConvNorm(5, 3, **options)
        self.second = ConvNorm(3, 1, train_affine=train_affine, **options)
        self.first.build((None, None, None, 2))
        self.second.build((None, None, None, 5))
        self.built = True

    def call(self, x):
        return self.second(self.first(x))


def model_with_statistics(policy="float32", **options):
    model, rng = Two(policy, **options), np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model, tf.constant(rng.normal(size=(1, 6, 6, 2)), tf.float32)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_folded_statistics_give_the_same_bits(policy, bias):
    model, x = model_with_statistics(policy, bias=bias)
    expected = model(x)
    with FoldedNorms(model).inside():
        np.testing.assert_array_equal(model(x), expected)
    np.testing.assert_array_equal(model(x), expected)


def test_a_graph_reads_the_kernels_alone():
    model, x = model_with_statistics()
    norms = FoldedNorms(model)

    @tf.function
    def inside(x):
        with norms.inside():
            return model(x)

    graph = inside.get_concrete_function(x).graph
    reads = [op for op in graph.get_operations() if op.type == "ReadVariableOp"]
    assert len(reads) == 2
    model.first.norm_layer.gamma.assign([9.0] * 5)  # not seen any more
    assert not np.array_equal(inside(x), model(x))


def test_trained_scales_stay_variables():
    model, x = model_with_statistics(train_affine=True)
    assert FoldedNorms(model).layers == [model.first.norm_layer]
    with FoldedNorms(model).inside(), tf.GradientTape() as tape:
        total = tf.reduce_sum(model(x))
    gradients = tape.gradient(total, model.trainable_variables)
    assert all(g is not None for g in gradients)


def test_a_model_without_frozen_norms_has_nothing_to_fold():
    layer = ConvNorm(5, 3)
    layer.build((None, None, None, 2))
    with FoldedNorms(layer).inside():
        assert layer(tf.zeros([1, 4, 4, 2])).shape == (1, 4, 4, 5)
