"""Every importer on a file in its real format, with the real names and shapes."""

import numpy as np
import pytest
from weights.public_files import CLASS_LAYERS, FILES, FULL_SIZE, imported

from tfmask.configs import lineages
from tfmask.errors import WeightsError
from tfmask.structures import ClassMap
from tfmask.weights import importer
from tfmask.weights.classes import coco, coco_by_id
from tfmask.weights.rules import setting


@pytest.mark.parametrize(
    "name, full_size",
    [(name, False) for name in FILES] + [(name, True) for name in FULL_SIZE],
)
def test_a_file_is_loaded_whole_and_exported_equal(
    name, full_size, built_shapes, tmp_path
):
    arrays, plan, settings = imported(name, built_shapes, tmp_path, full_size=full_size)
    report = plan.report
    trunk = "roi" not in " ".join(arrays) and "fastrcnn/fc6/W" not in arrays
    expected = [p for p in built_shapes if p.startswith("backbone/") or not trunk]
    assert set(plan.values) == set(expected) and not report.reset
    assert all(not path.startswith("backbone/") for path in report.missing)
    back = importer.export(FILES[name][0], plan.values, settings, like=arrays)
    assert set(back) | set(report.skipped) >= set(arrays)
    for key, value in back.items():
        if FILES[name][0] == "keras_applications":
            check_keras(arrays, key, value)
        else:
            np.testing.assert_array_equal(value, arrays[key], key)


def check_keras(arrays, key, value):
    """Equal, but that the bias of each convolution has gone into the mean after it."""
    layer, weight = key.split("/")
    if weight == "moving_mean":
        conv = {"bn_conv1": "conv1"}.get(layer, layer.replace("_bn", "_conv"))
        conv = "res" + conv[2:] if conv.startswith("bn") else conv
        folded = arrays[key] - arrays[f"{conv}/bias"]
        np.testing.assert_array_equal(value, folded, key)
    elif weight == "bias":
        assert not value.any()
    elif weight == "moving_variance":  # shifted by the other epsilon and back
        np.testing.assert_allclose(value, arrays[key], rtol=1e-6)
    else:
        np.testing.assert_array_equal(value, arrays[key], key)


@pytest.mark.parametrize(
    "name, skipped",
    [
        ("torchvision released", set()),
        ("torchvision ImageNet", {"fc.weight", "fc.bias"}),
        ("detectron2 zoo", set()),
        ("detectron2 MSRA", {"conv1_b", "fc1000_w", "fc1000_b"}),
        ("tensorpack", set()),
        ("tensorpack ImageNet", {"linear/W", "linear/b"}),
        (
            "maskrcnn_benchmark",
            {f"rpn.anchor_generator.cell_anchors.{i}" for i in range(5)},
        ),
    ],
)
def test_what_has_no_place_is_listed_with_its_shape(
    name, skipped, built_shapes, tmp_path
):
    arrays, plan, _ = imported(name, built_shapes, tmp_path)
    listed = {k for k in plan.report.skipped if not k.endswith("num_batches_tracked")}
    assert listed == skipped
    for key in plan.report.skipped:
        assert plan.report.skipped[key] == np.shape(arrays[key])
    text = str(plan.report)
    assert all(k in text or "times" in text for k in skipped)


def test_weights_land_where_the_documentation_says(built_shapes, tmp_path):
    arrays, plan, _ = imported("detectron2 zoo", built_shapes, tmp_path)
    values = plan.values
    name = "backbone.bottom_up.res3.0.shortcut.weight"
    np.testing.assert_array_equal(
        values["backbone/res3_0/shortcut/kernel"][0, 0], arrays[name][:, :, 0, 0].T
    )
    logits = arrays["roi_heads.box_predictor.cls_score.weight"]
    np.testing.assert_array_equal(
        values["box_head/class_logits/kernel"][:, 0], logits[80], "background is last"
    )
    np.testing.assert_array_equal(
        values["box_head/class_logits/kernel"][:, 1], logits[0]
    )
    arrays, plan, _ = imported("maskrcnn_benchmark", built_shapes, tmp_path)
    values = plan.values
    np.testing.assert_array_equal(
        values["neck/fpn_lateral2/kernel"][0, 0],
        arrays["backbone.fpn.fpn_inner1.weight"][:, :, 0, 0].T,
    )
    np.testing.assert_array_equal(
        values["mask_head/predictor/bias"],
        arrays["roi_heads.mask.predictor.mask_fcn_logits.bias"],
    )
    arrays, plan, _ = imported("tensorpack", built_shapes, tmp_path)
    values = plan.values
    fc6 = arrays["fastrcnn/fc6/W"].reshape(32, 7, 7, 128)
    np.testing.assert_array_equal(
        values["box_head/fc1/kernel"].reshape(7, 7, 32, 128)[1, 2, 3], fc6[3, 1, 2]
    )
    np.testing.assert_array_equal(
        values["backbone/res5_2/conv3/norm/moving_variance"],
        arrays["group3/block2/conv3/bn/variance/EMA"],
    )


def test_folded_statistics_are_zero_and_one(built_shapes, tmp_path):
    _, plan, _ = imported("detectron2 MSRA", built_shapes, tmp_path)
    assert (plan.values["backbone/stem/norm/moving_mean"] == 0).all()
    assert (plan.values["backbone/stem/norm/moving_variance"] == 1).all()
    assert "106 statistics are not in the file" in str(plan.report)


def test_keras_bias_and_epsilon_are_folded_exactly(built_shapes, tmp_path):
    arrays, plan, settings = imported("keras_applications", built_shapes, tmp_path)
    np.testing.assert_array_equal(
        plan.values["backbone/stem/norm/moving_mean"],
        arrays["conv1_bn/moving_mean"] - arrays["conv1_conv/bias"],
    )
    variance = plan.values["backbone/res2_0/shortcut/norm/moving_variance"]
    np.testing.assert_allclose(
        variance.astype(np.float64) + settings.backbone.norm_epsilon,
        arrays["conv2_block1_0_bn/moving_variance"].astype(np.float64) + 1.001e-5,
        rtol=1e-7,
    )


@pytest.mark.parametrize("name", ["torchvision ImageNet", "keras_applications"])
def test_a_trunk_is_turned_to_the_input_of_the_model(name, built_shapes, tmp_path):
    def other_input(settings):
        settings.channel_order = {"rgb": "bgr", "bgr": "rgb"}[settings.channel_order]
        settings.pixel_std = (2.0, 4.0, 8.0)

    _, plain, before = imported(name, built_shapes, tmp_path)
    _, turned, after = imported(name, built_shapes, tmp_path, other_input)
    image = np.random.RandomState(0).standard_normal((7, 7, 3)).astype(np.float32)

    def first_cell(plan, settings):
        x = image / np.float32(settings.pixel_std)
        x = x[..., ::-1] if settings.channel_order == "bgr" else x
        return np.einsum("hwc,hwco->o", x, plan.values["backbone/stem/kernel"])

    np.testing.assert_allclose(
        first_cell(turned, after), first_cell(plain, before), rtol=1e-3, atol=1e-4
    )
    assert "first convolution turned from" in str(turned.report)
    assert "first convolution scaled from" in str(turned.report)


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize(
    "name", ["torchvision ImageNet", "keras_applications", "detectron2 zoo"]
)
def test_a_trunk_is_adapted_to_the_channels_of_the_model(
    name, channels, built_shapes, tmp_path
):
    def other_channels(settings):
        settings.pixel_mean = settings.pixel_std = (50.0,) * channels

    stem = "backbone/stem/kernel"
    shape = (7, 7, channels, built_shapes[stem][3])
    shapes = built_shapes | {stem: shape}
    _, plan, _ = imported(name, shapes, tmp_path, other_channels)
    assert plan.values[stem].shape == shape and np.abs(plan.values[stem]).max() > 0
    assert f"adapted from 3 channels to {channels}" in str(plan.report)


def test_coco_80_of_torchvision_90_are_chosen_by_their_ids(built_shapes, tmp_path):
    def eighty(settings):
        settings.num_classes = 80

    arrays, plan, _ = imported("torchvision today", built_shapes, tmp_path, eighty)
    bias = arrays["roi_heads.box_predictor.cls_score.bias"]
    rows = [0, *coco().ids]
    np.testing.assert_array_equal(plan.values["box_head/class_logits/bias"], bias[rows])
    assert plan.report.class_map == coco() and not plan.report.reset


@pytest.mark.parametrize("name", ["detectron2 zoo", "tensorpack", "maskrcnn_benchmark"])
def test_another_number_of_classes_resets_just_the_class_layers(
    name, built_shapes, tmp_path
):
    def one(settings):
        settings.num_classes = 1

    _, plan, settings = imported(name, built_shapes, tmp_path, one)
    assert sorted(plan.report.reset) == sorted(CLASS_LAYERS)
    assert set(plan.values) == set(built_shapes) - set(CLASS_LAYERS)
    assert plan.report.class_map is None
    for path in CLASS_LAYERS:
        assert f"reset {path}: file [" in str(plan.report)


def test_other_classes_of_the_same_number_reset_the_class_layers(
    built_shapes, tmp_path
):
    others = ClassMap(tuple(range(80)), tuple(f"thing {i}" for i in range(80)))
    _, plan, _ = imported("detectron2 zoo", built_shapes, tmp_path, class_map=others)
    assert sorted(plan.report.reset) == sorted(CLASS_LAYERS)
    _, plan, _ = imported("detectron2 zoo", built_shapes, tmp_path, class_map=coco())
    assert not plan.report.reset and plan.report.class_map == coco()


def test_detectors_remember_the_classes_of_coco(built_shapes, tmp_path):
    _, plan, _ = imported("torchvision released", built_shapes, tmp_path)
    assert plan.report.class_map == coco_by_id()
    assert plan.report.class_map.names[11] == "N/A"
    assert plan.report.class_map.names[12] == "stop sign"
    assert coco().num_classes == 80 and coco().ids[-1] == 90


def test_one_part_alone_can_be_loaded(built_shapes, tmp_path):
    _, plan, _ = imported("detectron2 zoo", built_shapes, tmp_path, part="backbone")
    assert {path.split("/")[0] for path in plan.values} == {"backbone"}
    assert "skipped proposal_generator.rpn_head.conv.weight" in str(plan.report)


def test_settings_that_the_original_did_not_have_are_noted(built_shapes, tmp_path):
    def change(settings):
        settings.pool.aligned = False

    _, plan, _ = imported("detectron2 zoo", built_shapes, tmp_path, change)
    assert "model.pool.aligned=False, trained with True" in str(plan.report)


@pytest.mark.parametrize("name", importer.FORMATS)
def test_presets_have_the_settings_of_the_originals(name):
    options = {"zoo": True} if name == "tensorpack" else {}
    preset = getattr(lineages, name, lineages.detectron2)(**options).model
    for path, value in importer.FORMATS[name].dialects(preset)[0].original.items():
        assert setting(preset, path, value) == value, path


@pytest.mark.parametrize(
    "spec, expected",
    [
        ("detectron2:/a/b.pkl", ("detectron2", "/a/b.pkl")),
        ("detectron2:run_14:30/b.pkl", ("detectron2", "run_14:30/b.pkl")),
        ("keras_applications:resnet50", ("keras_applications", "resnet50")),
        ("run_14:30/best.tfmask.h5", ("", "run_14:30/best.tfmask.h5")),
        ("C:\\weights\\best.tfmask.h5", ("", "C:\\weights\\best.tfmask.h5")),
        ("C:best.tfmask.h5", ("", "C:best.tfmask.h5")),
        ("/runs/a", ("", "/runs/a")),
    ],
)
def test_only_known_words_before_a_colon_are_formats(
    spec, expected, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run_14:30").mkdir()
    (tmp_path / "run_14:30" / "best.tfmask.h5").touch()
    assert importer.split_spec(spec) == expected


def test_a_word_that_is_no_format_is_named_unless_a_file_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match="darknet is no weight format; known: keras"):
        importer.split_spec("darknet:a.weights")
    (tmp_path / "darknet:a.weights").touch()
    assert importer.split_spec("darknet:a.weights") == ("", "darknet:a.weights")


def test_a_path_from_home_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert importer.split_spec("~/a.h5") == ("", "/home/me/a.h5")
    assert importer.split_spec("torchvision:~/a.pth") == (
        "torchvision",
        "/home/me/a.pth",
    )
