"""Boundaries at test: only where they are asked for."""

import numpy as np
import pytest
import tensorflow as tf
from models.model_cases import small_batch, small_mask, small_model

from tfmask.config import Config, DataConfig
from tfmask.data.readers import load_dataset
from tfmask.data.synthetic.generate import write_dataset
from tfmask.evaluation import visualize
from tfmask.layers.naming import named_weights
from tfmask.training.evaluator import Evaluator

HEAD = "boundary_preserving"


def bmask(**changes):
    return small_model(mask=small_mask(**({"head": HEAD} | changes)))


@pytest.mark.parametrize(
    "changes", [{}, {"head": "fcn", "sobel": True}], ids=["bmask", "sobel"]
)
def test_boundaries_are_given_only_where_they_are_asked_for(changes):
    model, batch = bmask(**changes), small_batch()
    plain = model(batch, training=False)
    assert "boundaries" not in plain
    shown = model(batch, training=False, boundaries=True)
    assert shown["boundaries"].shape == (2, 20, 28, 28)
    valid = plain["valid"].numpy()
    edges = shown["boundaries"].numpy()
    assert not edges[~valid].any()
    assert (edges[valid] > 0).all() and (edges[valid] < 1).all()
    for name, value in plain.items():
        np.testing.assert_array_equal(shown[name], value)


def test_boundaries_are_those_of_the_predicted_class():
    model = bmask()
    weights = named_weights(model)
    weights["mask_head/boundary_predictor/kernel"].assign(tf.zeros([1, 1, 32, 3]))
    weights["mask_head/boundary_predictor/bias"].assign([-1.0, 0.0, 1.0])
    out = model(small_batch(), training=False, boundaries=True)
    valid = out["valid"].numpy()
    expected = 1 / (1 + np.exp(-(out["labels"].numpy()[valid] - 2.0)))
    np.testing.assert_allclose(
        out["boundaries"].numpy()[valid].mean(axis=(1, 2)), expected, rtol=1e-5
    )


def test_a_head_without_boundaries_has_none_to_show():
    model = small_model()
    assert "boundary" not in model.masks.terms
    assert "boundaries" not in model(small_batch(), boundaries=True)


def test_inference_graph_has_no_boundary_deconvolution():
    """What nobody reads is not computed: at test the boundary's end costs nothing."""
    signature = {
        "images": tf.TensorSpec([1, 64, 64, 3], tf.uint8),
        "image_sizes": tf.TensorSpec([1, 2], tf.int32),
    }

    def deconvolutions(model, boundaries=False):
        traced = tf.function(
            lambda b: model(b, training=False, boundaries=boundaries)
        ).get_concrete_function(signature)
        graph = traced.graph.as_graph_def()
        nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
        return sum(n.op == "Conv2DBackpropInput" for n in nodes)

    model = bmask()
    assert deconvolutions(model) == 1
    assert deconvolutions(model, boundaries=True) == 2


def test_pictures_in_training_show_boundaries_and_figures_do_not_pay_for_them(
    tmp_path, monkeypatch
):
    config = Config(data=DataConfig(eval_short_side=64, eval_max_side=96))
    config.train.tensorboard_images = 1
    dataset = load_dataset(str(write_dataset(tmp_path, 2, seed=3, size=64)))
    drawn = []
    monkeypatch.setattr(
        visualize,
        "compare",
        lambda record, image, seen, *_, **__: drawn.append(seen) or image,
    )
    for head, shown in ((HEAD, True), ("fcn", False)):
        model = small_model(num_classes=4, mask=small_mask(head))
        evaluator = Evaluator(config, dataset)
        assert len(evaluator(model).pictures) == 1
        (prediction,) = drawn
        drawn.clear()
        assert (prediction.boundaries is not None) == shown
        if shown:
            assert len(prediction.boundaries) == len(prediction.masks) > 0
        predictor, _ = evaluator._predictors
        (prediction,) = predictor.predict([np.zeros((64, 64, 3), np.uint8)])
        assert prediction.boundaries is None
