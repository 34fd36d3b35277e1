"""What a predictor gives, and what it refuses. Takes no TensorFlow."""

import abc
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tfmask.data.dataset import Dataset
from tfmask.errors import EvaluationError
from tfmask.structures import ClassMap


class Prediction(NamedTuple):
    """Detections of one image, by falling score. n detections."""

    boxes: np.ndarray  # [n, 4] float32, x1 y1 x2 y2 in pixels of the original image
    scores: np.ndarray  # [n] float32, 0..1
    labels: np.ndarray  # [n] int32, 1..K
    masks: list  # n run-length codes {"size": [height, width], "counts": str}
    size: tuple[int, int]  # (height, width) of the original image
    # [n] float32, 0..1: ranks the masks; None where the scores do that too.
    mask_scores: np.ndarray | None = None
    boundaries: list | None = None  # n run-length codes; None where not asked for

    def above(self, threshold: float) -> "Prediction":
        """The detections with at least this score."""
        keep = np.flatnonzero(self.scores >= threshold)
        ranks, edges = self.mask_scores, self.boundaries
        return self._replace(
            boxes=self.boxes[keep],
            scores=self.scores[keep],
            labels=self.labels[keep],
            masks=[self.masks[i] for i in keep],
            mask_scores=None if ranks is None else ranks[keep],
            boundaries=None if edges is None else [edges[i] for i in keep],
        )

    def to_results(self, image_id: int | str, class_map: ClassMap) -> list[dict]:
        """COCO results with the ids of the annotation file, ready for JSON."""
        results = []
        for box, score, label, mask in zip(
            self.boxes.tolist(), self.scores.tolist(), self.labels, self.masks
        ):
            x1, y1, x2, y2 = box
            results.append(
                {
                    "image_id": image_id,
                    "category_id": class_map.ids[int(label) - 1],
                    "bbox": [round(v, 3) for v in (x1, y1, x2 - x1, y2 - y1)],
                    "score": score,
                    "segmentation": mask,
                }
            )
        if self.mask_scores is not None:
            for result, rank in zip(results, self.mask_scores.tolist()):
                result["mask_score"] = rank
        return results


class DatasetRun(NamedTuple):
    """What `Predictor.run_dataset` gives."""

    results: list[dict]  # COCO results
    dataset: Dataset  # what they are judged by: without images that are unreadable


class DatasetPredictor(abc.ABC):
    """Base of what runs a model over a data set."""

    class_map: ClassMap

    @abc.abstractmethod
    def stream_dataset(
        self, dataset: Dataset, batch_size: int = 1, log=print
    ) -> Iterator[list[tuple[int, Prediction]]]:
        """The predictions of each batch, with the index of their image.

        Arguments and errors as of `run_dataset`; images that cannot be read are in no
        batch.
        """

    def run_dataset(
        self, dataset: Dataset, batch_size: int = 1, progress=None, log=print
    ) -> DatasetRun:
        """COCO results of all images of a data set; ids as in its annotations.

        An image that cannot be read has no results, and is not in the data set that
        comes back: its objects are not missed ones.

        Args:
          dataset: the images.
          batch_size: at most so many images at once.
          progress: called as `progress(images done, images in all)` after each batch.
          log: called with a line for each image that cannot be read, and for all.

        Raises:
          DataError: too many images cannot be read.
          EvaluationError: the model gives numbers that are not finite.
        """
        results, unread = [], set(range(len(dataset)))
        for batch in self.stream_dataset(dataset, batch_size, log):
            for index, prediction in batch:
                unread.discard(index)
                image_id = dataset.images[index].image_id
                results += prediction.to_results(image_id, self.class_map)
            if progress is not None:
                progress(len(dataset) - len(unread), len(dataset))
        if unread and log is not None:
            log(
                f"{len(unread)} of {len(dataset)} images cannot be read: they are left "
                "out of the figures"
            )
        return DatasetRun(results, dataset.without_images(unread))


def check_image(image: np.ndarray, name: str, channels: int = 3) -> None:
    """Refuses, with a ValueError, what is no image [H, W, C] uint8 with a pixel."""
    fits = image.ndim == 3 and image.shape[-1] == channels and image.dtype == np.uint8
    if not fits or not image.size:
        raise ValueError(
            f"{name}: shape {image.shape}, {image.dtype}: expected [height, width, "
            f"{channels}] uint8 with at least one row and one column"
        )


def check_finite(name: str, *values: np.ndarray) -> None:
    """Refuses what a broken model gives.

    Raises:
      EvaluationError: a box or score of the image `name` is not finite.
    """
    if not all(np.isfinite(v).all() for v in values):
        raise EvaluationError(
            f"{name}: the model gives boxes or scores that are not finite; its "
            "weights are likely broken"
        )
