"""Detection results in the COCO format: checked, written, read.

A result is `{"image_id", "category_id", "bbox": [x, y, w, h], "score",
"segmentation": {"size": [h, w], "counts": str}}`, with the ids of the annotation file.
Where a model rates its masks by themselves (Mask Scoring R-CNN), `mask_score` ranks the
segmentations, and `score` the boxes alone.
"""

import json
import math
import numbers
import os
from pathlib import Path

from tfmask.errors import EvaluationError
from tfmask.evaluation.rle import checked_rle
from tfmask.files import write_atomically


def write_results(path: str | os.PathLike, results: list[dict]) -> None:
    """Writes results as JSON; a reader never sees a half-written file.

    Raises:
      EvaluationError: a number is not finite.
      OSError: the folder cannot be written; an earlier file stays as it was.
    """
    try:
        text = json.dumps(results, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise EvaluationError(f"{path}: results not written: {error}") from error
    write_atomically(path, text)


class ResultsFile:
    """A results file that grows while it is made, and is whole JSON at every moment.

    So what was found stays if the program is stopped on the way. To be used in a
    `with` statement; an earlier file of the name is written over.

    Args:
      path: the file.

    Raises:
      OSError: the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.count = 0
        self._file = open(self.path, "wb", buffering=0)
        self._write(b"[]")

    def add(self, results: list[dict]) -> None:
        """Appends results.

        Raises:
          EvaluationError: a number is not finite; nothing is appended.
          OSError: the disk is full.
        """
        if not results:
            return
        try:
            texts = [
                json.dumps(r, allow_nan=False, separators=(",", ":")) for r in results
            ]
        except ValueError as error:
            raise EvaluationError(
                f"{self.path}: results not written: {error}"
            ) from error
        start = ",\n" if self.count else "\n"
        end = self._file.seek(-1, os.SEEK_END)  # the closing bracket, written anew
        try:
            self._write((start + ",\n".join(texts) + "]").encode("ascii"))
        except OSError:
            self._file.truncate(end)
            self._file.seek(end)
            self._write(b"]")
            raise
        self.count += len(results)

    def _write(self, data: bytes) -> None:
        while data:  # a full disk may take a part and refuse the rest
            data = data[self._file.write(data) :]

    def __enter__(self) -> "ResultsFile":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()


def read_results(path: str | os.PathLike) -> list:
    """The list of results in a JSON file.

    Raises:
      EvaluationError: no such file, no JSON, or no list.
    """
    try:
        results = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path}: cannot be read as results: {error}") from error
    if not isinstance(results, list):
        raise EvaluationError(f"{path}: expected a JSON list of results")
    return results


def _is_number(value) -> bool:
    """A finite number; numpy's count, bools do not."""
    if isinstance(value, (bool, str, bytes)):
        return False
    try:
        return math.isfinite(value)
    except TypeError:
        return False


def checked_results(results: list, image_sizes: dict, category_ids) -> list[dict]:
    """New records with the same content, safe to hand to pycocotools.

    Args:
      results: records as in the module's docstring; `bbox` or `segmentation` may lack.
      image_sizes: image id -> (height, width) of all images of the ground truth.
      category_ids: the ids of all categories of the ground truth.

    Raises:
      EvaluationError: the first record that is malformed or names an unknown image or
        category, with its position in the list.
    """
    checked = []
    for position, result in enumerate(results):
        try:
            checked.append(_checked_result(result, image_sizes, category_ids))
        except ValueError as error:
            name = result.get("image_id") if isinstance(result, dict) else None
            raise EvaluationError(
                f"result {position} (image {name!r}): {error}"
            ) from error
    return checked


def _checked_result(result, image_sizes: dict, category_ids) -> dict:
    if not isinstance(result, dict):
        raise ValueError(f"is a {type(result).__name__}: expected an object")
    for name in ("image_id", "category_id"):
        value = result.get(name)
        if isinstance(value, bool) or not isinstance(value, (numbers.Real, str)):
            raise ValueError(f"{name} is {value!r}: expected a whole number or text")
    image_id, category_id = result["image_id"], result["category_id"]
    if image_id not in image_sizes:
        raise ValueError("image_id is not among the images of the ground truth")
    if category_id not in category_ids:
        raise ValueError(
            f"category_id {category_id!r} is not among those of the ground truth"
        )
    if not _is_number(result.get("score")):
        raise ValueError(f"score is {result.get('score')!r}: expected a finite number")
    clean = {
        "image_id": image_id,
        "category_id": category_id,
        "score": float(result["score"]),
    }
    if result.get("mask_score") is not None:
        if not _is_number(result["mask_score"]):
            raise ValueError(
                f"mask_score is {result['mask_score']!r}: expected a finite number"
            )
        clean["mask_score"] = float(result["mask_score"])
    if result.get("bbox") is not None:
        clean["bbox"] = _checked_box(result["bbox"])
    if result.get("segmentation") is not None:
        try:
            clean["segmentation"] = checked_rle(
                result["segmentation"], image_sizes[image_id]
            )
        except ValueError as error:
            raise ValueError(f"segmentation: {error}") from error
    if "bbox" not in clean and "segmentation" not in clean:
        raise ValueError("has neither bbox nor segmentation")
    return clean


def _checked_box(box) -> list[float]:
    try:
        values = list(box)
    except TypeError:
        values = []
    if len(values) != 4 or not all(_is_number(v) for v in values):
        raise ValueError(f"bbox is {box!r}: expected four finite numbers [x, y, w, h]")
    if values[2] < 0 or values[3] < 0:
        raise ValueError(f"bbox is {box!r}: width and height must not be negative")
    return [float(v) for v in values]
