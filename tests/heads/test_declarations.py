"""What heads say of themselves: `roi_specs`, `class_layers`, `training_only`."""

import numpy as np
import pytest

from tfmask.heads.boundary_preserving_head import BoundaryPreservingMaskHead
from tfmask.heads.boundary_refinement import BoundaryRefinement
from tfmask.heads.box_head import BoxHead
from tfmask.heads.contextual_fusion import ContextualFusion
from tfmask.heads.deconvolutional_pyramid import DeconvolutionalPyramid
from tfmask.heads.encoder_decoder_head import EncoderDecoderMaskHead
from tfmask.heads.mask_head import FCNMaskHead
from tfmask.heads.mask_information_flow import MaskInformationFlow
from tfmask.heads.mask_iou_head import MaskIoUHead
from tfmask.heads.quasi_multitask import QuasiMultitaskBranch
from tfmask.heads.rpn_head import RPNHead
from tfmask.heads.sobel_boundary import SobelBoundaryHead
from tfmask.layers.naming import named_weights
from tfmask.layers.rois import RoISpec

REFINEMENTS = [
    {"kind": kind, "source": source, "prelu": prelu}
    for kind in ("improved", "original")
    for source in ("logits", "features")
    for prelu in ("scalar", "channel")
]
HEADS = [
    (BoxHead, {"fc_units": 8}),
    (FCNMaskHead, {"channels": 8}),
    (BoundaryPreservingMaskHead, {"channels": 8}),
    (EncoderDecoderMaskHead, {"channels": 32, "pool_size": 4}),
    (QuasiMultitaskBranch, {"channels": 8}),
    (MaskIoUHead, {"channels": 8, "fc_units": 8}),
    *((BoundaryRefinement, options) for options in REFINEMENTS),
]


def build(head):
    if isinstance(head, BoundaryRefinement):
        head.build([(None, 8, 8, head.num_classes), (None, 8, 8, 5)])
    elif isinstance(head, MaskIoUHead):
        head.build([(None, 14, 14, 8), (None, 28, 28)])
    elif isinstance(head, QuasiMultitaskBranch):
        head.build((None, 14, 14, 8))
    else:
        head.build(
            {name: (None, s.size, s.size, 8) for name, s in head.roi_specs.items()}
        )
    return head


@pytest.mark.parametrize("cls, options", HEADS)
def test_class_layers_are_those_whose_shapes_follow_the_number_of_classes(cls, options):
    few, many = (named_weights(build(cls(k, **options))) for k in (3, 4))
    different = {
        path.split("/")[0] for path in few if few[path].shape != many[path].shape
    }
    assert different == set(cls(3, **options).class_layers)


def test_other_parts_have_no_class_layers():
    for layer in (
        RPNHead(),
        ContextualFusion((4,)),
        DeconvolutionalPyramid(4),
        MaskInformationFlow(4),
        SobelBoundaryHead(),
    ):
        assert tuple(layer.class_layers) == ()


def test_parts_that_inference_does_without():
    heads = [cls(3, **options) for cls, options in HEADS]
    heads += [RPNHead(), SobelBoundaryHead(), ContextualFusion((4,))]
    idle = {type(head) for head in heads if head.training_only}
    assert idle == {QuasiMultitaskBranch, SobelBoundaryHead}


def test_heads_declare_what_they_want_pooled():
    assert BoxHead(3, pool_size=5).roi_specs == {"box": RoISpec(5)}
    assert FCNMaskHead(3).roi_specs == {"mask": RoISpec(14)}
    assert EncoderDecoderMaskHead(3).roi_specs == {"mask": RoISpec(28)}
    head = BoundaryPreservingMaskHead(3, 7, boundary_size=14, boundary_levels=["p3"])
    assert head.roi_specs == {
        "mask": RoISpec(7),
        "boundary": RoISpec(14, ("p3",)),
    }


@pytest.mark.parametrize("cls, options", HEADS[:4])
def test_a_head_reads_what_it_declares(cls, options):
    head = cls(3, **options)
    features = {
        name: np.ones((2, spec.size, spec.size, 8), np.float32)
        for name, spec in head.roi_specs.items()
    }
    outputs = head(features)
    if cls is not BoxHead:
        assert tuple(outputs) == head.outputs
        assert outputs["mask"].shape == (2, head.mask_size, head.mask_size, 3)
