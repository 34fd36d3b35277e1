"""Run-length codes against pycocotools' encoder and decoder."""

import numpy as np
import pytest
from coco_sets import encode
from pycocotools import mask as mask_utils

from tfmask.evaluation.rle import checked_rle, compress, rle_from_crop


def full(crop_t, left, top, size):
    image = np.zeros(size, bool)
    image[top : top + crop_t.shape[1], left : left + crop_t.shape[0]] = crop_t.T
    return image


@pytest.mark.parametrize("seed", range(30))
def test_code_of_a_crop_equals_the_code_of_the_whole_mask(seed):
    rng = np.random.default_rng(seed)
    height, width = (int(v) for v in rng.integers(1, 40, 2))
    left, top = int(rng.integers(0, width)), int(rng.integers(0, height))
    columns = int(rng.integers(1, width - left + 1))
    rows = int(rng.integers(1, height - top + 1))
    crop = rng.random((columns, rows)) < rng.random()
    code = rle_from_crop(crop, left, top, (height, width))
    assert code == encode(full(crop, left, top, (height, width)))


@pytest.mark.parametrize("value", [False, True])
def test_empty_and_full_images(value):
    crop = np.full((7, 5), value)
    assert rle_from_crop(crop, 0, 0, (5, 7)) == encode(crop.T)


def test_columns_of_full_height_join_into_one_run():
    crop = np.zeros((4, 3), bool)
    crop[1:3] = True
    code = rle_from_crop(crop, 0, 0, (3, 4))
    assert code == compress(np.array([3, 6, 3]), (3, 4))


def test_a_good_code_comes_back_the_same():
    code = encode(np.eye(9, dtype=bool))
    assert checked_rle(code, (9, 9)) == code
    raw = {**code, "counts": code["counts"].encode()}
    assert checked_rle(raw, (9, 9)) == code


def test_a_list_of_run_lengths_is_packed():
    code = checked_rle({"size": [2, 3], "counts": [1, 2, 3]}, (2, 3))
    assert mask_utils.decode(code).tolist() == [[0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    "code",
    [
        None,
        [[0, 0, 4, 0, 4, 4]],
        {"size": [9, 9]},
        {"size": [9, 8], "counts": [72]},
        {"size": [9, 9], "counts": [80]},
        {"size": [9, 9], "counts": [82]},
        {"size": [9, 9], "counts": [-1, 82]},
        {"size": [9, 9], "counts": 81},
        {"size": [9, 9], "counts": "1"},
        {"size": [9, 9], "counts": "not a code"},
        {"size": [9, 9], "counts": "ooooooooooooo"},
        {"size": [9, 9], "counts": ""},
        {"size": [9, 9], "counts": "ü"},
    ],
)
def test_a_malformed_code_is_refused(code):
    with pytest.raises(ValueError, match="."):
        checked_rle(code, (9, 9))
