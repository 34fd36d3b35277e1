"""The files that the server of Cityscapes takes."""

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_utils

from tfmask.errors import EvaluationError
from tfmask.evaluation.cityscapes_results import CityscapesResults
from tfmask.structures import ClassMap

CLASSES = ClassMap((5, 9), ("car", "bicycle"))


def result(category_id: int, first: int, **fields) -> dict:
    mask = np.zeros((6, 8), np.uint8)
    mask[2:4, first:] = 1
    code = mask_utils.encode(np.asfortranarray(mask))
    return {
        "category_id": category_id,
        "score": 0.123456789,
        "segmentation": code,
    } | fields


def test_a_text_and_a_mask_for_each_detection(tmp_path):
    written = CityscapesResults(tmp_path / "out", CLASSES)
    name = "berlin_000001_000019"
    written.add(
        f"x/{name}_leftImg8bit.png", [result(9, 3), result(5, 1, mask_score=0.5)]
    )
    lines = (tmp_path / "out" / f"{name}.txt").read_text().splitlines()
    assert lines == [
        f"masks/{name}_000.png 33 0.123456789",
        f"masks/{name}_001.png 26 0.5",
    ]
    mask = cv2.imread(str(tmp_path / "out/masks" / f"{name}_000.png"), -1)
    assert mask.shape == (6, 8) and mask.dtype == np.uint8
    assert set(mask[2:4, 3:].ravel()) == {255} and mask.astype(int).sum() == 255 * 10


def test_an_image_without_detections_has_an_empty_text(tmp_path):
    written = CityscapesResults(tmp_path, CLASSES)
    written.add("ulm_000000_000019", [])
    assert (tmp_path / "ulm_000000_000019.txt").read_text() == ""
    assert written.count == 1


def test_names_that_the_format_cannot_have_are_refused(tmp_path):
    written = CityscapesResults(tmp_path, CLASSES)
    written.add("a/x.png", [])
    with pytest.raises(
        EvaluationError, match="b/x.png: the name 'x.png' is there twice"
    ):
        written.add("b/x.png", [])
    with pytest.raises(EvaluationError, match="has a space"):
        written.add("a b.png", [])


def test_classes_of_other_data_are_refused(tmp_path):
    with pytest.raises(EvaluationError, match="cannot hold the class 'cat'"):
        CityscapesResults(tmp_path, ClassMap((1, 2), ("car", "cat")))
