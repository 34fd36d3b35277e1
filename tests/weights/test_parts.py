"""What the parts of whole models say of their weights."""

import numpy as np
import pytest
from models.model_cases import small_config, small_mask, small_model
from weights.tiny_model import CLASSES, assert_equal, tiny_model, values_of

from tfmask.config import (
    BoundaryRefinementConfig,
    MaskScoringConfig,
    QuasiConfig,
    RefineConfig,
)
from tfmask.weights import convert, parts
from tfmask.weights import files as weight_files
from tfmask.weights.load import load_weights


def model_of(num_classes):
    """A model with every part whose channels are classes."""
    mask = small_mask(
        "boundary_preserving",
        quasi=QuasiConfig(sizes=(0.5,)),
        refinement=BoundaryRefinementConfig(kind="improved"),
        scoring=MaskScoringConfig(enabled=True),
    )
    refine = RefineConfig(enabled=True)
    return small_model(num_classes=num_classes, mask=mask, refine=refine)


@pytest.fixture(scope="module")
def whole():
    return model_of(3)


def layers_of(paths):
    return {path.rpartition("/")[0] for path in paths}


def test_class_layers_are_those_that_change_their_shape_with_the_classes(whole):
    shapes, others = (
        {path: value.shape for path, value in weight_files.model_weights(m).items()}
        for m in (whole, model_of(5))
    )
    changed = {path for path, shape in shapes.items() if others[path] != shape}
    assert len(changed) > 20
    assert layers_of(parts.class_weights(whole, shapes)) == layers_of(changed)


def test_every_head_of_a_model_says_its_class_layers(whole):
    weights = weight_files.model_weights(whole)
    layers = layers_of(parts.class_weights(whole, weights))
    assert layers >= {
        "box_head/class_logits",
        "box_head/deltas",
        "mask_head/predictor",
        "mask_head/boundary_predictor",
        "quasi_half/predictor",
        "mask_iou_head/maskiou",
        "refine_box_head/class_logits",
        "refine_mask_head/predictor",
    }
    assert not [path for path in layers if path.startswith(("rpn", "neck", "back"))]


def test_parts_of_training_alone_say_so(whole):
    assert parts.training_only(whole) == ("quasi_half",)
    sobel = small_model(mask=small_mask(sobel=True))
    assert parts.training_only(sobel) == ("sobel_boundary",)


def test_the_trunk_of_a_separate_rpn_starts_as_a_copy(tmp_path):
    path = tmp_path / "base.tfmask.h5"
    weight_files.write(path, small_model(seed=1), CLASSES, None)
    config = small_config()
    config.rpn.separate_backbone = True
    model = small_model(seed=2, rpn=config.rpn)
    report = load_weights(model, path, class_map=CLASSES, reset_classes=True)
    assert report.started == {"rpn_backbone": "backbone", "rpn_neck": "neck"}
    assert "copies at the start: rpn_backbone of backbone" in str(report)
    values, compared = values_of(model), 0
    for name, value in values.items():
        if name.startswith("rpn_backbone/") or name.startswith("rpn_neck/"):
            base = values[name.removeprefix("rpn_")]
            np.testing.assert_array_equal(value, base, err_msg=name)
            compared += 1
    assert compared > 50


def test_weights_of_the_trunk_alone_start_both_trunks(tmp_path):
    path = tmp_path / "base.tfmask.h5"
    weight_files.write(path, small_model(seed=1), CLASSES, None)
    config, lines = small_config(), []
    config.rpn.separate_backbone = True
    model = small_model(seed=2, rpn=config.rpn)
    config.backbone.weights = str(path)
    convert.load_initial(model, config, lines.append)
    values = values_of(model)
    for name in ("stem/kernel", "res5_0/conv2/kernel"):
        base = values[f"backbone/{name}"]
        np.testing.assert_array_equal(values[f"rpn_backbone/{name}"], base)
    assert lines[-1] == "copies at the start: rpn_backbone of backbone"


def test_models_without_such_parts_copy_nothing():
    model = tiny_model(seed=1)
    assert parts.start_copies(model, ["conv/kernel"]) == {}
    assert_equal(model, tiny_model(seed=1))
