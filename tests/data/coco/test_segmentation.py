"""Decoding equals pycocotools on sound input, and refuses the rest before it."""

import os
import subprocess
import sys

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tfmask.data.coco import segmentation as seg
from tfmask.errors import SegmentationError

H, W = 37, 53


def random_polygons(rng, parts: int) -> list[list[float]]:
    """Polygons that may cross themselves and leave the image."""
    return [
        rng.uniform(-8, [W + 8, H + 8], (int(rng.integers(3, 9)), 2))
        .round(int(rng.integers(0, 4)))
        .ravel()
        .tolist()
        for _ in range(parts)
    ]


def random_mask(rng) -> np.ndarray:
    mask = (rng.random((H, W)) < rng.choice([0.02, 0.5, 0.98])).astype(np.uint8)
    return np.asfortranarray(mask)


@pytest.mark.parametrize("parts", [1, 3])
def test_polygon_masks_equal_pycocotools(parts):
    rng = np.random.default_rng(parts)
    for _ in range(50):
        polygons = random_polygons(rng, parts)
        expected = coco_mask.decode(
            coco_mask.merge(coco_mask.frPyObjects(polygons, H, W))
        )
        parsed, warning = seg.parse(polygons, H, W)
        assert warning is None
        np.testing.assert_array_equal(seg.decode(parsed, H, W), expected)
        assert seg.area(parsed, H, W) == expected.sum()


def test_rle_strings_and_lists_equal_pycocotools():
    rng = np.random.default_rng(0)
    for _ in range(50):
        mask = random_mask(rng)
        code = coco_mask.encode(mask)
        parsed, _ = seg.parse({"size": [H, W], "counts": code["counts"].decode()}, H, W)
        np.testing.assert_array_equal(seg.decode(parsed, H, W), mask)
        again, _ = seg.parse(seg.to_coco(parsed), H, W)
        np.testing.assert_array_equal(again.counts, parsed.counts)
        assert seg.area(parsed, H, W) == mask.sum() == coco_mask.area(code)


def test_large_differences_between_run_lengths_decode():
    mask = np.zeros((900, 1100), np.uint8, order="F")
    mask[3:5, 7] = 1
    mask[100:800, 500:1000] = 1
    code = coco_mask.encode(mask)
    parsed, _ = seg.parse({"size": [900, 1100], "counts": code["counts"]}, 900, 1100)
    np.testing.assert_array_equal(seg.decode(parsed, 900, 1100), mask)


@pytest.mark.parametrize("kind", ["polygons", "rle"])
def test_window_is_that_part_of_the_whole_mask(kind):
    rng = np.random.default_rng(1)
    for _ in range(100):
        if kind == "rle":
            value = coco_mask.encode(random_mask(rng))
        else:
            value = random_polygons(rng, 2)
        parsed, _ = seg.parse(value, H, W)
        x1, x2 = np.sort(rng.choice(W + 1, 2, replace=False))
        y1, y2 = np.sort(rng.choice(H + 1, 2, replace=False))
        part = seg.decode_window(parsed, H, W, (x1, y1, x2, y2))
        whole = seg.decode(parsed, H, W)[y1:y2, x1:x2]
        assert part.shape == whole.shape and part.dtype == np.uint8
        # The rasteriser's ties may differ in a pixel of a polygon.
        assert np.sum(part != whole) <= (0 if kind == "rle" else 1)


@pytest.mark.parametrize("kind", ["polygons", "rle"])
def test_extent_and_tight_box_hold_every_pixel(kind):
    rng = np.random.default_rng(2)
    for _ in range(50):
        if kind == "rle":
            mask = np.zeros((H, W), np.uint8, order="F")
            y, x = rng.integers(0, H - 3), rng.integers(0, W - 3)
            mask[y : y + rng.integers(1, 30), x : x + rng.integers(1, 30)] = 1
            value = coco_mask.encode(mask)
        else:
            value = random_polygons(rng, 1)
        parsed, _ = seg.parse(value, H, W)
        mask = seg.decode(parsed, H, W)
        x1, y1, x2, y2 = seg.extent(parsed, H, W)
        assert mask.sum() == mask[y1 : max(y2, 0), x1 : max(x2, 0)].sum()
        box = seg.tight_box(parsed, H, W)
        if not mask.any():
            assert box is None
            continue
        rows, columns = np.nonzero(mask)
        expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_array_equal(box, expected)


def test_mask_over_column_ends_has_full_height():
    code = {"size": [4, 5], "counts": [6, 4, 10]}  # rows 2, 3 of column 1; 0, 1 of 2
    parsed, _ = seg.parse(code, 4, 5)
    assert seg.extent(parsed, 4, 5) == (1, 0, 3, 4)
    np.testing.assert_array_equal(seg.tight_box(parsed, 4, 5), [1, 0, 3, 4])


def test_parsing_what_is_parsed_changes_nothing():
    parsed, _ = seg.parse([[1, 1, 9, 1, 9, 9]], H, W)
    assert seg.parse(parsed, H, W) == (parsed, None)


# --- fuzz (users.md R2) ---------------------------------------------------------------


def mutated_rle(rng) -> dict:
    """A sound string, spoilt in up to four places."""
    counts = bytearray(coco_mask.encode(random_mask(rng))["counts"])
    for _ in range(int(rng.integers(0, 5))):
        at = int(rng.integers(0, len(counts) + 1))
        match int(rng.integers(0, 4)):
            case 0:
                counts[at : at + 1] = bytes([int(rng.integers(0, 128))])
            case 1:
                del counts[at : at + int(rng.integers(1, 6))]
            case 2:
                counts[at:at] = bytes(rng.integers(48, 112, 3).tolist())
            case 3:
                counts[at:at] = counts[: int(rng.integers(0, 20))]
    size = [H, W] if rng.random() < 0.9 else rng.integers(-3, 70000, 2).tolist()
    return {"size": size, "counts": counts.decode("latin-1")}


def mutated_polygons(rng) -> list:
    polygons = random_polygons(rng, int(rng.integers(1, 4)))
    wild = [1e300, -1e300, 2e8, 2**31, -(2**63), 1e5, -40.0, float("nan"), float("inf")]
    for polygon in polygons:
        for _ in range(int(rng.integers(0, 3))):
            at = int(rng.integers(0, len(polygon)))
            match int(rng.integers(0, 5)):
                case 0:
                    polygon[at] = wild[int(rng.integers(len(wild)))]
                case 1:
                    del polygon[at : at + int(rng.integers(1, 4))]
                case 2:
                    polygon += polygon[:at]
                case 3:
                    polygon[at] = [None, "7", [], True][int(rng.integers(4))]
                case 4:
                    polygon[at : at + 1] = [polygon[at]] * 2
            if not polygon:
                break
    return polygons


def fuzz(make, seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    decoded = 0
    for _ in range(count):
        try:
            parsed, _ = seg.parse(make(rng), H, W)
        except SegmentationError as error:
            assert error.kind and "\n" not in str(error)
            continue
        mask = seg.decode(parsed, H, W)
        assert mask.shape == (H, W) and mask.dtype == np.uint8
        assert mask.max(initial=0) <= 1
        assert seg.area(parsed, H, W) in range(int(mask.sum()) - 1, int(mask.sum()) + 2)
        decoded += 1
    assert count // 20 < decoded < count  # both branches were taken
    print(f"decoded {decoded} of {count}")


@pytest.mark.parametrize("make", ["mutated_rle", "mutated_polygons"])
def test_ten_thousand_spoilt_codes_never_end_the_process(make):
    done = subprocess.run(
        [sys.executable, __file__, make, "10000"],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("decoded ")


if __name__ == "__main__":
    fuzz(globals()[sys.argv[1]], 0, int(sys.argv[2]))
