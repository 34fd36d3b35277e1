"""Parts from outside the package, as a user's files would define them.

`write(folder)` gives each one a file of its own: a neck, a backbone, a mask head, a
reader, a metric, and a recipe that uses all five.
"""

from pathlib import Path

NECK = '''
from dataclasses import dataclass
from typing import ClassVar

import keras
import tensorflow as tf

from tfmask.config import PartConfig, setting
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.part import Part
from tfmask.structures import FeatureSpec


@keras.saving.register_keras_serializable(package="my")
class FlatNeck(Part):
    """A 1x1 convolution for each level, nothing between the levels."""

    roi_levels = ("p2", "p3", "p4", "p5")

    def __init__(self, channels=32, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        self.convs = [
            ConvNorm(channels, 1, dtype=self.dtype_policy, name=f"flat{i}")
            for i in range(2, 6)
        ]

    @property
    def output_spec(self):
        return {f"p{i}": FeatureSpec(self.channels, 2**i) for i in range(2, 7)}

    def build(self, input_shape):
        for i, conv in enumerate(self.convs, 2):
            conv.build(tuple(input_shape[f"c{i}"]))
        self.built = True

    def call(self, inputs, training=None):
        outputs = {
            f"p{i}": conv(inputs[f"c{i}"]) for i, conv in enumerate(self.convs, 2)
        }
        return {**outputs, "p6": outputs["p5"][:, ::2, ::2]}

    def compute_output_shape(self, input_shape):
        shapes = {
            f"p{i}": (*tuple(input_shape[f"c{i}"])[:3], self.channels)
            for i in range(2, 6)
        }
        return {**shapes, "p6": (None, None, None, self.channels)}


@dataclass(kw_only=True)
class FlatNeckConfig(PartConfig):
    layer: ClassVar[type] = FlatNeck
    num_levels: ClassVar[int] = 5
    channels: int = setting(32, at_least=1)
'''

BACKBONE = '''
from dataclasses import dataclass
from typing import ClassVar

import keras
import tensorflow as tf

from tfmask.config import PartConfig
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.part import Part
from tfmask.structures import FeatureSpec


@keras.saving.register_keras_serializable(package="my")
class TinyTrunk(Part):
    """Five strided convolutions."""

    def __init__(self, width=8, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.convs = [
            ConvNorm(
                width * 2**i,
                strides=2,
                activation="relu",
                dtype=self.dtype_policy,
                name=f"conv{i + 1}",
            )
            for i in range(5)
        ]

    @property
    def output_spec(self):
        return {
            f"c{i + 1}": FeatureSpec(self.width * 2**i, 2 ** (i + 1))
            for i in range(1, 5)
        }

    def build(self, input_shape):
        shape = tuple(input_shape)
        for conv in self.convs:
            conv.build(shape)
            shape = conv.compute_output_shape(shape)
        self.built = True

    def call(self, inputs, training=None):
        outputs, x = {}, inputs
        for i, conv in enumerate(self.convs, 1):
            x = conv(x)
            outputs[f"c{i}"] = x
        return {name: outputs[name] for name in self.output_spec}

    def compute_output_shape(self, input_shape):
        return {
            name: (None, None, None, spec.channels)
            for name, spec in self.output_spec.items()
        }


@dataclass(kw_only=True)
class TinyTrunkConfig(PartConfig):
    layer: ClassVar[type] = TinyTrunk
    width: int = 8
'''

MASK_HEAD = '''
from dataclasses import dataclass
from typing import ClassVar

import keras

from tfmask.config import PartConfig
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.mask_head import MaskHead, mask_predictor


@keras.saving.register_keras_serializable(package="my")
class OneConvMaskHead(MaskHead):
    """One convolution and the predictor, at the resolution of the roi feature."""

    def __init__(self, num_classes, *, pool_size=14, channels=32, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.pool_size = pool_size
        self.channels = channels
        self.background_channel = False
        self.conv = ConvNorm(
            channels, activation="relu", dtype=self.dtype_policy, name="conv"
        )
        self.predictor = mask_predictor(
            "predictor", num_classes, "normal", self.dtype_policy
        )

    @property
    def mask_size(self):
        return self.pool_size

    def build(self, input_shape):
        self.conv.build(tuple(input_shape["mask"]))
        self.predictor.build((None, None, None, self.channels))
        self.built = True

    def trunk(self, inputs):
        return {"mask": self.conv(inputs["mask"])}


@dataclass(kw_only=True)
class OneConvMaskHeadConfig(PartConfig):
    layer: ClassVar[type] = OneConvMaskHead
    pool_size: int = 14
    channels: int = 32

    @property
    def mask_size(self) -> int:
        return self.pool_size
'''

READER = '''
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from tfmask.config import PartConfig
from tfmask.data.readers import find_reader


def read(path, images, options, log):
    """COCO records from a folder whose annotation file has another name."""
    coco = find_reader("coco", path)
    name = options.format.file_name
    return coco(os.path.join(path, name), os.path.join(path, "images"), options, log)


@dataclass(kw_only=True)
class RenamedConfig(PartConfig):
    reader: ClassVar[Callable] = staticmethod(read)
    file_name: str = "labels.json"
'''

METRIC = '''
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from tfmask.config import PartConfig


def count(dataset, results, options):
    """Results per image, and images without any."""
    images = {result["image_id"] for result in results}
    return {
        "per_image": len(results) / max(len(dataset.images), 1) * options.metric.scale,
        "empty": float(len(dataset.images) - len(images)),
    }


@dataclass(kw_only=True)
class CountConfig(PartConfig):
    metric: ClassVar[Callable] = staticmethod(count)
    scale: float = 1.0
'''

RECIPE = """
from my_backbone import TinyTrunkConfig
from my_mask_head import OneConvMaskHeadConfig
from my_metric import CountConfig
from my_neck import FlatNeckConfig
from my_reader import RenamedConfig

from tfmask.config import Config


def config() -> Config:
    config = Config()
    model, data, train = config.model, config.data, config.train
    model.backbone = TinyTrunkConfig(width=4)
    model.neck = FlatNeckConfig(channels=16)
    model.mask.head = OneConvMaskHeadConfig(channels=16)
    model.boxes.head.fc_units = 32
    model.rpn.channels = 16
    model.rpn.post_nms_train = model.rpn.post_nms_test = 50
    model.roi.batch = 16
    model.postprocess.score_threshold = 0.0
    model.postprocess.max_detections = 5
    data.format = RenamedConfig()
    data.short_side, data.max_side = (64,), 64
    data.eval_short_side = data.eval_max_side = 64
    config.evaluation.metric = CountConfig(scale=2.0)
    config.evaluation.best = "per_image"
    train.steps, train.batch_size, train.warmup_steps = 2, 2, 0
    train.checkpoint_every, train.tensorboard = 1, False
    return config
"""

FILES = {
    "my_neck": NECK,
    "my_backbone": BACKBONE,
    "my_mask_head": MASK_HEAD,
    "my_reader": READER,
    "my_metric": METRIC,
    "my_recipe": RECIPE,
}


def write(folder: Path) -> Path:
    """Writes the files and returns the path of the recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        (folder / f"{name}.py").write_text(text.lstrip())
    return folder / "my_recipe.py"
