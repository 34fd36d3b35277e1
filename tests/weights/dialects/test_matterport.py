"""matterport's files: what they hold computes the same in layers that we have."""

import h5py
import numpy as np
import pytest
from weights import public_names
from weights.keras_files import write_keras_2
from weights.round_trip import narrow_settings, plan, shapes_of

from tfmask.config import apply_overrides
from tfmask.configs import lineages
from tfmask.errors import WeightsError
from tfmask.layers.naming import named_weights
from tfmask.models.build import build_model
from tfmask.weights import convert, importer
from tfmask.weights.classes import coco
from tfmask.weights.dialects import matterport
from tfmask.weights.readers.torch_file import Source

_EPSILON = 1e-3


def narrow(num_classes=80, depth=101):
    settings = narrow_settings(lineages.matterport, num_classes)
    settings.rpn.channels = 64
    settings.backbone.depth = depth
    return settings


def arrays_of(depth=101, classes=80):
    shapes = public_names.narrow(public_names.matterport(classes, depth))
    return public_names.fill(shapes)


def test_every_weight_has_its_place_and_comes_back():
    arrays, settings = arrays_of(), narrow()
    whole = plan("matterport", arrays, settings)
    assert set(whole.values) == set(shapes_of(settings))
    assert not (whole.report.skipped or whole.report.reset)
    assert whole.report.class_map == coco()
    back = importer.export("matterport", whole.values, settings, like=arrays)
    assert {k: v.shape for k, v in back.items()} == {
        k: v.shape for k, v in arrays.items()
    }
    again = plan("matterport", back, settings)
    for path, value in whole.values.items():
        np.testing.assert_allclose(again.values[path], value, rtol=1e-6, err_msg=path)
    for name in ("mrcnn_class_logits/kernel", "fpn_c4p4/kernel", "mrcnn_bbox_fc/bias"):
        np.testing.assert_array_equal(back[name], arrays[name])


def norm(x, arrays, name):
    gamma, beta, mean, variance = (
        arrays[f"{name}/{stat}"]
        for stat in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    return (x - mean) / np.sqrt(variance + _EPSILON) * gamma + beta


@pytest.fixture(scope="module")
def loaded():
    """matterport's arrays of a small model, and our model with them."""
    arrays, settings = arrays_of(depth=50, classes=3), narrow(3, depth=50)
    # Of a size at which float32 sums are compared to few digits.
    arrays = {k: v if "variance" in k else 0.1 * v for k, v in arrays.items()}
    model = build_model(settings)
    convert.load_arrays(model, settings, "matterport", Source(arrays, {}))
    return arrays, model


def test_the_box_head_computes_what_the_original_does(loaded):
    arrays, model = loaded
    rng = np.random.RandomState(0)
    roi = rng.standard_normal((5, 7, 7, 32)).astype(np.float32)
    x = np.einsum("nhwc,hwco->no", roi, arrays["mrcnn_class_conv1/kernel"])
    x = norm(x + arrays["mrcnn_class_conv1/bias"], arrays, "mrcnn_class_bn1")
    x = np.maximum(x, 0) @ arrays["mrcnn_class_conv2/kernel"][0, 0]
    x = norm(x + arrays["mrcnn_class_conv2/bias"], arrays, "mrcnn_class_bn2")
    x = np.maximum(x, 0)
    logits = x @ arrays["mrcnn_class_logits/kernel"] + arrays["mrcnn_class_logits/bias"]
    deltas = x @ arrays["mrcnn_bbox_fc/kernel"] + arrays["mrcnn_bbox_fc/bias"]
    deltas = deltas.reshape(5, 4, 4)[:, 1:]  # (dy, dx, dh, dw) of each class
    ours_logits, ours_deltas = model.boxes.stages[0].head({"box": roi})
    np.testing.assert_allclose(ours_logits, logits, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(
        ours_deltas, deltas[..., [1, 0, 3, 2]], rtol=1e-3, atol=1e-5
    )


def test_the_first_convolution_of_the_mask_head_takes_up_its_normalisation(loaded):
    arrays, model = loaded
    rng = np.random.RandomState(0)
    roi = rng.standard_normal((2, 14, 14, 32)).astype(np.float32)
    x = np.einsum("nhwc,hwco->no", roi[:, 4:7, 6:9], arrays["mrcnn_mask_conv1/kernel"])
    x = norm(x + arrays["mrcnn_mask_conv1/bias"], arrays, "mrcnn_mask_bn1")
    weights = named_weights(model)
    computed = np.einsum(
        "nhwc,hwco->no",
        roi[:, 4:7, 6:9],
        np.asarray(weights["mask_head/mask_fcn1/kernel"]),
    )
    computed += np.asarray(weights["mask_head/mask_fcn1/bias"])
    np.testing.assert_allclose(computed, x, rtol=1e-3, atol=1e-5)


def test_proposals_have_one_logit_and_our_order_of_anchors(loaded):
    arrays, model = loaded
    weights = named_weights(model)
    rng = np.random.RandomState(0)
    x = rng.standard_normal(64).astype(np.float32)
    # Three anchors, width over height 0.5, 1, 2, each (background, object).
    pairs = x @ arrays["rpn_class_raw/kernel"][0, 0] + arrays["rpn_class_raw/bias"]
    background, objects = pairs.reshape(3, 2).T
    probability = np.exp(objects) / (np.exp(objects) + np.exp(background))
    logits = x @ np.asarray(weights["rpn_head/objectness/kernel"])[0, 0]
    logits += np.asarray(weights["rpn_head/objectness/bias"])
    np.testing.assert_allclose(1 / (1 + np.exp(-logits[::-1])), probability, rtol=1e-4)
    deltas = x @ arrays["rpn_bbox_pred/kernel"][0, 0] + arrays["rpn_bbox_pred/bias"]
    deltas = deltas.reshape(3, 4) * [0.1, 0.1, 0.2, 0.2]
    computed = x @ np.asarray(weights["rpn_head/deltas/kernel"])[0, 0]
    computed += np.asarray(weights["rpn_head/deltas/bias"])
    np.testing.assert_allclose(
        computed.reshape(3, 4)[::-1], deltas[:, [1, 0, 3, 2]], rtol=1e-4, atol=1e-6
    )


def test_the_trunk_takes_up_biases_and_turns_to_the_input_of_the_model():
    arrays, settings = arrays_of(depth=50), narrow(depth=50)
    values = plan("matterport", arrays, settings).values
    np.testing.assert_array_equal(
        values["backbone/res4_5/conv2/norm/moving_mean"],
        arrays["bn4f_branch2b/moving_mean"] - arrays["res4f_branch2b/bias"],
    )
    np.testing.assert_array_equal(
        values["backbone/res4_5/conv2/norm/moving_variance"],
        arrays["bn4f_branch2b/moving_variance"],
    )
    np.testing.assert_array_equal(
        values["backbone/stem/kernel"], arrays["conv1/kernel"]
    )
    settings.channel_order = "bgr"
    turned = plan("matterport", arrays, settings).values
    np.testing.assert_array_equal(
        turned["backbone/stem/kernel"], arrays["conv1/kernel"][:, :, ::-1]
    )


def test_what_does_not_carry_over_is_said():
    text = str(plan("matterport", arrays_of(), narrow()).report)
    assert "grid from corner to corner" in text and "pads its pooling" in text
    text = str(plan("matterport", arrays_of(), narrow(), part="backbone").report)
    assert "corner to corner" not in text and "pads its pooling" in text


def write(path, arrays):
    """As Keras 2 writes it: the layers of the RPN lie in the group of their model."""
    write_keras_2(path, arrays)
    with h5py.File(path, "a") as file:
        rpn = file.create_group("rpn_model")
        for layer in [name for name in file if name.startswith("rpn_")]:
            if layer != "rpn_model":
                file.move(f"{layer}/{layer}", f"rpn_model/{layer}")
                del file[layer]
        rpn.attrs["weight_names"] = []
    return str(path)


def test_a_file_that_keras_2_wrote_is_read(tmp_path):
    arrays = arrays_of()
    source = matterport.read(write(tmp_path / "mask_rcnn_coco.h5", arrays))
    assert set(source.arrays) == set(arrays)
    np.testing.assert_array_equal(
        source.arrays["rpn_class_raw/kernel"], arrays["rpn_class_raw/kernel"]
    )


def trunk_and_half_a_head(depth=50):
    """A file of an own training, cut short: a trunk, a neck and parts of one head."""
    heads = ("rpn_", "mrcnn_class", "mrcnn_bbox", "mrcnn_mask_bn", "mrcnn_mask_deconv")
    heads += tuple(f"mrcnn_mask_conv{i}" for i in (2, 3, 4))
    return {k: v for k, v in arrays_of(depth, 1).items() if not k.startswith(heads)}


def test_a_detector_is_not_taken_for_an_imagenet_trunk(tmp_path):
    path = write_keras_2(tmp_path / "mask_rcnn_mine.h5", trunk_and_half_a_head())
    settings = narrow(1, depth=50)
    model = build_model(settings)
    before = np.array(named_weights(model)["backbone/stem/kernel"])
    settings.backbone.weights = f"keras_applications:{path}"
    with pytest.raises(WeightsError, match="it looks like matterport:PATH"):
        convert.load_initial(model, settings, log=lambda line: None)
    np.testing.assert_array_equal(named_weights(model)["backbone/stem/kernel"], before)


def test_the_trunk_of_a_detector_starts_a_model(tmp_path):
    arrays = trunk_and_half_a_head()
    path = write_keras_2(tmp_path / "mask_rcnn_mine.h5", arrays)
    settings, lines = narrow(1, depth=50), []
    settings.backbone.weights = f"matterport:{path}"
    model = build_model(settings)
    convert.load_initial(model, settings, lines.append)
    np.testing.assert_array_equal(
        np.asarray(named_weights(model)["backbone/res5_2/conv3/kernel"]),
        arrays["res5c_branch2c/kernel"],
    )
    assert "265 of 265 weights loaded" in lines[0]
    settings.weights = f"matterport:{path}"
    with pytest.raises(WeightsError, match="mask_head/.* is not in it"):
        convert.load_initial(model, settings, lines.append)


def test_an_imagenet_trunk_is_not_taken_for_a_detector(tmp_path):
    arrays = public_names.fill(
        public_names.narrow(public_names.keras_applications(old=True))
    )
    path = write_keras_2(tmp_path / "resnet50.h5", arrays)
    with pytest.raises(WeightsError, match="use keras_applications:PATH"):
        importer.read_source("matterport", path)


def test_the_preset_is_a_valid_configuration():
    config = lineages.matterport()
    apply_overrides(config, ["model.num_classes=80"])
    assert config.model.backbone.depth == 101
