"""The architectures by name: each is a choice of parts of GeneralizedRCNN.

    model = MRRCNN.from_recipe("mr_rcnn/r50", num_classes=80)
    model = MaskPlus.create(num_classes=3, settings=my_settings)

The settings of the parts stay what they are; a class switches its own parts on.
"""

import copy

from tfmask.config import ModelConfig, load_config, require_complete
from tfmask.models.build import build_model
from tfmask.models.rcnn import GeneralizedRCNN


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
          ConfigError: there is no such recipe, or it waits for a part.
        """
        config = require_complete(load_config(recipe), recipe)
        return cls.create(num_classes, config.model, precision)

    @staticmethod
    def switch_on(settings: ModelConfig) -> None:
        """Sets what makes this architecture, where the settings do not have it yet."""


class MRRCNN(MaskRCNN):
    """MR R-CNN: Mask R-CNN with the refining module; see docs/mr_rcnn.md."""

    @staticmethod
    def switch_on(settings):
        settings.refine.enabled = True


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


class BMaskRCNN(MaskRCNN):
    """BMask R-CNN (ECCV 2020): the boundary-preserving mask head."""

    @staticmethod
    def switch_on(settings):
        settings.mask.head = "boundary_preserving"


class IEMaskRCNN(MaskRCNN):
    """IEMask R-CNN: the encoder-decoder mask head on 28x28 roi features."""

    @staticmethod
    def switch_on(settings):
        if settings.mask.head != "encoder_decoder":
            settings.mask.head, settings.mask.pool_size = "encoder_decoder", 28


class MaskScoringRCNN(MaskRCNN):
    """Mask Scoring R-CNN (CVPR 2019): masks are ranked by their predicted IoU too."""

    @staticmethod
    def switch_on(settings):
        settings.mask.scoring.enabled = True
