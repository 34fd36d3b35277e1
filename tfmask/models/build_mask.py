"""From the settings of the mask branch to its layers."""

import keras

from tfmask.config.mask_schema import MASK_IOU_POOL
from tfmask.heads.boundary_preserving_head import BoundaryPreservingMaskHead
from tfmask.heads.boundary_refinement import BoundaryRefinement
from tfmask.heads.contextual_fusion import ContextualFusion
from tfmask.heads.deconvolutional_pyramid import DeconvolutionalPyramid
from tfmask.heads.encoder_decoder_head import EncoderDecoderMaskHead
from tfmask.heads.mask_head import FCNMaskHead
from tfmask.heads.mask_iou_head import MaskIoUHead
from tfmask.heads.quasi_multitask import QuasiMultitaskBranch
from tfmask.heads.sobel_boundary import SobelBoundaryHead
from tfmask.layers.roi_pooling import MultilevelRoIAlign
from tfmask.models.mask_branch import MaskBranch


def make_pool(settings, size: int, levels, name: str, pool_class=MultilevelRoIAlign):
    """RoIAlign as the model's settings have it, plain or of another class."""
    return pool_class(
        size,
        levels=levels or ("p2", "p3", "p4", "p5"),
        sampling_ratio=settings.pool.sampling_ratio,
        aligned=settings.pool.aligned,
        canonical_size=settings.pool.canonical_size,
        inclusive=settings.inclusive_boxes,
        name=name,
    )


def make_mask_head(settings, name: str = "mask_head") -> keras.layers.Layer:
    """The mask head that `settings.mask.head` names."""
    part = settings.mask
    shared = dict(
        channels=part.channels,
        background_channel=part.background_channel,
        predictor_initializer=part.predictor_initializer,
        name=name,
    )
    if part.head == "encoder_decoder":
        return EncoderDecoderMaskHead(
            settings.num_classes,
            part.pool_size,
            form=part.encoder_decoder_form,
            **shared,
        )
    if part.head == "boundary_preserving":
        return BoundaryPreservingMaskHead(
            settings.num_classes,
            part.pool_size,
            conv_layers=part.conv_layers,
            boundary_size=part.boundary.pool_size,
            boundary_levels=part.boundary.levels,
            mask_to_boundary=part.boundary.mask_to_boundary,
            boundary_to_mask=part.boundary.boundary_to_mask,
            **shared,
        )
    return FCNMaskHead(
        settings.num_classes,
        part.pool_size,
        conv_layers=part.conv_layers,
        upsample=part.upsample,
        **shared,
    )


def make_mask_branch(settings) -> MaskBranch:
    """The mask branch of a configuration, without weights.

    Args:
      settings: fields of config.ModelConfig.
    """
    part, classes = settings.mask, settings.num_classes
    head = make_mask_head(settings)
    pools = {
        name: make_pool(settings, spec.size, spec.levels, f"{name}_pool")
        for name, spec in head.roi_specs.items()
    }
    context = pyramid = refinement = sobel = scoring = None
    if part.context.filters:
        context = ContextualFusion(
            part.context.filters,
            last_relu=part.context.last_relu,
            name="contextual_fusion",
        )
        level = (part.context.level,)
        pools["context"] = make_pool(settings, part.pool_size, level, "context_pool")
    if part.pyramid.enabled:
        pyramid = DeconvolutionalPyramid(
            part.channels
            if part.pyramid.position == "after"
            else settings.neck.channels,
            kernel_size=part.pyramid.kernel_size,
            name="deconvolutional_pyramid",
        )
    if part.refinement.kind != "none":
        refinement = BoundaryRefinement(
            classes,
            kind=part.refinement.kind,
            source=part.refinement.source,
            modules=part.refinement.modules,
            growth=part.refinement.growth,
            bottleneck=part.refinement.bottleneck,
            first_kernel=part.refinement.first_kernel,
            projection_kernel=part.refinement.projection_kernel,
            prelu=part.refinement.prelu,
            name="boundary_refinement",
        )
    quasi = [
        QuasiMultitaskBranch(
            classes,
            part.pool_size,
            int(_output_size(head, settings) * scale),
            conv_layers=part.conv_layers,
            channels=part.channels,
            predictor_initializer=part.predictor_initializer,
            name="quasi_half" if scale < 1 else "quasi_double",
        )
        for scale in part.quasi.sizes
    ]
    if part.sobel:
        sobel = SobelBoundaryHead(name="sobel_boundary")
    if part.scoring.enabled:
        scoring = MaskIoUHead(
            classes,
            MASK_IOU_POOL,
            channels=part.channels,
            fc_units=settings.box.fc_units,
            background_row=part.background_channel,
            name="mask_iou_head",
        )
        if part.pool_size != MASK_IOU_POOL:
            levels = head.roi_specs["mask"].levels
            pools["mask_iou"] = make_pool(
                settings, MASK_IOU_POOL, levels, "mask_iou_pool"
            )
    return MaskBranch(
        head,
        pools,
        part,
        context=context,
        pyramid=pyramid,
        refinement=refinement,
        quasi=quasi,
        sobel=sobel,
        scoring=scoring,
    )


def _output_size(head, settings) -> int:
    """Cells a side of a head's masks."""
    side, channels = settings.mask.pool_size, settings.neck.channels
    roi = (None, side, side, channels)
    return head.compute_output_shape(dict.fromkeys(head.roi_specs, roi))["mask"][1]


def build_mask_head(head, channels: int) -> None:
    """Creates a mask head's weights for roi features of so many channels."""
    head.build(
        {
            name: (None, spec.size, spec.size, channels)
            for name, spec in head.roi_specs.items()
        }
    )


def build_mask_branch(branch: MaskBranch, settings) -> None:
    """Creates the weights of a mask branch, each part from the shapes before it."""
    channels, part = settings.neck.channels, settings.mask
    side = part.pool_size
    roi = (None, side, side, channels)
    for pool in branch.pools.values():
        pool.build(None)
    head = branch.head
    build_mask_head(head, channels)
    out = _output_size(head, settings)
    hidden = (None, side, side, part.channels)
    if branch.context is not None:
        branch.context.build([roi, roi])
    if branch.pyramid is not None:
        before = part.pyramid.position == "before"
        branch.pyramid.build(roi if before else hidden)
    if branch.refinement is not None:
        logits = (None, out, out, settings.num_classes)
        branch.refinement.build([logits, (None, out, out, part.channels)])
    for quasi in branch.quasi:
        quasi.build(roi)
    if branch.sobel is not None:
        branch.sobel.build((None, out, out))
    if branch.scoring is not None:
        feature = (None, MASK_IOU_POOL, MASK_IOU_POOL, channels)
        branch.scoring.build([feature, (None, out, out)])
