"""Weight files of another architecture, each named in one clear sentence."""

import numpy as np
import pytest
from weights import public_names
from weights.public_files import manifest_shapes, model_shapes, settings_of

from tfmask.configs import lineages
from tfmask.errors import WeightsError
from tfmask.weights import importer


def small(shapes):
    return public_names.fill(public_names.narrow(shapes))


def plan_of(arrays, built_shapes, format_name="detectron2", change=lambda s: None):
    settings = settings_of(getattr(lineages, format_name, lineages.detectron2), "")
    change(settings)
    shapes = model_shapes(built_shapes, settings)
    source = importer.Source(arrays, {})
    return importer.plan_import(format_name, source, shapes, settings, "x.pkl")


def test_a_deeper_trunk_is_named(built_shapes):
    arrays = small(public_names.caffe2_trunk(101))
    with pytest.raises(WeightsError, match=r"res4_6.*backbone/res4_6/conv1/kernel"):
        plan_of(arrays, built_shapes)


def test_a_shallower_trunk_is_named(built_shapes):
    arrays = small(public_names.caffe2_trunk())
    arrays = {k: v for k, v in arrays.items() if not k.startswith("res4_5")}
    with pytest.raises(WeightsError, match="backbone/res4_5/.* is not in it"):
        plan_of(arrays, built_shapes)


def test_a_moved_stride_is_named(built_shapes):
    arrays = small(public_names.caffe2_trunk())

    def move(settings):
        settings.backbone.stride_in_1x1 = False

    with pytest.raises(WeightsError, match="set model.backbone.stride_in_1x1=true"):
        plan_of(arrays, built_shapes, change=move)


def test_the_right_format_is_guessed(built_shapes):
    arrays = small(public_names.maskrcnn_benchmark())
    with pytest.raises(WeightsError, match="it looks like maskrcnn_benchmark"):
        plan_of(arrays, built_shapes, "detectron2")


def test_another_width_is_named_with_both_shapes(built_shapes):
    arrays = small(manifest_shapes("detectron2_mask_rcnn_r50_fpn"))
    name = "backbone.fpn_output3.weight"
    for shape in ((32, 16, 3, 3), (32, 32)):
        arrays[name] = np.zeros(shape, np.float32)
        with pytest.raises(WeightsError) as error:
            plan_of(arrays, built_shapes)
        assert name in str(error.value) and str(list(shape)) in str(error.value)
        assert "neck/fpn_output3/kernel [3, 3, 32, 32]" in str(error.value)


def test_class_layers_that_disagree_are_named(built_shapes):
    arrays = small(manifest_shapes("detectron2_mask_rcnn_r50_fpn"))
    arrays["roi_heads.mask_head.predictor.weight"] = np.zeros((7, 32, 1, 1))
    with pytest.raises(WeightsError, match="disagree about the number of classes"):
        plan_of(arrays, built_shapes)


def test_numbers_that_are_not_finite_are_named(built_shapes):
    arrays = small(manifest_shapes("detectron2_mask_rcnn_r50_fpn"))
    arrays["backbone.fpn_output3.bias"][3] = np.nan
    with pytest.raises(WeightsError, match=r"fpn_output3.bias holds NaN"):
        plan_of(arrays, built_shapes)


def test_arrays_of_no_known_name_are_pointed_out(built_shapes):
    arrays = small(manifest_shapes("detectron2_mask_rcnn_r50_fpn"))
    assert "no part of" not in str(plan_of(dict(arrays), built_shapes).report)
    arrays["roi_heads.mask_head.edge_fcn1.weight"] = np.zeros((4, 4, 3, 3))
    text = str(plan_of(arrays, built_shapes).report)
    assert "skipped roi_heads.mask_head.edge_fcn1.weight [4, 4, 3, 3]" in text
    assert "1 of the skipped arrays are no part of this architecture" in text


def test_a_negative_variance_is_named(built_shapes):
    arrays = small(manifest_shapes("detectron2_mask_rcnn_r50_fpn"))
    arrays["backbone.bottom_up.stem.conv1.norm.running_var"][1] = -0.25
    with pytest.raises(WeightsError, match="running_var holds a variance of -0.25"):
        plan_of(arrays, built_shapes)


def test_an_unknown_format_lists_the_known_ones():
    with pytest.raises(WeightsError, match="caffe.*known: keras_applications, torch"):
        importer.read_source("caffe", "x")
