"""A frozen trunk needs weights."""

from dataclasses import dataclass

import pytest

from tfmask.config import (
    Config,
    ResNetConfig,
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


def test_a_backbone_from_outside_may_bring_its_own_weights():
    @dataclass(kw_only=True)
    class Own(ResNetConfig):
        pass

    config = Config()
    assert why_random_trunk(config)
    config.model.backbone = Own()
    assert not why_random_trunk(config)
