"""Where the weights of the refining heads come from, with real files."""

import pickle

import numpy as np
import pytest
from models.model_cases import small_config, small_model

from tfmask.config import RefineConfig
from tfmask.errors import CheckpointError
from tfmask.layers.naming import named_weights
from tfmask.models.build import build_model
from tfmask.structures import ClassMap
from tfmask.weights import convert, importer, load
from tfmask.weights import files as weight_files

CLASSES = ClassMap((1, 2, 3), ("round", "square", "star"))
OTHERS = ClassMap((1, 2, 3), ("cat", "dog", "cow"))
LINE = "copies at the start: "
COPIES = {"refine_box_head": "box_head", "refine_mask_head": "mask_head"}
BOTH = tuple(COPIES)
SAID = LINE + "refine_box_head of box_head, refine_mask_head of mask_head"


def refined(seed=0, **refine):
    return small_model(seed=seed, refine=RefineConfig(enabled=True, **refine))


def values(model):
    return {
        path: np.asarray(weight).copy() for path, weight in named_weights(model).items()
    }


def save(path, model):
    weight_files.write(path, model, CLASSES, None)
    return path


def assert_copies(weights, heads=BOTH):
    compared = 0
    for path, value in weights.items():
        if path.startswith(heads):
            base = weights[path.removeprefix("refine_")]
            np.testing.assert_array_equal(value, base, err_msg=path)
            compared += 1
    assert compared == 8 * len(heads)


@pytest.fixture
def base_file(tmp_path):
    return save(tmp_path / "base.tfmask.h5", small_model(seed=1))


def test_refining_heads_start_from_trained_base_heads(base_file):
    model, trained = refined(seed=2), values(small_model(seed=1))
    initial = values(model)
    report = load.load_weights(model, base_file, class_map=CLASSES, reset_classes=True)
    loaded = values(model)
    assert_copies(loaded)
    np.testing.assert_array_equal(
        loaded["refine_box_head/fc1/kernel"], trained["box_head/fc1/kernel"]
    )
    flow = "refine_mask_flow/conv/kernel"
    np.testing.assert_array_equal(loaded[flow], initial[flow])
    assert report.started == COPIES
    text = str(report)
    assert text.count(SAID) == 1
    assert "missing refine_mask_flow/conv/kernel" in text
    assert "missing refine_box_head" not in text
    assert "refine_box_head: the file" not in text


def test_classes_of_the_data_reset_both_heads(base_file):
    model = refined(seed=2)
    initial = values(model)
    load.load_weights(model, base_file, class_map=OTHERS, reset_classes=True)
    loaded = values(model)
    assert_copies(loaded)
    for path in ("refine_box_head/class_logits/kernel", "refine_box_head/fc1/kernel"):
        kept = (loaded[path] == initial[path]).all()
        assert kept == ("class_logits" in path)


def test_trained_refining_heads_are_loaded(tmp_path):
    trained, model = refined(seed=1), refined(seed=2)
    kernel = named_weights(trained)["refine_box_head/fc1/kernel"]
    kernel.assign(kernel + 1.0)
    path = save(tmp_path / "refined.tfmask.h5", trained)
    report = load.load_weights(model, path, class_map=CLASSES, reset_classes=True)
    expected, loaded = values(trained), values(model)
    for name in expected:
        np.testing.assert_array_equal(expected[name], loaded[name], err_msg=name)
    assert not report.started and LINE not in str(report)


def test_only_heads_that_the_file_does_not_have_are_copied(tmp_path):
    trained, model = refined(seed=1, masks=False), refined(seed=2)
    kernel = named_weights(trained)["refine_box_head/fc1/kernel"]
    kernel.assign(kernel + 1.0)
    path = save(tmp_path / "boxes.tfmask.h5", trained)
    report = load.load_weights(model, path, class_map=CLASSES, reset_classes=True)
    loaded = values(model)
    assert report.started == {"refine_mask_head": "mask_head"}
    assert_copies(loaded, ("refine_mask_head",))
    np.testing.assert_array_equal(
        loaded["refine_box_head/fc1/kernel"], np.asarray(kernel)
    )


def test_evaluation_needs_trained_refining_heads(base_file):
    with pytest.raises(CheckpointError, match="refine_.* is not in it"):
        load.load_weights(refined(), base_file, class_map=CLASSES)


def test_weights_of_the_backbone_alone_start_no_head(base_file):
    model, lines = refined(seed=2), []
    settings = small_config()
    settings.backbone.weights = str(base_file)
    convert.load_initial(model, settings, lines.append, class_map=CLASSES)
    assert lines and not any(LINE in line for line in lines)
    assert_copies(values(model))


@pytest.mark.parametrize("part", ["detector", "trunk"])
def test_weights_of_another_program_start_the_refining_heads(tmp_path, part):
    settings = small_config()
    trained = build_model(settings)
    source = {k: v for k, v in values(trained).items() if "loss_weights/" not in k}
    arrays = importer.export("detectron2", source, settings)
    path = tmp_path / "model_final.pkl"
    path.write_bytes(pickle.dumps({"model": arrays}))
    model, lines = refined(seed=2), []
    spec = f"detectron2:{path}"
    if part == "detector":
        settings.weights = spec
    else:
        settings.backbone.weights = spec
    convert.load_initial(model, settings, lines.append, class_map=CLASSES)
    assert "\n".join(lines).count(SAID) == (part == "detector")
    assert "\n".join(lines).count(LINE) == (part == "detector")
    loaded = values(model)
    assert_copies(loaded)
    same = (
        loaded["refine_mask_head/mask_fcn1/kernel"]
        == source["mask_head/mask_fcn1/kernel"]
    )
    assert same.all() == (part == "detector")
