"""Any part with any other: a training step and an inference of each combination.

By default every pair of choices of two factors is in some model (pairwise covering);
`slow` runs the full product of necks, mask heads, cascade, refinement and Mask Scoring,
and prints what it covered.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from models.model_cases import losses_and_gradients, small_batch, small_config

from tfmask.config import (
    AdaptiveBoxHeadConfig,
    AdaptiveMaskHeadConfig,
    BoundaryPreservingHeadConfig,
    BoundaryRefinementConfig,
    ContextConfig,
    EncoderDecoderHeadConfig,
    FastRCNNHeadConfig,
    FCNMaskHeadConfig,
    FPNConfig,
    HRFPNConfig,
    HRNetConfig,
    IEFPNConfig,
    MaskScoringConfig,
    PANetConfig,
    PyramidConfig,
    QuasiConfig,
    RefineConfig,
    ResNetConfig,
    cascade_stages,
)
from tfmask.layers.naming import named_weights
from tfmask.models.build import build_model


def backbone(**changes):
    options = dict(depth=10, width=32, norm="bn", freeze_at=0)
    return lambda: ResNetConfig(**(options | changes))


FACTORS = {
    "backbone": {
        "resnet": backbone(),
        "bottlenecks": backbone(depth=26, norm="frozen_bn"),
        "resnext": backbone(depth=26, groups=4, width_per_group=8),
        "deformable": backbone(depth=26, deformable="v1"),
        "modulated": backbone(depth=26, deformable="modulated"),
        "hrnet": lambda: HRNetConfig(width=8, norm="bn"),
    },
    "neck": {
        "fpn": lambda: FPNConfig(channels=32),
        "iefpn": lambda: IEFPNConfig(channels=32),
        "panet": lambda: PANetConfig(channels=32),
        "hrfpn": lambda: HRFPNConfig(channels=32),
    },
    "mask head": {
        "fcn": lambda: FCNMaskHeadConfig(channels=32, conv_layers=2),
        "boundary preserving": lambda: BoundaryPreservingHeadConfig(
            channels=32, conv_layers=2
        ),
        "encoder decoder": lambda: EncoderDecoderHeadConfig(channels=32),
        "adaptive": lambda: AdaptiveMaskHeadConfig(channels=32),
    },
    "box head": {
        "fast rcnn": lambda: FastRCNNHeadConfig(fc_units=32),
        "class agnostic": lambda: FastRCNNHeadConfig(fc_units=32, class_agnostic=True),
        "adaptive 2fc": lambda: AdaptiveBoxHeadConfig(fc_units=32),
        "adaptive 4conv1fc": lambda: AdaptiveBoxHeadConfig(
            form="4conv1fc", channels=32, fc_units=32
        ),
    },
    "cascade": {"single": False, "cascade": True},
    "refine": {"plain": False, "refined": True},
    "scoring": {"unscored": False, "scored": True},
    "maskplus": {"bare": False, "maskplus": True},
    "rpn": {"joint": False, "apart": True},
}


def configuration(choice: dict):
    """The settings of a choice: factor -> one of its words."""
    value = {factor: FACTORS[factor][word] for factor, word in choice.items()}
    config = small_config()
    config.backbone = value["backbone"]()
    config.neck = value["neck"]()
    config.mask.head = value["mask head"]()
    config.boxes.head = value["box head"]()
    if value["cascade"]:
        config.boxes.stages = cascade_stages()
    if value["refine"]:
        config.refine = RefineConfig(enabled=True)
    config.mask.scoring = MaskScoringConfig(enabled=value["scoring"])
    if value["maskplus"]:
        config.mask.context = ContextConfig(filters=(16, 32))
        config.mask.pyramid = PyramidConfig(enabled=True)
        config.mask.refinement = BoundaryRefinementConfig(kind="improved")
        config.mask.quasi = QuasiConfig(sizes=(0.5,))
    config.rpn.separate_backbone = value["rpn"]
    config.roi.batch = 16
    config.rpn.post_nms_train = config.rpn.post_nms_test = 20
    config.postprocess.max_detections = 5
    return config


def pairs_of(row: dict) -> set:
    return {frozenset(pair) for pair in itertools.combinations(row.items(), 2)}


def pairwise(factors: dict) -> list[dict]:
    """Few choices in which every two words of two factors meet; greedy."""
    missing = {
        frozenset(((a, u), (b, v)))
        for a, b in itertools.combinations(factors, 2)
        for u, v in itertools.product(factors[a], factors[b])
    }
    rows = []
    while missing:
        row = dict(sorted(min(missing, key=sorted)))
        for name in factors:
            if name not in row:
                options = [row | {name: word} for word in factors[name]]
                row = max(options, key=lambda r, m=missing: len(pairs_of(r) & m))
        rows.append({name: row[name] for name in factors})
        missing -= pairs_of(row)
    return rows


PAIRWISE = pairwise(FACTORS)


def run(choice):
    """Losses, gradients and detections of one model of this choice."""
    model = build_model(configuration(choice), seed=1)
    batch = small_batch()
    terms, gradients = losses_and_gradients(model, batch)
    assert set(terms) == set(model.loss_weights.names)
    for name, value in terms.items():
        assert np.isfinite(value), name
    paths = {id(weight): path for path, weight in named_weights(model).items()}
    for variable, gradient in zip(model.trainable_variables, gradients):
        path = paths[id(variable)]
        # The detector itself reads no P6 where the RPN has a pyramid of its own.
        unread = choice["rpn"] == "apart" and path.startswith("neck/fpn_output6/")
        assert (gradient is None) == (unread and choice["neck"] == "hrfpn"), path
        if gradient is not None:
            assert np.isfinite(tf.convert_to_tensor(gradient)).all(), path
    out = model(batch, training=False)
    assert out["boxes"].shape == (2, 5, 4) and out["valid"].shape == (2, 5)
    assert np.isfinite(out["boxes"]).all() and np.isfinite(out["masks"]).all()
    assert ("mask_scores" in out) == (choice["scoring"] == "scored")


def test_every_pair_of_choices_is_in_some_model():
    for a, b in itertools.combinations(FACTORS, 2):
        met = {(row[a], row[b]) for row in PAIRWISE}
        assert met == set(itertools.product(FACTORS[a], FACTORS[b]))


@pytest.mark.parametrize("row", PAIRWISE, ids=lambda row: ",".join(row.values()))
def test_every_pair_trains_and_detects(row):
    run(row)


@pytest.mark.slow
def test_the_full_product_trains_and_detects():
    names = ("neck", "mask head", "cascade", "refine", "scoring")
    rest = {
        name: itertools.cycle(words)
        for name, words in FACTORS.items()
        if name not in names
    }
    product = list(itertools.product(*(FACTORS[name] for name in names)))
    for words in product:
        choice = dict(zip(names, words)) | {n: next(c) for n, c in rest.items()}
        run(choice)
    print(f"{len(product)} combinations of {', '.join(names)}")
