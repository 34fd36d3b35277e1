"""From a configuration to a model with all its weights: the one place that reads both.

A variant of the configuration stands for a layer class; its fields are the keywords of
the constructor.
"""

import dataclasses

from tfmask import config as settings_of
from tfmask.backbones.hrnet import HRNet
from tfmask.backbones.resnet import ResNet
from tfmask.config import ModelConfig
from tfmask.errors import ConfigError
from tfmask.heads.adaptive_box_head import AdaptiveBoxHead
from tfmask.heads.adaptive_mask_head import AdaptiveMaskHead
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
from tfmask.layers import initial_weights
from tfmask.layers.normalization import Normalization
from tfmask.layers.roi_pooling import RoIPooling
from tfmask.models.box_stages import BoxBranch, BoxStage
from tfmask.models.mask_branch import BoundarySupervision, MaskBranch
from tfmask.models.postprocess import DetectionSelection
from tfmask.models.proposals import (
    RPN_WEIGHTS,
    ProposalSelection,
    RegionProposals,
)
from tfmask.models.rcnn import GeneralizedRCNN
from tfmask.models.refine import RefiningModule
from tfmask.models.rules import (
    AnchorGenerator,
    AnchorMatcher,
    BoxCoder,
    RoIMatcher,
    RoISampler,
)
from tfmask.necks.fpn import FPN
from tfmask.necks.hrfpn import HRFPN
from tfmask.necks.iefpn import IEFPN
from tfmask.necks.panet import PANet

# Variant of the configuration -> layer. A user's own says its layer itself.
LAYERS = {
    settings_of.ResNetConfig: ResNet,
    settings_of.HRNetConfig: HRNet,
    settings_of.FPNConfig: FPN,
    settings_of.IEFPNConfig: IEFPN,
    settings_of.PANetConfig: PANet,
    settings_of.HRFPNConfig: HRFPN,
    settings_of.FastRCNNHeadConfig: BoxHead,
    settings_of.AdaptiveBoxHeadConfig: AdaptiveBoxHead,
    settings_of.FCNMaskHeadConfig: FCNMaskHead,
    settings_of.AdaptiveMaskHeadConfig: AdaptiveMaskHead,
    settings_of.BoundaryPreservingHeadConfig: BoundaryPreservingMaskHead,
    settings_of.EncoderDecoderHeadConfig: EncoderDecoderMaskHead,
}
_POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


def build_model(
    settings: ModelConfig,
    precision: str = "float32",
    model_class: type[GeneralizedRCNN] = GeneralizedRCNN,
    seed: int | None = None,
) -> GeneralizedRCNN:
    """Builds the model of a configuration and creates its weights.

    Args:
      settings: `num_classes` must be set.
      precision: `float32`, `bfloat16` or `float16`: what convolutions and dense layers
        compute in. Boxes, suppression and losses are float32 always.
      model_class: see models.architectures.
      seed: of the draws of training, and of the initial weights: each follows from the
        seed and its path, so that models with a part in common start with the same
        weights of it. None: Keras draws the weights.

    Raises:
      ConfigError: num_classes is not positive, or a part refuses its settings.
    """
    if settings.num_classes < 1:
        raise ConfigError(
            f"model.num_classes={settings.num_classes}: expected the number of "
            "categories; it is taken from the annotations unless set"
        )
    try:
        model = _Builder(settings, _POLICIES[precision]).model(model_class)
        model.build()
        if seed is not None:
            model.seed = seed
            initial_weights.draw(model, seed)
            if model.refinement is not None:
                model.refinement.start_from_base(model.branches())
    except ValueError as error:  # of a layer's constructor or build
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"model: {error}") from error
    return model


class _Builder:
    """Makes the parts of one model; `policy` is their dtype policy."""

    def __init__(self, settings: ModelConfig, policy: str):
        self.settings = settings
        self.policy = policy

    def model(self, model_class) -> GeneralizedRCNN:
        s = self.settings
        backbone = self.part(s.backbone, "backbone")
        neck = self.part(s.neck, "neck")
        self.channels = neck.output_spec[neck.roi_levels[0]].channels
        self.pooling = rule(
            RoIPooling,
            s.pool,
            levels=tuple(neck.roi_levels),
            inclusive=s.inclusive_boxes,
        )
        masks = self.masks()
        return model_class(
            normalization=Normalization(
                s.pixel_mean,
                s.pixel_std,
                channel_order=s.channel_order,
                name="normalization",
            ),
            backbone=backbone,
            neck=neck,
            proposals=self.proposals(),
            boxes=self.boxes(),
            masks=masks,
            refinement=self.refinement(masks),
            name="mask_rcnn",
        )

    def part(self, config, name: str, **given):
        """The layer that a variant of the configuration stands for.

        Args:
          config: a dataclass.
          name: of the layer.
          given: keywords that come from elsewhere in the configuration.
        """
        layer = LAYERS.get(type(config)) or getattr(type(config), "layer", None)
        if layer is None:
            raise ConfigError(
                f"{type(config).__name__}: no layer for it; expected a variant of "
                "tfmask.config, or a subclass of PartConfig that names its layer"
            )
        return self.layer(layer, name, **config.arguments(), **given)

    def layer(self, layer, name: str, **arguments):
        return layer(**arguments, name=name, dtype=self.policy)

    def proposals(self) -> RegionProposals:
        s, rpn = self.settings, self.settings.rpn
        apart = {}
        if rpn.separate_backbone:
            apart["backbone"] = self.part(s.backbone, "rpn_backbone")
            apart["neck"] = self.part(s.neck, "rpn_neck")
        return RegionProposals(
            self.layer(
                RPNHead,
                "rpn_head",
                num_anchors=len(s.anchors.ratios),
                channels=rpn.channels,
            ),
            anchors=rule(AnchorGenerator, s.anchors),
            matcher=rule(AnchorMatcher, rpn, crowd_ioa=s.roi.crowd_ioa),
            selection=rule(ProposalSelection, rpn, inclusive=s.inclusive_boxes),
            coder=BoxCoder(
                regression_weights=RPN_WEIGHTS, max_log_scale=s.boxes.max_log_scale
            ),
            batch=rpn.batch,
            fg_fraction=rpn.fg_fraction,
            smooth_l1_beta=rpn.smooth_l1_beta,
            normalizer=rpn.normalizer,
            name="proposals",
            **apart,
        )

    def boxes(self) -> BoxBranch:
        s, config = self.settings, self.settings.boxes
        stages = [
            BoxStage(
                self.box_head("box_head" + (f"_{number}" if number > 1 else "")),
                coder=rule(BoxCoder, stage, max_log_scale=config.max_log_scale),
                matcher=rule(RoIMatcher, s.roi, fg_iou=stage.fg_iou),
                name=f"box_stage_{number}",
            )
            for number, stage in enumerate(config.stages, 1)
        ]
        return BoxBranch(
            stages,
            pooling=self.pooling,
            sampler=rule(RoISampler, s.roi),
            select=rule(DetectionSelection, s.postprocess, inclusive=s.inclusive_boxes),
            smooth_l1_beta=config.smooth_l1_beta,
            gradient_scale=config.gradient_scale,
            name="boxes",
        )

    def box_head(self, name: str):
        classes = self.settings.num_classes
        return self.part(self.settings.boxes.head, name, num_classes=classes)

    def mask_head(self, name: str):
        classes = self.settings.num_classes
        return self.part(self.settings.mask.head, name, num_classes=classes)

    def masks(self) -> MaskBranch:
        """The mask branch with all that composes around its head."""
        config, classes = self.settings.mask, self.settings.num_classes
        head = self.mask_head("mask_head")
        context = pyramid = refinement = sobel = scoring = None
        if config.context.filters:
            context = self.layer(
                ContextualFusion,
                "contextual_fusion",
                filters=config.context.filters,
                last_relu=config.context.last_relu,
            )
        if config.pyramid.enabled:
            after = config.pyramid.position == "after"
            pyramid = self.layer(
                DeconvolutionalPyramid,
                "deconvolutional_pyramid",
                channels=head.channels if after else self.channels,
                kernel_size=config.pyramid.kernel_size,
            )
        if config.refinement.kind != "none":
            refinement = self.layer(
                BoundaryRefinement,
                "boundary_refinement",
                num_classes=classes,
                **dataclasses.asdict(config.refinement),
            )
        if config.sobel:
            sobel = self.layer(SobelBoundaryHead, "sobel_boundary")
        if config.scoring.enabled:
            scoring = self.layer(
                MaskIoUHead,
                "mask_iou_head",
                num_classes=classes,
                channels=head.channels,
                fc_units=getattr(self.settings.boxes.head, "fc_units", 1024),
                background_row=getattr(config.head, "background_channel", False),
            )
        return MaskBranch(
            head,
            pooling=self.pooling,
            context=context,
            context_level=config.context.level,
            pyramid=pyramid,
            pyramid_position=config.pyramid.position,
            refinement=refinement,
            quasi=[self.quasi(head, scale) for scale in config.quasi.sizes],
            quasi_after_context=config.quasi.after_context,
            sobel=sobel,
            scoring=scoring,
            detach_scored_mask=config.scoring.detach_mask,
            boundary=rule(BoundarySupervision, config.boundary),
            soft_targets=config.soft_targets,
            train_on_predicted_boxes=config.train_on_predicted_boxes,
            name="masks",
        )

    def quasi(self, head, scale: float) -> QuasiMultitaskBranch:
        size = head.roi_specs["mask"].size
        roi = (None, size, size, self.channels)
        masks = head.compute_output_shape(dict.fromkeys(head.roi_specs, roi))["mask"]
        return self.layer(
            QuasiMultitaskBranch,
            "quasi_half" if scale < 1 else "quasi_double",
            num_classes=self.settings.num_classes,
            pool_size=size,
            output_size=int(masks[1] * scale),
            conv_layers=getattr(head, "conv_layers", 4),
            channels=head.channels,
            predictor_initializer=head.predictor_initializer,
        )

    def refinement(self, base: MaskBranch) -> RefiningModule | None:
        """MR R-CNN's refining module, or None."""
        config = self.settings.refine
        if not config.enabled:
            return None
        box_head = masks = None
        if config.classes or config.boxes:
            box_head = self.box_head("refine_box_head")
        if config.masks:
            masks = MaskBranch(
                self.mask_head("refine_mask_head"),
                pooling=self.pooling,
                flow=self.layer(
                    MaskInformationFlow,
                    "refine_mask_flow",
                    channels=self.channels,
                    initializer=config.flow_initializer,
                ),
                boundary=base.boundary,
                soft_targets=base.soft_targets,
                name="refine_masks",
            )
        return RefiningModule(
            box_head,
            masks,
            coder=rule(
                BoxCoder, config, max_log_scale=self.settings.boxes.max_log_scale
            ),
            roi_pooling=self.pooling,
            pooling=config.pooling,
            classes=config.classes,
            boxes=config.boxes,
            alpha=config.alpha,
            candidates=config.candidates,
            labels=config.labels,
            rematch=config.rematch,
            detach_mask=config.detach_mask,
            name="refinement",
        )


def rule(kind, config, **given):
    """A rule whose fields are those of the same name in a configuration.

    Args:
      kind: a subclass of layers.part.Rule.
      config: a dataclass that has some of its fields.
      given: the fields that come from elsewhere.
    """
    names = {field.name for field in dataclasses.fields(kind)}
    values = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if field.name in names
    }
    return kind(**{**values, **given})
