"""Detectron2's other detectors, on their real names and shapes."""

import numpy as np
import pytest
from weights import public_names
from weights.public_files import manifest_shapes
from weights.round_trip import assert_whole, narrow_settings, plan

from tfmask.config import cascade_stages
from tfmask.configs import lineages
from tfmask.errors import WeightsError


def arrays_of(case):
    return public_names.fill(public_names.narrow(manifest_shapes(case)))


def cascade_settings(num_classes=80):
    settings = narrow_settings(lineages.detectron2, num_classes)
    settings.boxes.stages = cascade_stages()
    settings.boxes.head.class_agnostic = True
    return settings


def test_a_cascade_is_loaded_whole_and_exported_equal():
    arrays = arrays_of("detectron2_cascade_mask_rcnn_r50_fpn")
    values = assert_whole("detectron2", arrays, cascade_settings()).values
    for head, number in (("box_head", 0), ("box_head_2", 1), ("box_head_3", 2)):
        np.testing.assert_array_equal(
            values[f"{head}/deltas/kernel"],
            arrays[f"roi_heads.box_predictor.{number}.bbox_pred.weight"].T,
        )
        fc1 = arrays[f"roi_heads.box_head.{number}.fc1.weight"]
        np.testing.assert_array_equal(
            values[f"{head}/fc1/kernel"].reshape(7, 7, 32, 128)[1, 2, 3],
            fc1.reshape(128, 32, 7, 7)[:, 3, 1, 2],
        )


def test_other_classes_reset_the_class_layers_of_every_stage_and_keep_its_boxes():
    arrays = arrays_of("detectron2_cascade_mask_rcnn_r50_fpn")
    report = plan("detectron2", arrays, cascade_settings(num_classes=1)).report
    assert {path.rpartition("/")[0] for path in report.reset} == {
        "box_head/class_logits",
        "box_head_2/class_logits",
        "box_head_3/class_logits",
        "mask_head/predictor",
    }


def test_another_number_of_box_stages_is_refused():
    cascade = arrays_of("detectron2_cascade_mask_rcnn_r50_fpn")
    single = arrays_of("detectron2_mask_rcnn_r50_fpn")
    with pytest.raises(WeightsError, match=r"3 box stage\(s\), this one has 1"):
        plan("detectron2", cascade, narrow_settings(lineages.detectron2))
    with pytest.raises(WeightsError, match=r"1 box stage\(s\), this one has 3"):
        plan("detectron2", single, cascade_settings())
    trunk = plan("detectron2", single, cascade_settings(), part="backbone")
    assert set(trunk.values) == set(trunk.report.loaded)
    assert not trunk.report.missing


def resnext_settings():
    settings = narrow_settings(lineages.detectron2)
    settings.backbone.depth, settings.backbone.stride_in_1x1 = 101, False
    settings.backbone.groups, settings.backbone.width_per_group = 32, 8
    return settings


def resnext_arrays():
    """ResNeXt-101-32x8d with an eighth of the channels, in as many groups."""
    shapes = manifest_shapes("detectron2_mask_rcnn_x101_32x8d_fpn")
    narrow = public_names.narrow(shapes)
    for name, (out, depth, *kernel) in grouped(shapes):
        narrow[name] = (out // 8, depth // 8, *kernel)
    return public_names.fill(narrow)


def grouped(shapes):
    """The 3x3 convolutions of the trunk."""
    return [(k, v) for k, v in shapes.items() if k.endswith(".conv2.weight")]


def test_grouped_convolutions_are_loaded_whole_and_exported_equal():
    arrays = resnext_arrays()
    values = assert_whole("detectron2", arrays, resnext_settings()).values
    for stage, shape in ((2, (3, 3, 1, 32)), (5, (3, 3, 8, 256))):
        kernel = values[f"backbone/res{stage}_1/conv2/kernel"]
        stored = arrays[f"backbone.bottom_up.res{stage}.1.conv2.weight"]
        assert kernel.shape == shape
        np.testing.assert_array_equal(kernel, stored.transpose(2, 3, 1, 0))


def test_a_resnext_does_not_fit_a_resnet():
    settings = resnext_settings()
    settings.backbone.groups = 1
    with pytest.raises(WeightsError, match=r"res2.0.conv\d.weight has shape"):
        plan("detectron2", resnext_arrays(), settings)


@pytest.mark.parametrize("form, channels", [("v1", 18), ("modulated", 27)])
def test_deformable_convolutions_are_loaded_whole_and_exported_equal(form, channels):
    settings = narrow_settings(lineages.detectron2)
    settings.backbone.deformable = form
    settings.backbone.deformable_stages = (4, 5)
    shapes = public_names.narrow(manifest_shapes("detectron2_mask_rcnn_r50_fpn"))
    for stage, count in ((4, 6), (5, 3)):
        for block in range(count):
            name = f"backbone.bottom_up.res{stage}.{block}.conv2"
            inner = shapes[f"{name}.weight"][1]
            shapes[f"{name}_offset.weight"] = (channels, inner, 3, 3)
            shapes[f"{name}_offset.bias"] = (channels,)
    arrays = public_names.fill(shapes)
    values = assert_whole("detectron2", arrays, settings).values
    np.testing.assert_array_equal(
        values["backbone/res4_3/conv2/offset/kernel"],
        arrays["backbone.bottom_up.res4.3.conv2_offset.weight"].transpose(2, 3, 1, 0),
    )
    with pytest.raises(WeightsError, match="res4_0/conv2/offset.*does not have"):
        plan("detectron2", arrays, narrow_settings(lineages.detectron2))


def test_a_caffe2_resnext_is_turned_from_its_own_scale_of_pixels():
    branches = {"conv1": "branch2a", "conv2": "branch2b", "conv3": "branch2c"}
    branches |= {"shortcut": "branch1"}
    stats = {"norm.weight": "bn_s", "norm.bias": "bn_b", "weight": "w"}
    arrays = {"conv1_w": np.ones((8, 3, 7, 7), np.float32)}
    arrays |= {f"res_conv1_bn_{what}": np.ones(8, np.float32) for what in "sb"}
    for name, value in resnext_arrays().items():
        place, _, rest = name.removeprefix("backbone.bottom_up.").partition(".")
        block, _, rest = rest.partition(".")
        conv, _, what = rest.partition(".")
        if place.startswith("res") and what in stats:
            arrays[f"{place}_{block}_{branches[conv]}_{stats[what]}"] = value
    settings = resnext_settings()
    trunk = plan("detectron2", arrays, settings, part="backbone")
    assert not trunk.report.missing and trunk.report.layout == "Caffe2 trunk"
    stem = arrays["conv1_w"].transpose(2, 3, 1, 0)
    std = np.float32([57.375, 57.12, 58.395])  # blue first; the model divides by 1
    np.testing.assert_allclose(
        trunk.values["backbone/stem/kernel"], stem / std[:, None], rtol=1e-6
    )
    settings.backbone.stride_in_1x1 = True
    with pytest.raises(WeightsError, match="stride_in_1x1=false"):
        plan("detectron2", arrays, settings, part="backbone")
