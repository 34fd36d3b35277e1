import pytest
from models.model_cases import small_batch, small_config

from tfmask.models import architectures
from tfmask.models.counting import parameter_table

PARTS = {
    architectures.MaskRCNN: set(),
    architectures.MRRCNN: {"refine_box_head", "refine_mask_head", "refine_mask_flow"},
    architectures.MaskPlus: {
        "contextual_fusion",
        "deconvolutional_pyramid",
        "boundary_refinement",
        "quasi_half",
    },
    architectures.BMaskRCNN: set(),
    architectures.IEMaskRCNN: set(),
    architectures.MaskScoringRCNN: {"mask_iou_head"},
}
BASE = {"backbone", "neck", "rpn_head", "box_head", "mask_head"}


@pytest.mark.parametrize("architecture", PARTS, ids=lambda c: c.__name__)
def test_an_architecture_switches_its_parts_on(architecture):
    settings = small_config()
    model = architecture.create(3, settings)
    assert type(model) is architecture
    assert {part for part, _ in parameter_table(model)} == BASE | PARTS[architecture]
    assert settings == small_config()
    out = model(small_batch(), training=False)
    assert out["masks"].shape == (2, 20, 28, 28)


@pytest.mark.parametrize(
    "architecture,head",
    [
        (architectures.BMaskRCNN, "BoundaryPreservingMaskHead"),
        (architectures.IEMaskRCNN, "EncoderDecoderMaskHead"),
        (architectures.MRRCNN, "FCNMaskHead"),
    ],
)
def test_an_architecture_has_its_mask_head(architecture, head):
    model = architecture.create(3, small_config())
    assert type(model.masks.head).__name__ == head


def test_settings_of_a_recipe_are_kept():
    model = architectures.MRRCNN.from_recipe("demo/huddled", 2, "bfloat16")
    assert model.boxes.pooling.canonical_size == 96.0
    assert model.masks.head.num_classes == 2
    assert model.refinement is not None and model.neck.compute_dtype == "bfloat16"


def test_own_choices_of_an_architecture_are_kept():
    settings = small_config()
    settings.mask.context.filters = (16, 32)
    settings.mask.quasi.sizes = (2.0,)
    settings.mask.refinement.kind = "original"
    masks = architectures.MaskPlus.create(3, settings).masks
    assert masks.context.filters == (16, 32)
    assert [branch.name for branch in masks.quasi] == ["quasi_double"]
    assert masks.refinement.kind == "original" and masks.pyramid is not None
