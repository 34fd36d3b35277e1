"""Inference: images in, detections in the images' own pixels out."""

import math
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tfmask.data import pipeline, transforms
from tfmask.data.dataset import Dataset
from tfmask.evaluation.paste import paste_masks
from tfmask.evaluation.prediction import (
    DatasetPredictor,
    Prediction,
    check_finite,
    check_image,
)
from tfmask.structures import ClassMap


class Predictor(DatasetPredictor):
    """Runs a model on images of any size.

    Images are resized by the evaluation rule and padded; those of equal padded size
    share a batch, so that an image gives the same whether alone or in company.

    Args:
      model: called as `model({"images", "image_sizes"}, training=False)`, gives `boxes`
        [B, D, 4], `scores`, `labels`, `valid` [B, D] and `masks` [B, D, S, S], boxes in
        pixels of the resized image; perhaps `mask_scores` [B, D] and `boundaries`
        [B, D, T, T].
      data_config: `tfmask.config.DataConfig`: eval_short_side, eval_max_side,
        pad_multiple, channels, exif.
      class_map: which label is which category.
      boundaries: also give the boundaries that the model predicts, if it predicts
        any; without them it is not run that far.
    """

    def __init__(
        self, model, data_config, class_map: ClassMap, *, boundaries: bool = False
    ):
        self.model = model
        self.data_config = data_config
        self.class_map = class_map
        channels = data_config.channels

        # Made once, with open sizes: one trace serves every batch.
        @tf.function(
            input_signature=[
                tf.TensorSpec([None, None, None, channels], tf.uint8, name="images"),
                tf.TensorSpec([None, 2], tf.int32, name="image_sizes"),
            ]
        )
        def infer(images, image_sizes):
            inputs = {"images": images, "image_sizes": image_sizes}
            asked = {"boundaries": True} if boundaries else {}
            outputs = model(inputs, training=False, **asked)
            return {k: outputs[k] for k in _OUTPUTS if k in outputs}

        self._infer = infer

    def predict(
        self, images: list[np.ndarray], *, batch_size: int = 1
    ) -> list[Prediction]:
        """Detections of images held in memory, in the order of the images.

        Args:
          images: arrays [H, W, C] uint8, RGB or with `data.channels`, of any sizes.
          batch_size: at most so many images at once.

        Raises:
          ValueError: an array of another shape or dtype, or without a pixel.
        """
        groups: dict = {}
        resized = []
        channels = self.data_config.channels
        for index, image in enumerate(images):
            check_image(image, f"images[{index}]", channels)
            resized.append(self._resize(image))
            groups.setdefault(self._padded(resized[-1].shape), []).append(index)
        predictions: dict[int, Prediction] = {}
        for shape, members in groups.items():
            for start in range(0, len(members), batch_size):
                chosen = members[start : start + batch_size]
                sizes = np.array([resized[i].shape[:2] for i in chosen], np.int32)
                batch = np.zeros((len(chosen), *shape, channels), np.uint8)
                for row, i in enumerate(chosen):
                    batch[row, : sizes[row, 0], : sizes[row, 1]] = resized[i]
                original = np.array([images[i].shape[:2] for i in chosen], np.int32)
                names = [f"images[{i}]" for i in chosen]
                for i, prediction in zip(
                    chosen, self._run(batch, sizes, original, names)
                ):
                    predictions[i] = prediction
        return [predictions[i] for i in range(len(images))]

    def stream_dataset(
        self, dataset: Dataset, batch_size: int = 1, log=print
    ) -> Iterator[list[tuple[int, Prediction]]]:
        for batch in self._batches(dataset, batch_size, log):
            indices = batch["image_index"].tolist()
            records = [dataset.images[i] for i in indices]
            predictions = self._run(
                batch["images"],
                batch["image_sizes"],
                np.array([(r.height, r.width) for r in records], np.int32),
                [f"image {r.image_id!r}" for r in records],
            )
            yield list(zip(indices, predictions))

    def _batches(self, dataset: Dataset, batch_size: int, log):
        stream = pipeline.evaluation_dataset(
            dataset, self.data_config, batch_size, log=log
        )
        try:
            yield from stream.as_numpy_iterator()
        except tf.errors.OpError as error:
            plain = pipeline.data_error(error)
            if plain is None:
                raise
            raise plain from None

    def _resize(self, image: np.ndarray, scale: float = 1) -> np.ndarray:
        """The image at `scale` times the size of evaluation."""
        config = self.data_config
        height, width = image.shape[:2]
        height, width = transforms.resized_shape(
            height, width, scale * config.eval_short_side, scale * config.eval_max_side
        )
        return transforms.resize_image(image, height, width)

    def _padded(self, shape) -> tuple[int, int]:
        multiple = self.data_config.pad_multiple
        return tuple(math.ceil(side / multiple) * multiple for side in shape[:2])

    def _run(self, images, sizes, originals, names) -> list[Prediction]:
        """One batch through the model; `names` say which image an error is about."""
        outputs = {k: v.numpy() for k, v in self._infer(images, sizes).items()}
        return [
            self._to_original(
                {k: v[row] for k, v in outputs.items()},
                np.asarray(sizes)[row],
                originals[row],
                names[row],
            )
            for row in range(len(names))
        ]

    def _to_original(self, outputs: dict, size, original, name: str) -> Prediction:
        """Boxes back to original pixels, clipped; masks pasted there."""
        height, width = int(original[0]), int(original[1])
        keep = np.flatnonzero(outputs["valid"])
        boxes, scores = outputs["boxes"][keep], outputs["scores"][keep]
        mask_scores = outputs.get("mask_scores")
        ranks = scores if mask_scores is None else mask_scores[keep]
        check_finite(name, boxes, scores, ranks)
        scale_y, scale_x = size[0] / height, size[1] / width
        boxes = boxes / np.array([scale_x, scale_y, scale_x, scale_y])
        # Masks are pasted by the whole box: clipped, it would squeeze the mask.
        clipped = np.clip(boxes, 0, [width, height, width, height]).astype(np.float32)
        sized = (clipped[:, 2] > clipped[:, 0]) & (clipped[:, 3] > clipped[:, 1])
        keep, boxes, clipped, scores = (
            keep[sized],
            boxes[sized],
            clipped[sized],
            scores[sized],
        )
        edges = outputs.get("boundaries")
        if edges is not None:
            edges = paste_masks(edges[keep], boxes, (height, width))
        return Prediction(
            boxes=clipped,
            scores=scores.astype(np.float32),
            labels=outputs["labels"][keep].astype(np.int32),
            masks=paste_masks(outputs["masks"][keep], boxes, (height, width)),
            size=(height, width),
            mask_scores=None if mask_scores is None else mask_scores[keep],
            boundaries=edges,
        )


# What is taken of a model's outputs, where it is there.
_OUTPUTS = "boxes scores labels valid masks mask_scores boundaries".split()
