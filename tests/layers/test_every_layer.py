"""Every public layer of the package against what every Keras layer must do."""

import dataclasses
import importlib
import inspect
import pkgutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import run_layer_checks

import tfmask.backbones
import tfmask.heads
import tfmask.layers
import tfmask.necks
from tfmask.backbones.hrnet import HighResolutionModule, HRNet
from tfmask.backbones.resnet import ResNet
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
from tfmask.layers.adaptive_fusion import AdaptiveFusion
from tfmask.layers.batch_norm import BatchNorm
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.deform_conv import DeformableConv
from tfmask.layers.frozen_batch_norm import FrozenBatchNorm
from tfmask.layers.group_norm import GroupNorm
from tfmask.layers.loss_weights import LossWeights
from tfmask.layers.normalization import Normalization
from tfmask.layers.part import Part
from tfmask.layers.patch_conv import PatchConv
from tfmask.layers.residual_block import ResidualBlock
from tfmask.layers.roi_pooling import MultilevelRoIAlign, RoIPooling
from tfmask.layers.shape_aware_roi_align import ShapeAwareRoIAlign
from tfmask.layers.squeeze_excitation import SqueezeExcitation
from tfmask.necks.fpn import FPN
from tfmask.necks.hrfpn import HRFPN
from tfmask.necks.iefpn import IEFPN, GlobalInformation
from tfmask.necks.panet import PANet

PACKAGES = (tfmask.layers, tfmask.heads, tfmask.backbones, tfmask.necks)
# What `run_layer_checks` cannot call, and where it is checked instead.
ELSEWHERE = {
    LossWeights: "test_loss_weights.py",
    Normalization: "test_normalization.py",
    RoIPooling: "test_roi_pooling.py",
}


@dataclasses.dataclass
class Case:
    options: dict
    shapes: object  # nested shapes of what `call` takes, or arrays
    num_weights: int
    bad_words: dict = dataclasses.field(default_factory=dict)
    float32_layers: tuple = ()
    lead: int = 1

    def inputs(self):
        """Arrays in the place of shapes."""
        rng = np.random.default_rng(0)

        def fill(value):
            if isinstance(value, dict):
                return {key: fill(item) for key, item in value.items()}
            if isinstance(value, list):
                return [fill(item) for item in value]
            if isinstance(value, tuple):
                return rng.normal(size=value).astype(np.float32)
            return value

        return fill(self.shapes)


STAGES = {f"c{i}": (1, 64 // 2**i, 96 // 2**i, 8 * i) for i in range(2, 6)}
PYRAMID = {f"p{i}": (2, 64 // 2**i, 96 // 2**i, 8) for i in range(2, 6)}
BOXES = np.float32([[[0, 0, 50, 60], [10, 20, 30, 40]], [[5, 5, 90, 60], [0, 0, 8, 8]]])
MASKS = np.random.default_rng(1).uniform(size=(2, 2, 28, 28)).astype(np.float32)
WORD = "nonsense"
CASES = {
    ConvNorm: Case(
        {"filters": 32, "norm": "gn", "strides": 2, "activation": "relu"},
        (2, 9, 8, 3),
        3,
        {"norm": WORD, "activation": "gelu", "strides": 3, "kernel_initializer": WORD},
    ),
    BatchNorm: Case({}, (2, 9, 8, 3), 2, {"axis": 1, "center": False, "scale": False}),
    GroupNorm: Case({"groups": 4}, (2, 9, 8, 12), 2, lead=3),
    FrozenBatchNorm: Case({"train_affine": True}, (2, 9, 8, 3), 2),
    MultilevelRoIAlign: Case(
        {"size": 7, "assign": "all", "sampling_ratio": 2},
        [PYRAMID, BOXES],
        0,
        {"assign": WORD, "levels": ("fine",)},
    ),
    ShapeAwareRoIAlign: Case(
        {"size": 7, "levels": ("p3", "p4"), "sampling_ratio": 2},
        [PYRAMID, BOXES, MASKS],
        0,
        {"assign": WORD},
    ),
    ResidualBlock: Case(
        {"filters": 8, "kind": "bottleneck", "strides": 2},
        (1, 8, 8, 16),
        4,
        {"kind": WORD, "norm": WORD, "strides": 3},
    ),
    ResNet: Case(
        {"depth": 10, "width": 8, "norm": "bn", "freeze_at": 0},
        (1, 64, 64, 3),
        36,
        {"depth": 7, "norm": WORD, "freeze_at": 6},
        lead=3,
    ),
    FPN: Case(
        {"channels": 16, "norm": "bn"},
        {f"c{i}": (1, 64 // 2**i, 96 // 2**i, 2 * i) for i in range(2, 6)},
        24,
        {"norm": WORD, "initializer": WORD, "levels": ("c3", "c2")},
        lead=3,
    ),
    PANet: Case(
        {"channels": 32, "norm": "gn"},
        STAGES,
        8 * 3 + 6 * 4,
        {"norm": WORD, "initializer": WORD, "levels": ("c3", "c2")},
        lead=3,
    ),
    IEFPN: Case(
        {"channels": 32, "convolve_p2": True, "fuse_convolved": True},
        STAGES,
        58,
        {"global_fusion": WORD, "levels": ("c3", "c2")},
        lead=3,
    ),
    HRFPN: Case({"channels": 8}, STAGES, 12, {"levels": ("c3", "c2")}, lead=3),
    GlobalInformation: Case({"channels": 8}, (2, 5, 6, 16), 6, lead=3),
    AdaptiveFusion: Case({"channels": 32}, [(2, 5, 6, 8)] * 3, 12, lead=3),
    SqueezeExcitation: Case(
        {"reduction": 4}, (2, 5, 6, 8), 4, {"initializer": WORD}, lead=3
    ),
    HighResolutionModule: Case(
        {"widths": (4, 8, 16), "blocks": 1, "norm": "bn"},
        [(1, 16 // 2**i, 24 // 2**i, 4 * 2**i) for i in range(3)],
        39,
        {"norm": WORD},
        lead=3,
    ),
    HRNet: Case(
        {"width": 4, "modules": (1, 1, 1), "blocks": 1},
        (1, 64, 64, 3),
        62,
        {"norm": WORD, "freeze_at": 6},
        lead=3,
    ),
    PatchConv: Case(
        {"filters": 4, "kernel_size": 5, "strides": 2},
        (2, 9, 8, 6),
        2,
        {"norm": WORD, "groups": 2},
        lead=3,
    ),
    DeformableConv: Case(
        {"filters": 8, "strides": 2, "modulated": True, "groups": 2, "norm": "bn"},
        (2, 9, 8, 6),
        5,
        {"norm": WORD, "activation": "gelu", "strides": 3},
        float32_layers=("offset",),
        lead=3,
    ),
    AdaptiveBoxHead: Case(
        {"num_classes": 3, "form": "4conv1fc", "channels": 32, "norm": "gn"},
        {"box": (2, 3, 2, 3, 3, 8)},
        21,
        {"form": WORD, "norm": "bn", "initializer": WORD},
        lead=2,
    ),
    AdaptiveMaskHead: Case(
        {"num_classes": 3, "pool_size": 4, "channels": 8, "conv_layers": 3},
        {"mask": (2, 3, 2, 4, 4, 5)},
        18,
        {"norm": "bn", "predictor_initializer": WORD},
        lead=2,
    ),
    RPNHead: Case(
        {"channels": 8},
        [(2, 4, 6, 16), (2, 2, 3, 16)],
        6,
        {"initializer": WORD},
    ),
    BoxHead: Case(
        {"num_classes": 5, "fc_units": 16, "background_row": True},
        {"box": (2, 3, 7, 7, 8)},
        8,
        {"initializer": WORD},
        lead=2,
    ),
    FCNMaskHead: Case(
        {"num_classes": 4, "channels": 8, "conv_layers": 2, "background_channel": True},
        {"mask": (2, 3, 14, 14, 6)},
        8,
        {"predictor_initializer": WORD},
        lead=2,
    ),
    BoundaryPreservingMaskHead: Case(
        {"num_classes": 3, "pool_size": 4, "boundary_size": 8, "channels": 8},
        {"mask": (2, 3, 4, 4, 6), "boundary": (2, 3, 8, 8, 6)},
        28,
        {"predictor_initializer": WORD, "boundary_size": 12},
        lead=2,
    ),
    EncoderDecoderMaskHead: Case(
        {"num_classes": 3, "pool_size": 4, "channels": 32, "form": "paper"},
        {"mask": (2, 2, 4, 4, 32)},
        34,
        {"form": WORD, "predictor_initializer": WORD},
        lead=2,
    ),
    BoundaryRefinement: Case(
        {"num_classes": 3, "modules": 1},
        [(2, 3, 8, 8, 3), (2, 3, 8, 8, 5)],
        12,
        {"kind": WORD, "source": WORD, "prelu": WORD},
        # Logits stay float32, and so does all that reads and corrects them.
        float32_layers=(
            *("module1_1_norm", "module1_1_prelu", "module1_1_conv"),
            *("module1_2_norm", "module1_2_prelu", "module1_2_conv"),
            "projection",
        ),
        lead=2,
    ),
    ContextualFusion: Case({"filters": (6, 4)}, [(2, 3, 5, 5, 4), (2, 5, 5, 2)], 4),
    DeconvolutionalPyramid: Case(
        {"channels": 4}, (2, 3, 6, 6, 4), 8, {"kernel_size": 3}, lead=2
    ),
    MaskInformationFlow: Case(
        {"channels": 8},
        [(2, 3, 6, 6, 8), (2, 3, 6, 6, 4)],
        2,
        {"initializer": WORD},
        lead=2,
    ),
    MaskIoUHead: Case(
        {"num_classes": 3, "pool_size": 6, "channels": 8, "fc_units": 16},
        [(2, 3, 6, 6, 4), (2, 3, 12, 12)],
        14,
        lead=2,
    ),
    QuasiMultitaskBranch: Case(
        {"num_classes": 3, "pool_size": 8, "output_size": 16, "channels": 4},
        (2, 3, 8, 8, 5),
        12,
        {"predictor_initializer": WORD, "output_size": 12},
        lead=2,
    ),
    SobelBoundaryHead: Case({}, (2, 3, 8, 8), 4, lead=2),
}


def public_classes():
    """Classes of the packages that Keras knows by the package's name."""
    for package in PACKAGES:
        for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(info.name)
            for _, cls in inspect.getmembers(module, inspect.isclass):
                known = keras.saving.get_registered_name(cls).startswith("tfmask>")
                if cls.__module__ == info.name and known:
                    yield cls


def test_every_public_class_is_checked():
    assert set(public_classes()) == {*CASES, *ELSEWHERE}
    assert all(issubclass(cls, Part) for cls in CASES)


@pytest.mark.parametrize("cls", CASES)
def test_layer_checks(cls):
    case = CASES[cls]
    run_layer_checks(
        cls,
        case.options,
        case.inputs(),
        case.num_weights,
        bad_words=case.bad_words,
        float32_layers=case.float32_layers,
        lead=case.lead,
    )


@pytest.mark.slow
@pytest.mark.skipif(
    keras.__version__.startswith("2."), reason="Keras 2 compiles by XLA only when told"
)
@pytest.mark.parametrize("cls", CASES)
def test_a_layer_that_says_nothing_of_xla_can_be_compiled_by_it(cls):
    case = CASES[cls]
    layer = cls(**case.options)
    inputs = tf.nest.map_structure(tf.constant, case.inputs())
    outputs = layer(inputs)
    compiled = tf.function(layer, jit_compile=True)
    if not getattr(layer, "supports_jit", True):
        with pytest.raises(
            (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError)
        ):
            compiled(inputs)
        return
    for one, other in zip(tf.nest.flatten(outputs), tf.nest.flatten(compiled(inputs))):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
