import keras
import numpy as np
import pytest
import tensorflow as tf
from models.model_cases import (
    change,
    losses_and_gradients,
    samples_of,
    small_batch,
    small_model,
)

from tfmask.config import ModelConfig
from tfmask.errors import ConfigError
from tfmask.models.build import build_model

TERMS = {"rpn_objectness", "rpn_box", "box_class", "box_regression", "mask"}


@pytest.fixture(scope="module")
def model():
    return small_model()


def test_inference_returns_padded_detections(model):
    out = model(small_batch(), training=False)
    assert {k: tuple(v.shape) for k, v in out.items()} == {
        "boxes": (2, 20, 4),
        "scores": (2, 20),
        "labels": (2, 20),
        "valid": (2, 20),
        "masks": (2, 20, 28, 28),
    }
    valid = out["valid"].numpy()
    assert valid.any()
    boxes = out["boxes"].numpy()
    assert boxes.min() >= 0 and boxes.max() <= 64
    assert (out["labels"].numpy()[valid] >= 1).all()
    assert (np.diff(out["scores"].numpy(), axis=1) <= 1e-6).all()
    assert not out["masks"].numpy()[~valid].any()


def test_training_has_every_loss_and_every_gradient(model):
    terms, gradients = losses_and_gradients(model, small_batch())
    assert set(terms) == TERMS == set(model.loss_weights.names)
    for value in terms.values():
        assert np.isfinite(value) and float(value) > 0
    for variable, gradient in zip(model.trainable_variables, gradients):
        assert gradient is not None, variable.name
        assert np.isfinite(tf.convert_to_tensor(gradient)).all()


def test_training_draws_follow_from_seed_and_stream_index():
    model, batch = small_model(), small_batch()
    first = samples_of(model(batch, training=True)).boxes.numpy()
    np.testing.assert_array_equal(
        first, samples_of(model(batch, training=True)).boxes.numpy()
    )
    model.seed = 5
    assert (first != samples_of(model(batch, training=True)).boxes.numpy()).any()
    model.seed = 0
    batch["stream_index"] += 100
    assert (first != samples_of(model(batch, training=True)).boxes.numpy()).any()


def test_padding_instances_change_nothing(model):
    batch = small_batch()
    padded = dict(batch)
    for name in ("boxes", "labels", "masks", "crowd", "valid"):
        widths = [[0, 0], [0, 4]] + [[0, 0]] * (len(batch[name].shape) - 2)
        padded[name] = tf.pad(tf.cast(batch[name], tf.float32), widths)
        padded[name] = tf.cast(padded[name], batch[name].dtype)
    # All proposals are drawn (batch above their number), so that the draw itself,
    # which follows the order of candidates, is the same set.
    change(model.boxes, "sampler", batch=10_000)
    model.proposals.batch = 100_000
    plain = model.compute_losses(model(batch, training=True), batch)
    more = model.compute_losses(model(padded, training=True), padded)
    change(model.boxes, "sampler", batch=32)
    model.proposals.batch = 256
    for name in TERMS:
        assert float(plain[name]) == pytest.approx(float(more[name]), rel=1e-4), name


@pytest.mark.parametrize("kind", ["none", "half", "crowd"])
def test_images_without_objects_give_finite_losses(model, kind):
    batch = small_batch()
    if kind == "crowd":
        batch["crowd"] = batch["valid"]
    else:
        keep = tf.constant([[kind == "half"], [False]])
        batch["valid"] &= keep
    terms, gradients = losses_and_gradients(model, batch)
    assert all(np.isfinite(v) for v in terms.values())
    assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients)
    if kind != "half":
        assert float(terms["mask"]) == 0 and float(terms["box_regression"]) == 0


def test_crowd_regions_are_neither_positive_nor_negative(model):
    batch = small_batch()
    batch["crowd"] = batch["valid"]
    samples = samples_of(model(batch, training=True))
    assert not samples.labels.numpy().any()
    boxes, valid = samples.boxes.numpy(), samples.valid.numpy()
    for b in range(2):
        for region in batch["boxes"][b].numpy()[batch["crowd"][b].numpy()]:
            for x1, y1, x2, y2 in boxes[b][valid[b]]:
                width = min(x2, region[2]) - max(x1, region[0])
                height = min(y2, region[3]) - max(y1, region[1])
                inner = max(width, 0) * max(height, 0)
                assert inner / ((x2 - x1) * (y2 - y1)) < 0.5


def test_no_detection_gives_empty_masks():
    model = small_model()
    change(model.boxes, "select", score_threshold=1.0)
    out = tf.function(lambda b: model(b, training=False))(small_batch())
    assert not out["valid"].numpy().any() and not out["masks"].numpy().any()


def test_not_a_number_in_the_weights_gives_no_detection_and_no_crash(model):
    model = small_model()
    kernel = model.proposals.head.deltas.kernel
    kernel.assign(tf.fill(kernel.shape, np.nan))
    out = model(small_batch(), training=False)
    assert np.isfinite(out["boxes"]).all() and np.isfinite(out["masks"]).all()
    # Training stays alive too: the trainer's guard reports the loss.
    terms, _ = losses_and_gradients(model, small_batch())
    assert not np.isfinite(float(terms["rpn_box"]))


def test_loss_falls_on_one_repeated_batch():
    model, batch = small_model(), small_batch()
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)

    @tf.function
    def step():
        terms, gradients = losses_and_gradients(model, batch)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return tf.add_n(list(terms.values()))

    first = float(step())
    for _ in range(12):
        last = float(step())
    assert last < 0.8 * first


def test_batch_of_two_equals_two_batches_of_one(model):
    batch = small_batch()
    both = model(batch, training=False)
    for i in range(2):
        one = model({k: v[i : i + 1] for k, v in batch.items()}, training=False)
        np.testing.assert_allclose(both["boxes"][i], one["boxes"][0], atol=0.05)
        np.testing.assert_array_equal(both["labels"][i], one["labels"][0])
        np.testing.assert_allclose(both["masks"][i], one["masks"][0], atol=1e-3)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_low_precision_keeps_float32_weights_boxes_and_losses(precision):
    model, batch = small_model(precision=precision), small_batch()
    assert {v.dtype for v in model.trainable_variables} <= {"float32", tf.float32}
    assert model.backbone.compute_dtype == precision
    out = model(batch, training=False)
    assert out["boxes"].dtype == out["masks"].dtype == tf.float32
    terms, gradients = losses_and_gradients(model, batch)
    assert all(v.dtype == tf.float32 and np.isfinite(v) for v in terms.values())
    assert all(g is not None for g in gradients)
    exact, _ = losses_and_gradients(small_model(), batch)
    assert float(terms["rpn_objectness"]) == pytest.approx(
        float(exact["rpn_objectness"]), rel=0.1
    )


def test_one_trace_serves_every_image_size(model):
    signature = {
        "images": tf.TensorSpec([None, None, None, 3], tf.uint8),
        "image_sizes": tf.TensorSpec([None, 2], tf.int32),
    }
    traced = tf.function(
        lambda b: model(b, training=False), input_signature=[signature]
    )
    for height, width in ((64, 64), (64, 96), (128, 64)):
        batch = {
            "images": tf.zeros([1, height, width, 3], tf.uint8),
            "image_sizes": tf.constant([[height, width]], tf.int32),
        }
        traced(batch)
    assert traced.experimental_get_tracing_count() == 1


def test_padding_is_zero_after_normalisation(model):
    images = tf.fill([1, 64, 64, 3], tf.constant(200, tf.uint8))
    x = model.normalization([images, tf.constant([[40, 50]])])
    assert not x[:, 40:].numpy().any() and not x[:, :, 50:].numpy().any()
    mean, std = model.normalization.mean, model.normalization.std
    expected = (200 - np.array(mean)) / np.array(std)
    np.testing.assert_allclose(x[0, 0, 0], expected, rtol=1e-5)


def test_bgr_models_see_blue_first():
    model = small_model(
        channel_order="bgr", pixel_mean=(1.0, 2, 3), pixel_std=(1.0,) * 3
    )
    x = model.normalization(
        [tf.constant([[[[11, 22, 33]]]], tf.uint8), tf.constant([[1, 1]])]
    )
    np.testing.assert_array_equal(x[0, 0, 0], [30, 20, 10])


def test_number_of_classes_is_needed():
    with pytest.raises(ConfigError, match="model.num_classes=0"):
        build_model(ModelConfig())
