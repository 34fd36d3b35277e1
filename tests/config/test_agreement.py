"""Settings that must agree with each other."""

import pytest

from tfmask.config import (
    BoundaryPreservingHeadConfig,
    Config,
    EncoderDecoderHeadConfig,
    FCNMaskHeadConfig,
    apply_overrides,
    validate,
)
from tfmask.errors import ConfigError


def check(*overrides):
    return validate(apply_overrides(Config(), list(overrides)))


@pytest.mark.parametrize("path", ["model.neck.channels", "model.backbone.width"])
def test_group_norm_needs_channels_for_its_groups(path):
    with pytest.raises(ConfigError, match="80 channels.*multiple of 32"):
        check(f"{path.rpartition('.')[0]}.norm=gn", f"{path}=80")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            "mask.head=adaptive mask.head.channels=96 mask.head.norm=gn",
            "multiple of 64",
        ),
        ("boxes.head=adaptive boxes.head.norm=gn boxes.head.fc_units=80", "of 32"),
        (
            "boxes.head=adaptive boxes.head.norm=gn boxes.head.form=4conv1fc "
            "boxes.head.channels=80",
            "of 32",
        ),
    ],
)
def test_group_norm_of_heads_needs_channels_for_its_groups(settings, expected):
    words = [f"model.{word}" for word in settings.split()]
    with pytest.raises(ConfigError, match=f"channels with norm=gn: .*{expected}"):
        check(*words)
    check(*[word.replace("=gn", "=none") for word in words])


def test_levels_that_heads_read_are_levels_of_the_neck():
    coarse = ["model.neck.levels=c3,c4,c5", "model.anchors.sizes=64,128,256,512"]
    with pytest.raises(ConfigError, match="anchors.sizes.*4 sizes, one for each level"):
        check(coarse[0])
    check(*coarse, "model.mask.context.filters=256", "model.mask.context.level=p6")
    with pytest.raises(ConfigError, match=r"context\.level=p2: .*p3, p4, p5, p6"):
        check(*coarse, "model.mask.context.filters=256", "model.mask.context.level=p2")
    coarse.append("model.mask.head=boundary_preserving")
    with pytest.raises(ConfigError, match="boundary_levels=p2: .*p3, p4, p5$"):
        check(*coarse)
    check(*coarse, "model.mask.head.boundary_levels=p3")


def test_what_is_fused_must_be_computed():
    off = ["model.neck=iefpn", "model.neck.convolve_before_fusion=false"]
    check(*off)
    with pytest.raises(ConfigError, match="the convolution whose result is fused"):
        check(*off, "model.neck.fuse_convolved=true")


@pytest.mark.parametrize("override", ["groups=32", "deformable=v1"])
def test_basic_blocks_have_no_groups_and_no_deformable_convolution(override):
    check(f"model.backbone.{override}")
    with pytest.raises(ConfigError, match="depth=18.*bottlenecks"):
        check("model.backbone.depth=18", f"model.backbone.{override}")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (EncoderDecoderHeadConfig(channels=80), "multiple of 32"),
        (EncoderDecoderHeadConfig(pool_size=30), "multiple of 4"),
        (EncoderDecoderHeadConfig(form="paper", channels=64), "256 as model.neck"),
        (BoundaryPreservingHeadConfig(boundary_size=20), "as many bins, or twice"),
        (BoundaryPreservingHeadConfig(boundary_size=56), "as many bins, or twice"),
        (BoundaryPreservingHeadConfig(boundary_levels=()), "at least 1 value"),
    ],
)
def test_mask_heads_refuse_sizes_that_do_not_fit(head, expected):
    config = Config()
    config.model.mask.head = head
    with pytest.raises(ConfigError, match=expected):
        validate(config)


@pytest.mark.parametrize("sizes", [(14, 14), (14, 28), (28, 28), (28, 56)])
def test_a_boundary_feature_has_the_bins_of_the_mask_or_twice_as_many(sizes):
    config = Config()
    config.model.mask.head = BoundaryPreservingHeadConfig(
        pool_size=sizes[0], boundary_size=sizes[1]
    )
    validate(config)


@pytest.mark.parametrize(
    ("head", "cells"),
    [
        (FCNMaskHeadConfig(pool_size=12), 24),
        (FCNMaskHeadConfig(pool_size=21, upsample=False), 21),
        (EncoderDecoderHeadConfig(pool_size=20), 20),
        (BoundaryPreservingHeadConfig(pool_size=10, boundary_size=20), 20),
        (FCNMaskHeadConfig(pool_size=21), None),
        (FCNMaskHeadConfig(upsample=False), None),
        (EncoderDecoderHeadConfig(), None),
    ],
)
def test_mask_scoring_wants_masks_of_whole_multiples_of_its_feature(head, cells):
    config = Config()
    config.model.mask.head = head
    validate(config)
    config.model.mask.scoring.enabled = True
    if cells is None:
        validate(config)
    else:
        with pytest.raises(ConfigError, match=f"masks of {cells} cells per side"):
            validate(config)


def test_one_kind_of_boundary_supervision():
    check("model.mask.sobel=true")
    with pytest.raises(ConfigError, match="one kind of boundary supervision"):
        check("model.mask.sobel=true", "model.mask.head=boundary_preserving")


def test_a_refining_module_refines_something():
    off = [f"model.refine.{part}=false" for part in ("classes", "boxes", "masks")]
    check(*off)
    with pytest.raises(ConfigError, match="model.refine.enabled=True.*at least one"):
        check("model.refine.enabled=true", *off)
