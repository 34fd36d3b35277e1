"""Every recipe trains a step, detects, and its weights come back, at a tiny size."""

import numpy as np
import pytest
from models.model_cases import small_batch
from recipe_cases import recipes_by_model, shrunk

from tfmask.config import load_config, recipe_names
from tfmask.models.build import build_model
from tfmask.models.learning import Learner, LossScale
from tfmask.structures import ClassMap
from tfmask.training.optimizer import build_optimizer
from tfmask.weights import files
from tfmask.weights.load import load_weights

CLASSES = ClassMap((1, 2, 3), ("a", "b", "c"))
RECIPES = recipes_by_model(lambda settings: settings)
# One recipe of each paper by default, all of them as slow tests.
QUICK = {"maskplus/maskplus_r50", "mr_rcnn/r50", "bmask_rcnn/detectron2_cascade_r50"}


def tiny(name: str):
    config = shrunk(load_config(name))
    model = config.model
    model.anchors.sizes = tuple(size / 4 for size in model.anchors.sizes)
    model.rpn.pre_nms_train = model.rpn.pre_nms_test = 50
    model.rpn.post_nms_train = model.rpn.post_nms_test = 20
    model.roi.batch = 16
    model.postprocess.score_threshold = 0.0
    model.postprocess.max_detections = 5
    # Random frozen trunks let activations explode: no rate is small enough for them.
    model.backbone.freeze_at = 0
    model.backbone.norm = "bn"
    return config


def recipes():
    names = [RECIPES_OF[name] for name in sorted(QUICK)]
    return [
        pytest.param(name, marks=() if name in names else pytest.mark.slow)
        for name in RECIPES
    ]


RECIPES_OF = {name: first for first, names in RECIPES.items() for name in names}


def test_every_recipe_is_run():
    count = sum(map(len, RECIPES.values()))
    print(f"{count} recipes in {len(RECIPES)} models")
    assert set(RECIPES_OF) == set(recipe_names()) and count == len(RECIPES_OF)


@pytest.mark.parametrize("name", recipes())
def test_trains_a_step_detects_and_comes_back(name, tmp_path):
    config = tiny(name)
    model = build_model(config.model, seed=1)
    batch = small_batch()
    optimizer = build_optimizer(model, config.train)
    learner = Learner(
        model, optimizer, LossScale(active=False), config.train.clip_norm or 10.0
    )
    before = {k: v.numpy() for k, v in files.model_weights(model).items()}
    figures = learner.step(batch)
    assert bool(figures.finite)
    assert np.isfinite([float(value) for value in figures.values]).all()
    weights = {k: v.numpy() for k, v in files.model_weights(model).items()}
    assert any((weights[k] != before[k]).any() for k in weights)

    detected = model(batch, training=False)
    assert detected["boxes"].shape == (2, 5, 4)
    assert np.isfinite(detected["masks"]).all()

    path = tmp_path / "w.tfmask.h5"
    files.write(path, model, CLASSES, None)
    again = build_model(config.model, seed=2)
    load_weights(again, path, class_map=CLASSES)
    for key, value in files.model_weights(again).items():
        np.testing.assert_array_equal(value.numpy(), weights[key], key)
    for key, value in again(batch, training=False).items():
        np.testing.assert_array_equal(value, detected[key], key)
