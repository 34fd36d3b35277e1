"""A frozen trunk needs weights."""

import pytest

from tfmask.config import (
    apply_overrides,
    load_config,
    recipe_names,
    validate,
    why_random_trunk,
)


@pytest.mark.parametrize("name", recipe_names())
def test_every_published_recipe_says_that_it_needs_weights(name):
    config = load_config(name)
    said = why_random_trunk(config)
    if config.model.backbone.norm != "frozen_bn":
        assert name.startswith("demo/") and not said
        return
    for words in ("without weights", "backbone.weights=FORMAT:FILE", "norm=gn or bn"):
        assert words in said
    for path in ("model.weights", "model.backbone.weights"):
        given = apply_overrides(load_config(name), [f"{path}=x.tfmask.h5"])
        assert not why_random_trunk(given)
    # What the sentence advises is a good configuration.
    for norm in ("gn", "bn"):
        advised = [f"model.backbone.norm={norm}", "model.backbone.freeze_at=0"]
        assert not why_random_trunk(validate(apply_overrides(config, advised)))
