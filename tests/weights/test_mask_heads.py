"""Importers of detectors with another mask head, on the real names and shapes."""

import numpy as np
import pytest
from weights import public_names
from weights.public_files import manifest_shapes, write_wrapped, write_zip

from tfmask.configs import lineages
from tfmask.errors import WeightsError
from tfmask.layers.naming import named_weights
from tfmask.models.build import build_model
from tfmask.weights import importer


def iemask_arrays():
    """A Detectron2 detector with the mask head of the IEMask R-CNN release."""
    shapes = manifest_shapes("detectron2_mask_rcnn_r50_fpn")
    shapes = {k: v for k, v in shapes.items() if ".mask_head." not in k}
    head = manifest_shapes("iemask_mask_head")
    shapes |= {f"roi_heads.mask_head.{name}": v for name, v in head.items()}
    return public_names.fill(public_names.narrow(shapes))


def mask_scoring_arrays():
    """A detector of the Mask Scoring R-CNN release, a fork of maskrcnn-benchmark."""
    shapes = public_names.maskrcnn_benchmark()
    head = manifest_shapes("mask_scoring_head")
    shapes |= {f"roi_heads.maskiou.{name}": v for name, v in head.items()}
    shapes = public_names.narrow(shapes)
    first = "roi_heads.maskiou.feature_extractor.maskiou_fcn1.weight"
    shapes[first] = (32, 33, 3, 3)  # the mask is one more channel
    return public_names.fill(shapes)


def narrow_settings(preset, num_classes=80):
    settings = preset().model
    settings.num_classes = num_classes
    settings.backbone.width, settings.neck.channels = 8, 32
    settings.rpn.channels = settings.mask.channels = 32
    settings.box.fc_units = 128
    return settings


def plan(format_name, path, settings):
    weights = named_weights(build_model(settings))
    shapes = {
        name: tuple(weight.shape)
        for name, weight in weights.items()
        if not name.startswith("loss_weights/")
    }
    source = importer.read_source(format_name, path)
    return shapes, importer.plan_import(format_name, source, shapes, settings, path)


def check_round_trip(format_name, arrays, found, settings):
    back = importer.export(format_name, found.values, settings, like=arrays)
    assert set(back) | set(found.report.skipped) >= set(arrays)
    for name, value in back.items():
        np.testing.assert_array_equal(value, arrays[name], name)


def test_iemask_release_is_loaded_whole_and_exported_equal(tmp_path):
    arrays = iemask_arrays()
    path = write_zip(tmp_path / "model_final.pth", arrays, lambda w: {"model": w})
    settings = narrow_settings(lineages.detectron2)
    settings.mask.head, settings.mask.pool_size = "encoder_decoder", 28
    shapes, found = plan("detectron2", path, settings)
    assert set(found.values) == set(shapes) and not found.report.reset
    assert not [k for k in found.report.skipped if k.startswith("roi_heads")]
    check_round_trip("detectron2", arrays, found, settings)
    theirs = "roi_heads.mask_head."
    for ours, name in (
        ("down1_1/kernel", "down1.1.weight"),
        ("down2_2/kernel", "down2.4.weight"),
        ("conv2_2/kernel", "conv2.3.weight"),
    ):
        np.testing.assert_array_equal(
            found.values[f"mask_head/{ours}"],
            arrays[theirs + name].transpose(2, 3, 1, 0),
        )
    for ours, name in (
        ("down1_2/norm/gamma", "down1.5.weight"),
        ("down2_1/norm/beta", "down2.2.bias"),
        ("conv1_1/norm/gamma", "conv1.1.weight"),
        ("conv2_2/norm/beta", "conv2.4.bias"),
        ("conv3_1/bias", "conv3.0.bias"),
    ):
        np.testing.assert_array_equal(
            found.values[f"mask_head/{ours}"], arrays[theirs + name]
        )


def test_iemask_release_does_not_fit_the_plain_mask_head(tmp_path):
    path = write_zip(tmp_path / "m.pth", iemask_arrays(), lambda w: {"model": w})
    settings = narrow_settings(lineages.detectron2)
    with pytest.raises(WeightsError, match="another architecture: mask_head/"):
        plan("detectron2", path, settings)


def test_mask_scoring_release_is_loaded_whole_and_exported_equal(tmp_path):
    arrays = mask_scoring_arrays()
    path = write_wrapped(tmp_path / "model_final.pth", arrays)
    settings = narrow_settings(lineages.maskrcnn_benchmark)
    settings.mask.scoring.enabled = True
    shapes, found = plan("maskrcnn_benchmark", path, settings)
    assert set(found.values) == set(shapes) and not found.report.reset
    check_round_trip("maskrcnn_benchmark", arrays, found, settings)
    theirs = arrays["roi_heads.maskiou.feature_extractor.maskiou_fc1.weight"]
    np.testing.assert_array_equal(
        found.values["mask_iou_head/maskiou_fc1/kernel"].reshape(7, 7, 32, 128)[2, 5],
        theirs.reshape(128, 32, 7, 7)[:, :, 2, 5].T,
    )
    np.testing.assert_array_equal(
        found.values["mask_iou_head/maskiou/kernel"][:, 17],
        arrays["roi_heads.maskiou.predictor.maskiou.weight"][17],
    )


def test_mask_scoring_of_other_classes_keeps_what_is_not_of_classes(tmp_path):
    path = write_wrapped(tmp_path / "model_final.pth", mask_scoring_arrays())
    settings = narrow_settings(lineages.maskrcnn_benchmark, num_classes=1)
    settings.mask.scoring.enabled = True
    _, found = plan("maskrcnn_benchmark", path, settings)
    assert "mask_iou_head/maskiou/kernel" in found.report.reset
    assert "mask_iou_head/maskiou_fc2/kernel" in found.values


def test_a_plain_detector_leaves_the_mask_iou_head_as_it_is(tmp_path):
    arrays = public_names.fill(public_names.narrow(public_names.maskrcnn_benchmark()))
    path = write_wrapped(tmp_path / "e2e.pth", arrays)
    settings = narrow_settings(lineages.maskrcnn_benchmark)
    settings.mask.scoring.enabled = True
    _, found = plan("maskrcnn_benchmark", path, settings)
    assert {p.split("/")[0] for p in found.report.missing} == {"mask_iou_head"}
