import os
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from tfmask.config import DataConfig
from tfmask.data.loader import ExampleLoader
from tfmask.data.readers import load_dataset
from tfmask.errors import DataError, ImageError


def config(**changes) -> DataConfig:
    values = {"short_side": (64,), "max_side": 128, "mask_resolution": 28}
    values |= {"eval_short_side": 80, "eval_max_side": 128}
    return DataConfig(**(values | changes))


@pytest.fixture
def dataset(content, write_set):
    return load_dataset(write_set(content), log=None)


def same(first: dict, second: dict) -> bool:
    assert first.keys() == second.keys()
    return all(np.array_equal(first[name], second[name]) for name in first)


def test_example_is_a_pure_function_of_seed_and_position(dataset):
    loader = ExampleLoader(dataset, config(), True, 5)
    forward = [loader.example(i) for i in range(12)]
    other = ExampleLoader(dataset, config(), True, 5)
    for i in reversed(range(12)):
        assert same(other.example(i), forward[i])
    different = ExampleLoader(dataset, config(), True, 6)
    assert not all(same(different.example(i), forward[i]) for i in range(12))


def test_evaluation_example_is_the_resized_image_in_the_corner(dataset):
    loader = ExampleLoader(dataset, config(), False, 0)
    example = loader.example(0)
    record = dataset.images[0]
    image = cv2.imread(record.path)[..., ::-1]
    np.testing.assert_array_equal(example["image_sizes"], [80, 120])
    np.testing.assert_array_equal(example["original_sizes"], [40, 60])
    np.testing.assert_array_equal(example["scales"], [2, 2])
    canvas = example["images"]
    assert canvas.shape == (96, 128, 3) and canvas.dtype == np.uint8
    expected = cv2.resize(np.ascontiguousarray(image), (120, 80))
    np.testing.assert_array_equal(canvas[:80, :120], expected)
    assert not canvas[80:].any() and not canvas[:, 120:].any()
    np.testing.assert_array_equal(example["boxes"], record.boxes * 2)
    assert (example["image_index"], example["stream_index"]) == (0, 0)
    assert example["valid"].all()


def test_flip_mirrors_image_boxes_and_masks_together(dataset):
    plain = ExampleLoader(dataset, config(flip=0.0), True, 0)
    flipped = ExampleLoader(dataset, config(flip=1.0), True, 0)
    for i in range(6):
        a, b = plain.example(i), flipped.example(i)
        height, width = a["image_sizes"]
        corner, mirror = a["images"][:height, :width], b["images"][:height, :width]
        difference = np.abs(corner[:, ::-1].astype(int) - mirror)
        assert difference.max() <= 1  # the interpolation's rounding
        assert not b["images"][:, width:].any()
        np.testing.assert_array_equal(a["masks"][:, :, ::-1], b["masks"])
        np.testing.assert_array_equal(a["labels"], b["labels"])
        for box, turned, valid in zip(a["boxes"], b["boxes"], a["valid"]):
            expected = [width - box[2], box[1], width - box[0], box[3]]
            np.testing.assert_array_equal(turned, expected if valid else [0] * 4)


def test_flips_come_as_often_as_asked_for(dataset):
    plain = ExampleLoader(dataset, config(flip=0.0), True, 0)
    some = ExampleLoader(dataset, config(flip=0.3), True, 0)
    flips = [not same(plain.example(i), some.example(i)) for i in range(300)]
    assert 0.2 < np.mean(flips) < 0.4


def test_object_under_its_mask_is_the_object_in_the_image(write_set, content):
    # A white square on black: the mask, the box and the pixels must agree.
    folder = write_set(content)
    image = np.zeros((40, 60, 3), np.uint8)
    image[5:15, 10:30] = 255
    cv2.imwrite(f"{folder}/images/a.png", image)
    dataset = load_dataset(folder)
    loader = ExampleLoader(dataset, config(flip=0.5), True, 0)
    seen = 0
    for i in range(20):
        example = loader.example(i)
        if example["image_index"] == 0:
            x1, y1, x2, y2 = example["boxes"][0].round().astype(int)
            assert example["images"][y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].min() > 250
            assert example["masks"][0].mean() > 230
            white = (example["images"] > 127).all(-1).sum()
            assert white == pytest.approx((x2 - x1) * (y2 - y1), rel=0.05)
            seen += 1
    assert seen > 3


def test_rows_of_a_batch_may_be_filled_in_any_order_and_at_once(dataset):
    loader = ExampleLoader(dataset, config(short_side=(48, 64)), True, 3, batch_size=4)
    plans = [loader.plan(i) for i in range(4)]
    expected = loader.batch(plans)

    def backwards(function, rows):
        results = {row: function(row) for row in reversed(rows)}
        return [results[row] for row in rows]

    assert same(loader.batch(plans, backwards), expected)
    with ThreadPoolExecutor(3) as pool:
        for _ in range(5):
            assert same(loader.batch(plans, pool.map), expected)


def test_memory_is_used_again_without_changing_what_is_still_held(dataset):
    loader = ExampleLoader(dataset, config(), True, 0)
    held = [loader.example(i) for i in range(12)]
    copies = [{name: value.copy() for name, value in e.items()} for e in held]
    for i in range(12, 40):
        loader.example(i)
    assert all(map(same, held, copies))


def test_rows_of_an_unreadable_image_are_not_there(dataset):
    spoil(dataset, 0)  # the image with the most objects
    settings = config(max_bad_fraction=0.4)
    loader = ExampleLoader(dataset, settings, True, 0, batch_size=3, log=None)
    plans = [loader.plan(i) for i in range(3)]
    batch = loader.batch(plans)
    assert len(dataset.images[0].boxes) == 2
    assert batch["boxes"].shape == (3, 1, 4) and batch["masks"].shape[:2] == (3, 1)
    np.testing.assert_array_equal(
        batch["valid"][:, 0], [plan.image_index == 1 for plan in plans]
    )
    gray = [plan.image_index for plan in plans].index(0)
    for name in ("boxes", "labels", "masks", "crowd", "valid"):
        assert not batch[name][gray].any()


def test_unreadable_images_are_left_out_where_that_is_asked_for(dataset):
    spoil(dataset, 1)
    settings = config(max_bad_fraction=0.5)
    loader = ExampleLoader(dataset, settings, False, 0, log=None)
    plans = [loader.plan(i) for i in range(3)]
    batch = loader.batch(plans, skip_unreadable=True)
    np.testing.assert_array_equal(batch["image_index"], [0, 2])
    assert batch["images"].shape == (2, 96, 128, 3)
    assert loader.batch(plans[1:2], skip_unreadable=True)["valid"].shape == (0, 1)
    with pytest.raises(ImageError, match="b.jpg"):
        loader.batch(plans)


def test_several_scales_are_drawn_once_a_step(dataset):
    settings = config(short_side=(32, 64, 96), max_side=999)
    loader = ExampleLoader(dataset, settings, True, 0, batch_size=4)
    heights = np.array([loader.view(i).shape[0] for i in range(400)]).reshape(-1, 4)
    assert (heights == heights[:, :1]).all()
    counts = np.unique(heights[:, 0], return_counts=True)
    np.testing.assert_array_equal(counts[0], [32, 64, 96])
    assert counts[1].min() > 15


def test_crowd_is_kept_and_marked(content, write_set):
    content["annotations"][1]["iscrowd"] = 1
    dataset = load_dataset(write_set(content), log=None)
    example = ExampleLoader(dataset, config(), False, 0).example(0)
    np.testing.assert_array_equal(example["crowd"], [False, True])
    np.testing.assert_array_equal(example["valid"], [True, True])
    np.testing.assert_array_equal(example["labels"], [2, 1])
    np.testing.assert_array_equal(example["boxes"][1], [80, 40, 100, 64])


def test_image_without_objects_has_one_row_of_padding(dataset):
    example = ExampleLoader(dataset, config(), False, 0).example(2)
    np.testing.assert_array_equal(example["valid"], [False])
    assert example["boxes"].shape == (1, 4) and example["masks"].shape == (1, 28, 28)


def spoil(dataset, *indices) -> None:
    for index in indices:
        with open(dataset.images[index].path, "r+b") as stream:
            stream.truncate(os.path.getsize(stream.name) // 2)


def test_unreadable_image_trains_as_an_empty_gray_one_and_is_named_once(dataset):
    spoil(dataset, 0)
    lines = []
    loader = ExampleLoader(
        dataset, config(max_bad_fraction=0.4), True, 0, log=lines.append
    )
    sound = 0
    for i in range(9):
        example = loader.example(i)
        if example["image_index"] == 0:
            height, width = example["image_sizes"]
            assert (example["images"][:height, :width] == 127).all()
            assert not example["valid"].any()
        else:
            sound += 1
    assert sound == 6
    assert len(lines) == 1 and "a.png" in lines[0] and "gray" in lines[0]
    assert list(loader.failures) == [0]


def test_too_many_unreadable_images_are_an_error_that_names_them(dataset):
    spoil(dataset, 0, 1)
    loader = ExampleLoader(dataset, config(), True, 0, log=None)
    with pytest.raises(DataError, match="2 of 3 images .*a.png.*b.jpg|b.jpg.*a.png"):
        for i in range(3):
            loader.example(i)


def test_no_bad_image_is_allowed_with_a_fraction_of_zero(dataset):
    spoil(dataset, 0)
    loader = ExampleLoader(dataset, config(max_bad_fraction=0.0), True, 0, log=None)
    with pytest.raises(DataError, match="1 of 3 images"):
        for i in range(3):
            loader.example(i)


def test_strict_raises_at_once_and_names_the_file(dataset):
    spoil(dataset, 0)
    loader = ExampleLoader(dataset, config(strict=True), True, 0)
    with pytest.raises(ImageError, match="a.png: .*truncated"):
        for i in range(3):
            loader.example(i)


def test_evaluation_raises_for_an_unreadable_image(dataset):
    spoil(dataset, 0)
    loader = ExampleLoader(dataset, config(max_bad_fraction=0.5), False, 0, log=None)
    with pytest.raises(ImageError, match="a.png"):
        loader.example(0)
    assert loader.example(1)["valid"].all()


def test_images_of_12_bits_in_16_are_said_once(dataset):
    for record in dataset.images[::2]:
        pixels = np.full((record.height, record.width), 4095, np.uint16)
        cv2.imwrite(record.path, pixels)
    lines = []
    loader = ExampleLoader(dataset, config(), True, 0, log=lines.append)
    for i in range(6):
        loader.example(i)
    (line,) = lines
    assert "up to 4095 of 65535" in line and "nearly black" in line
