"""The release of BMask R-CNN: names of Detectron2, with its own mask head."""

import numpy as np
import pytest
from weights import public_names
from weights.public_files import manifest_shapes
from weights.torch_files import write_zip

from tfmask.config import BoundaryPreservingHeadConfig, FCNMaskHeadConfig
from tfmask.configs import lineages
from tfmask.errors import WeightsError
from tfmask.layers.naming import named_weights
from tfmask.models.build import build_model
from tfmask.weights import importer
from tfmask.weights.convert import convert, load_into

HEAD = "roi_heads.mask_head."


def release_shapes():
    """Detectron2's detector with the mask head of the release."""
    shapes = manifest_shapes("detectron2_mask_rcnn_r50_fpn")
    shapes = {k: v for k, v in shapes.items() if not k.startswith(HEAD)}
    head = manifest_shapes("bmask_head")
    return shapes | {HEAD + name: shape for name, shape in head.items()}


def narrow_config(head=BoundaryPreservingHeadConfig, num_classes=80):
    config = lineages.detectron2()
    settings = config.model
    settings.num_classes = num_classes
    settings.mask.head = head(channels=32)
    settings.backbone.width, settings.neck.channels = 8, 32
    settings.rpn.channels = 32
    settings.boxes.head.fc_units = 128
    return config


@pytest.fixture(scope="module")
def model():
    return build_model(narrow_config().model)


def write(path, shapes):
    arrays = public_names.fill(public_names.narrow(shapes))
    return arrays, write_zip(path, arrays, lambda weights: {"model": weights})


def load(model, path, config=None):
    settings = (config or narrow_config()).model
    return load_into(model, settings, f"detectron2:{path}", log=lambda line: None)


def test_the_release_is_loaded_whole_and_exported_equal(model, tmp_path):
    arrays, path = write(tmp_path / "bmask_rcnn_r50.pth", release_shapes())
    report = load(model, path)
    assert not report.missing and not report.reset and not report.skipped
    weights = {name: value.numpy() for name, value in named_weights(model).items()}
    back = importer.export("detectron2", weights, narrow_config().model)
    assert set(back) == set(arrays)
    for name, value in back.items():
        np.testing.assert_array_equal(value, arrays[name], name)


def test_mask_and_boundary_are_not_confused(model, tmp_path):
    arrays, path = write(tmp_path / "bmask_rcnn_r50.pth", release_shapes())
    load(model, path)
    weights = named_weights(model)
    for path, name in (
        ("predictor", "mask_predictor"),
        ("boundary_predictor", "boundary_predictor"),
        ("deconv", "mask_deconv"),
        ("boundary_deconv", "boundary_deconv"),
        ("mask_to_boundary", "mask_to_boundary"),
    ):
        np.testing.assert_array_equal(
            weights[f"mask_head/{path}/bias"], arrays[f"{HEAD}{name}.bias"]
        )
        np.testing.assert_array_equal(
            weights[f"mask_head/{path}/kernel"],
            arrays[f"{HEAD}{name}.weight"].transpose(2, 3, 1, 0),
        )


def test_a_converted_file_is_a_file_of_ours(tmp_path):
    _, path = write(tmp_path / "bmask_rcnn_r50.pth", release_shapes())
    config = narrow_config(num_classes=0)
    out = str(tmp_path / "bmask.tfmask.h5")
    report = convert(path, "detectron2", config, out, log=lambda line: None)
    assert report.class_map.num_classes == 80 and not report.missing


def test_other_classes_reset_both_predictors(tmp_path):
    _, path = write(tmp_path / "bmask_rcnn_r50.pth", release_shapes())
    config = narrow_config(num_classes=3)
    report = load(build_model(config.model), path, config)
    layers = {name.rsplit("/", 1)[0] for name in report.reset}
    assert layers == {
        "box_head/class_logits",
        "box_head/deltas",
        "mask_head/predictor",
        "mask_head/boundary_predictor",
    }


def test_heads_of_the_other_kind_are_refused_in_one_sentence(model, tmp_path):
    _, released = write(tmp_path / "bmask.pth", release_shapes())
    plain = build_model(narrow_config(head=FCNMaskHeadConfig).model)
    with pytest.raises(WeightsError, match="another architecture.*mask_head/"):
        load(plain, released, narrow_config(head=FCNMaskHeadConfig))
    _, zoo = write(tmp_path / "d2.pth", manifest_shapes("detectron2_mask_rcnn_r50_fpn"))
    before = named_weights(model)["mask_head/mask_fcn1/kernel"].numpy()
    with pytest.raises(WeightsError, match="another architecture.*mask_head/"):
        load(model, zoo)
    np.testing.assert_array_equal(
        named_weights(model)["mask_head/mask_fcn1/kernel"].numpy(), before
    )
