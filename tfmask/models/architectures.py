"""The architectures by name: each is a choice of parts of GeneralizedRCNN.

    model = MRRCNN.from_recipe("mr_rcnn/r50", num_classes=80)
    model = MaskPlus.create(num_classes=3, settings=my_settings)

The settings of the parts stay what they are; a class switches its own parts on.
"""

import copy

import keras

from tfmask.config import (
    BoundaryPreservingHeadConfig,
    EncoderDecoderHeadConfig,
    IEFPNConfig,
    ModelConfig,
    PANetConfig,
    cascade_stages,
    load_config,
)
from tfmask.models.build import build_model
from tfmask.models.rcnn import GeneralizedRCNN

_register = keras.saving.register_keras_serializable(package="tfmask")


@_register
class MaskRCNN(GeneralizedRCNN):
    """Mask R-CNN (He et al. 2017) on a feature pyramid."""

    @classmethod
    def create(
        cls,
        num_classes: int,
        settings: ModelConfig | None = None,
        precision: str = "float32",
    ) -> "MaskRCNN":
        """Builds the model and its weights.

        Args:
          num_classes: K, background not counted.
          settings: of the parts; by default Detectron2's with ResNet-50. Not changed.
          precision: see models.build.build_model.
        """
        settings = copy.deepcopy(settings or ModelConfig())
        settings.num_classes = num_classes
        cls.switch_on(settings)
        return build_model(settings, precision, cls)

    @classmethod
    def from_recipe(
        cls, recipe: str, num_classes: int, precision: str = "float32"
    ) -> "MaskRCNN":
        """`create` with the settings of a recipe; its file or name, see load_config.

        Raises:
          ConfigError: there is no such recipe.
        """
        return cls.create(num_classes, load_config(recipe).model, precision)

    @staticmethod
    def switch_on(settings: ModelConfig) -> None:
        """Sets what makes this architecture, where the settings do not have it yet."""


@_register
class CascadeMaskRCNN(MaskRCNN):
    """Mask R-CNN whose boxes are refined in three stages (Cascade R-CNN, 2018)."""

    @staticmethod
    def switch_on(settings):
        if len(settings.boxes.stages) == 1:
            settings.boxes.stages = cascade_stages()
            settings.boxes.head.class_agnostic = True


@_register
class PANetRCNN(MaskRCNN):
    """Path Aggregation Network (CVPR 2018): the bottom-up path on the pyramid.

    Adaptive feature pooling and fully-connected fusion are heads of their own:
    AdaptiveBoxHeadConfig, AdaptiveMaskHeadConfig.
    """

    @staticmethod
    def switch_on(settings):
        if not isinstance(settings.neck, PANetConfig):
            settings.neck = PANetConfig(channels=settings.neck.channels)


@_register
class MRRCNN(MaskRCNN):
    """MR R-CNN: Mask R-CNN with the refining module; see docs/mr_rcnn.md."""

    @staticmethod
    def switch_on(settings):
        settings.refine.enabled = True


@_register
class MaskPlus(MaskRCNN):
    """MaskPlus (WACV 2020): four techniques of the mask branch at their best settings.

    The fifth, biased training, is a schedule of the mask loss: train.loss_weights.
    """

    @staticmethod
    def switch_on(settings):
        mask, channels = settings.mask, settings.neck.channels
        mask.context.filters = mask.context.filters or (720, 512, 512, channels)
        mask.pyramid.enabled = True
        if mask.refinement.kind == "none":
            mask.refinement.kind = "improved"
        mask.quasi.sizes = mask.quasi.sizes or (0.5,)


@_register
class BMaskRCNN(MaskRCNN):
    """BMask R-CNN (ECCV 2020): the boundary-preserving mask head."""

    @staticmethod
    def switch_on(settings):
        if not isinstance(settings.mask.head, BoundaryPreservingHeadConfig):
            settings.mask.head = BoundaryPreservingHeadConfig()


@_register
class IEMaskRCNN(MaskRCNN):
    """IEMask R-CNN: information-enhanced FPN and the encoding-decoding mask head."""

    @staticmethod
    def switch_on(settings):
        if not isinstance(settings.neck, IEFPNConfig):
            settings.neck = IEFPNConfig(channels=settings.neck.channels)
        if not isinstance(settings.mask.head, EncoderDecoderHeadConfig):
            settings.mask.head = EncoderDecoderHeadConfig()


@_register
class MaskScoringRCNN(MaskRCNN):
    """Mask Scoring R-CNN (CVPR 2019): masks are ranked by their predicted IoU too."""

    @staticmethod
    def switch_on(settings):
        settings.mask.scoring.enabled = True
