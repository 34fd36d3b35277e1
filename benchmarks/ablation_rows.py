"""The rows of the ablation tables: what each changes in the recipe demo/huddled.

Widths are those of the papers divided by four, as the recipe's pyramid is.
"""

from tfmask.config import Config, LossWeightConfig, LossWeightPoint, load_config

RECIPE = "demo/huddled"


def baseline(config: Config) -> None:
    """Mask R-CNN."""


def contextual_fusion(config: Config) -> None:
    config.model.mask.context.filters = (180, 128, 128, 64)


def deconvolutional_pyramid(config: Config) -> None:
    config.model.mask.pyramid.enabled = True


def boundary_refinement(config: Config) -> None:
    config.model.mask.refinement.kind = "improved"


def boundary_refinement_original(config: Config) -> None:
    config.model.mask.refinement.kind = "original"


def quasi_multitask(config: Config) -> None:
    config.model.mask.quasi.sizes = (0.5,)


def biased_training(config: Config) -> None:
    terms = ["mask"] + ["mask_quasi_half"] * bool(config.model.mask.quasi.sizes)
    points = LossWeightPoint(at=0, weight=1.5), LossWeightPoint(at=0.5, weight=1)
    for term in terms:
        config.train.loss_weights[term] = LossWeightConfig(kind="step", points=points)


def maskplus(config: Config) -> None:
    """All five of MaskPlus."""
    contextual_fusion(config)
    deconvolutional_pyramid(config)
    boundary_refinement(config)
    quasi_multitask(config)
    biased_training(config)


def bmask(config: Config) -> None:
    config.model.mask.head = "boundary_preserving"


def encoder_decoder(config: Config) -> None:
    config.model.mask.head = "encoder_decoder"
    config.model.mask.pool_size = 28


def mask_scoring(config: Config) -> None:
    config.model.mask.scoring.enabled = True


def refine_plain(config: Config) -> None:
    """MR R-CNN's refining module on plain RoIAlign."""
    config.model.refine.enabled = True
    config.model.refine.pooling = "plain"


def refine_shape_aware(config: Config) -> None:
    """MR R-CNN."""
    config.model.refine.enabled = True


# row -> (title, what it changes)
MASK_BRANCH = {
    "baseline": ("Mask R-CNN", baseline),
    "context": ("+ contextual fusion", contextual_fusion),
    "pyramid": ("+ deconvolutional pyramid", deconvolutional_pyramid),
    "refinement": ("+ boundary refinement (improved)", boundary_refinement),
    "refinement_original": (
        "+ boundary refinement (original)",
        boundary_refinement_original,
    ),
    "quasi": ("+ quasi-multitask 0.5x", quasi_multitask),
    "biased": ("+ biased training", biased_training),
    "maskplus": ("MaskPlus (all five)", maskplus),
    "bmask": ("BMask R-CNN", bmask),
    "encoder_decoder": ("encoder-decoder head (IEMask R-CNN)", encoder_decoder),
    "mask_scoring": ("Mask Scoring R-CNN", mask_scoring),
}
REFINEMENT = {
    "baseline": ("Mask R-CNN", baseline),
    "refine_plain": ("refining module, plain RoIAlign", refine_plain),
    "refine_shape_aware": (
        "refining module, shape-aware RoIAlign (MR R-CNN)",
        refine_shape_aware,
    ),
}
# table -> (rows, seeds)
TABLES = {
    "mask_branch": (MASK_BRANCH, (0, 1)),
    "refinement": (REFINEMENT, (0, 1, 2)),
}


def make_config(row: str, seed: int) -> Config:
    """The configuration of a row, with its own seed."""
    config = load_config(RECIPE)
    (MASK_BRANCH | REFINEMENT)[row][1](config)
    config.train.seed = seed
    return config
