"""The rows of the ablation tables: what each changes in the recipe demo/huddled.

Widths are those of the papers divided by four, as the recipe's pyramid is. Parts that
can be normalised in groups are, as the recipe's are.
"""

from collections.abc import Callable
from typing import NamedTuple

from tfmask.config import (
    AdaptiveBoxHeadConfig,
    AdaptiveMaskHeadConfig,
    BoundaryPreservingHeadConfig,
    Config,
    EncoderDecoderHeadConfig,
    IEFPNConfig,
    PANetConfig,
    apply_overrides,
    cascade_stages,
    load_config,
)
from tfmask.configs.lineages import bias_towards_masks

RECIPE = "demo/huddled"
CHANNELS = 64
# Of demo/shapes, for every mask head: training starts from random weights.
PREDICTOR = "msra"


class Row(NamedTuple):
    """A row of a table.

    Attributes:
      title: as it is printed.
      changes: of the recipe, one after the other.
      base: the row whose trained weights of the same seed it starts from; "": random
        weights.
    """

    title: str
    changes: tuple[Callable[[Config], object], ...] = ()
    base: str = ""


def contextual_fusion(config: Config) -> None:
    config.model.mask.context.filters = (180, 128, 128, CHANNELS)


def deconvolutional_pyramid(config: Config) -> None:
    config.model.mask.pyramid.enabled = True


def boundary_refinement(config: Config) -> None:
    config.model.mask.refinement.kind = "improved"


def boundary_refinement_original(config: Config) -> None:
    config.model.mask.refinement.kind = "original"


def quasi_multitask(config: Config) -> None:
    config.model.mask.quasi.sizes = (0.5,)


def biased_training(config: Config) -> None:
    """Of the mask loss, and of those of the quasi-multitask branches that are there."""
    quasi = ["mask_quasi_half"] if config.model.mask.quasi.sizes else []
    bias_towards_masks(config, "mask", *quasi)


def bmask(config: Config) -> None:
    config.model.mask.head = BoundaryPreservingHeadConfig(
        channels=CHANNELS, predictor_initializer=PREDICTOR
    )


def encoder_decoder(config: Config) -> None:
    config.model.mask.head = EncoderDecoderHeadConfig(
        channels=CHANNELS, predictor_initializer=PREDICTOR
    )


def iefpn(config: Config) -> None:
    """With all of its modules; only one of its convolutions is normalised."""
    config.model.neck = IEFPNConfig(channels=CHANNELS)


def panet(config: Config) -> None:
    config.model.neck = PANetConfig(channels=CHANNELS, norm="gn")


def adaptive_heads(config: Config) -> None:
    """The heads of the recipe panet/r50."""
    config.model.boxes.head = AdaptiveBoxHeadConfig(
        form="4conv1fc",
        channels=CHANNELS,
        fc_units=config.model.boxes.head.fc_units,
        norm="gn",
    )
    config.model.mask.head = AdaptiveMaskHeadConfig(
        channels=CHANNELS, norm="gn", predictor_initializer=PREDICTOR
    )


def cascade(config: Config) -> None:
    """Three box stages, trained on as many proposals as the other rows."""
    config.model.boxes.stages = cascade_stages()
    config.model.boxes.head.class_agnostic = True


def mask_scoring(config: Config) -> None:
    config.model.mask.scoring.enabled = True


def refine_plain(config: Config) -> None:
    """MR R-CNN's refining module on plain RoIAlign."""
    config.model.refine.enabled = True
    config.model.refine.pooling = "plain"


def refine_shape_aware(config: Config) -> None:
    """MR R-CNN."""
    config.model.refine.enabled = True


def further(config: Config) -> None:
    """The recipe's schedule, a quarter as long at a tenth of the rate."""
    train = config.train
    train.steps //= 4
    train.warmup_steps //= 4
    train.learning_rate /= 10


MASKPLUS = (
    contextual_fusion,
    deconvolutional_pyramid,
    boundary_refinement,
    quasi_multitask,
    biased_training,
)
MASK_BRANCH = {
    "baseline": Row("Mask R-CNN"),
    "context": Row("+ contextual fusion", (contextual_fusion,)),
    "pyramid": Row("+ deconvolutional pyramid", (deconvolutional_pyramid,)),
    "refinement": Row("+ boundary refinement (improved)", (boundary_refinement,)),
    "refinement_original": Row(
        "+ boundary refinement (original)", (boundary_refinement_original,)
    ),
    "quasi": Row("+ quasi-multitask 0.5x", (quasi_multitask,)),
    "biased": Row("+ biased training", (biased_training,)),
    "maskplus": Row("MaskPlus (all five)", MASKPLUS),
    "bmask": Row("BMask R-CNN", (bmask,)),
    "encoder_decoder": Row("+ encoder-decoder head", (encoder_decoder,)),
    "mask_scoring": Row("Mask Scoring R-CNN", (mask_scoring,)),
    "iefpn": Row("+ IEFPN", (iefpn,)),
    "iemask": Row(
        "IEMask R-CNN (IEFPN, encoder-decoder head)", (iefpn, encoder_decoder)
    ),
    "panet_bottom_up": Row("+ PANet's bottom-up path", (panet,)),
    "panet": Row("PANet (and adaptive heads, fc fusion)", (panet, adaptive_heads)),
    "cascade": Row("Cascade Mask R-CNN", (cascade,)),
    "maskplus_plus": Row("MaskPlus+ (MaskPlus, cascade)", (*MASKPLUS, cascade)),
}
REFINEMENT = {
    "baseline": Row("Mask R-CNN"),
    "refine_plain": Row("refining module, plain RoIAlign", (refine_plain,)),
    "refine_shape_aware": Row(
        "refining module, shape-aware RoIAlign (MR R-CNN)", (refine_shape_aware,)
    ),
}
REFINEMENT_FROM_BASE = {
    "baseline": Row("Mask R-CNN, the base"),
    "from_base": Row("trained on, no refining module", (further,), "baseline"),
    "from_base_plain": Row(
        "trained on, refining module, plain RoIAlign",
        (further, refine_plain),
        "baseline",
    ),
    "from_base_shape_aware": Row(
        "trained on, refining module, shape-aware RoIAlign (MR R-CNN)",
        (further, refine_shape_aware),
        "baseline",
    ),
}
# table -> (rows, seeds)
TABLES = {
    "mask_branch": (MASK_BRANCH, (0, 1)),
    "refinement": (REFINEMENT, (0, 1, 2)),
    "refinement_from_base": (REFINEMENT_FROM_BASE, (0, 1, 2)),
}
ROWS = MASK_BRANCH | REFINEMENT | REFINEMENT_FROM_BASE


def make_config(name: str, seed: int, overrides: list[str] | None = None) -> Config:
    """The configuration of a row, with its own seed; overrides are `path=value`."""
    config = load_config(RECIPE)
    for change in ROWS[name].changes:
        change(config)
    config.train.seed = seed
    return apply_overrides(config, overrides or [])
