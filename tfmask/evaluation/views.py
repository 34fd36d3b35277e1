"""Test-time augmentation: an image is seen in several sizes, and mirrored.

The boxes of all views are merged by the model's own suppression. The merged boxes go
back into each view, whose masks of them are averaged in the frame of the box: what
Detectron2 (`GeneralizedRCNNWithTTA`) does.
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfmask.data import transforms
from tfmask.data.dataset import Dataset
from tfmask.errors import EvaluationError
from tfmask.evaluation.prediction import (
    Prediction,
    check_finite,
    check_image,
)
from tfmask.evaluation.predictor import Predictor
from tfmask.evaluation.whole_images import stream_images
from tfmask.structures import ClassMap, Detections

_AVERAGED = ("masks", "mask_scores", "boundaries")


class _View(NamedTuple):
    """An image in one size, and mirrored beside it; V = 1 or 2 of them."""

    boxes: np.ndarray  # [V, D, 4] float32, pixels of the image as it is
    scores: np.ndarray  # [V, D] float32
    labels: np.ndarray  # [V, D] int32
    valid: np.ndarray  # [V, D] bool
    features: Any  # what masks are read from
    size: tuple[int, int]  # (height, width) in this size


class ViewsPredictor(Predictor):
    """Runs a model on several views of each image.

    The features of all views of an image are in memory together.

    Args:
      model: a `models.rcnn.GeneralizedRCNN`.
      data_config: as for `Predictor`.
      class_map: which label is which category.
      scales: sizes of the views, as multiples of the evaluation size.
      flip: see each size mirrored too.
      boundaries: also give the boundaries that the model predicts.

    Raises:
      EvaluationError: the model cannot read masks on given boxes.
    """

    def __init__(
        self,
        model,
        data_config,
        class_map: ClassMap,
        *,
        scales: tuple[float, ...] = (1.0,),
        flip: bool = False,
        boundaries: bool = False,
    ):
        super().__init__(model, data_config, class_map, boundaries=boundaries)
        if not hasattr(model, "masks_on"):
            raise EvaluationError(
                f"evaluation.scales, evaluation.flip: {type(model).__name__} cannot "
                "read masks on given boxes: expected a model of tfmask.MaskRCNN's kind"
            )
        self.scales = scales
        self.flip = flip
        shape = [None, None, None, data_config.channels]
        images = tf.TensorSpec(shape, tf.uint8, name="images")
        sizes = tf.TensorSpec([None, 2], tf.int32, name="image_sizes")
        boxes = tf.TensorSpec([1, None, 4], tf.float32)
        scores = tf.TensorSpec([1, None], tf.float32)
        labels = tf.TensorSpec([1, None], tf.int32)

        @tf.function(input_signature=[images, sizes])
        def look(images, image_sizes):
            inputs = {"images": images, "image_sizes": image_sizes}
            return model(inputs, training=False, boxes_only=True)

        @tf.function(input_signature=[boxes, scores, labels, sizes])
        def merge(boxes, scores, labels, image_sizes):
            one_hot = tf.one_hot(labels - 1, class_map.num_classes)
            detections, _ = model.boxes.select.select(
                one_hot * scores[..., None],
                boxes[:, :, None],
                tf.ones_like(labels, tf.bool),
                image_sizes,
            )
            return detections

        @tf.function
        def read(features, detections, image_sizes):
            asked = {"boundaries": True} if boundaries else {}
            return model.masks_on(features, detections, image_sizes, **asked)

        self._look, self._merge, self._read = look, merge, read

    def predict(
        self, images: list[np.ndarray], *, batch_size: int = 1
    ) -> list[Prediction]:
        """As `Predictor.predict`. A batch is an image and its mirror image."""
        found = []
        for index, image in enumerate(images):
            check_image(image, f"images[{index}]", self.data_config.channels)
            found.append(self._predict(image, f"images[{index}]"))
        return found

    def stream_dataset(self, dataset: Dataset, batch_size: int = 1, log=print):
        """As `Predictor.stream_dataset`. A batch is an image and its mirror image."""
        return stream_images(self._predict, dataset, self.data_config, log)

    def _predict(self, image: np.ndarray, name: str) -> Prediction:
        original = image.shape[:2]
        views = [self._view(image, scale) for scale in self.scales]
        for view in views:
            check_finite(name, view.boxes[view.valid], view.scores[view.valid])
        merged = self._merge(
            np.concatenate([v.boxes[v.valid] for v in views])[None],
            np.concatenate([v.scores[v.valid] for v in views])[None],
            np.concatenate([v.labels[v.valid] for v in views])[None],
            np.array([original], np.int32),
        )
        merged = Detections(*(value.numpy() for value in merged))
        read = [self._masks(view, merged, original) for view in views]
        averages = {
            key: np.concatenate([r[key] for r in read]).mean(axis=0) for key in read[0]
        }
        boxes = {key: value[0] for key, value in merged._asdict().items()}
        return self._to_original({**boxes, **averages}, original, original, name)

    def _view(self, image: np.ndarray, scale: float) -> _View:
        resized = self._resize(image, scale)
        height, width = resized.shape[:2]
        count = 1 + self.flip
        shape = count, *self._padded(resized.shape), resized.shape[-1]
        batch = np.zeros(shape, np.uint8)
        batch[0, :height, :width] = resized
        if self.flip:
            batch[1, :height, :width] = resized[:, ::-1]
        outputs = self._look(batch, np.array([[height, width]] * count, np.int32))
        found = {k: v.numpy() for k, v in outputs.items() if k in Detections._fields}
        boxes = found.pop("boxes")
        if self.flip:
            boxes[1] = transforms.flip_boxes(boxes[1], width)
        boxes = boxes / _scales(image.shape[:2], (height, width))
        return _View(
            boxes=boxes.astype(np.float32),
            features=outputs["features"],
            size=(height, width),
            **found,
        )

    def _masks(self, view: _View, merged: Detections, original) -> dict:
        """What a view says of the merged boxes: arrays [V, D, ...], upright."""
        height, width = view.size
        boxes = (merged.boxes * _scales(original, view.size)).astype(np.float32)
        if self.flip:
            mirrored = transforms.flip_boxes(boxes[0], width)[None]
            boxes = np.concatenate([boxes, mirrored])
        count = len(boxes)
        repeated = (np.repeat(value, count, axis=0) for value in merged[1:])
        outputs = self._read(
            view.features,
            Detections(tf.constant(boxes), *map(tf.constant, repeated)),
            tf.constant([[height, width]] * count, tf.int32),
        )
        found = {k: v.numpy() for k, v in outputs.items() if k in _AVERAGED}
        for key in ("masks", "boundaries"):
            if self.flip and key in found:
                found[key][1] = found[key][1, :, :, ::-1]
        return found


def _scales(original, size) -> np.ndarray:
    """[4]: by what x1, y1, x2, y2 grow from the image to a view."""
    return np.array([size[1] / original[1], size[0] / original[0]] * 2)
