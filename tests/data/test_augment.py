"""Augmentation: pixels, boxes and masks change together, by seed and position alone."""

import dataclasses

import numpy as np
import pytest
from coloured_sets import instance_at, shown, write_coloured_set
from pycocotools import mask as mask_utils

from tfmask.config import AugmentConfig, DataConfig
from tfmask.data.loader import ExampleLoader
from tfmask.evaluation.paste import paste_mask

EVERY = {
    "jitter": {"scale_jitter": (0.6, 2.5)},
    "window": {"crop": (120, 100)},
    "vertical": {"vertical_flip": 0.5},
    "turns": {"rotate": 0.9},
    "paste": {"copy_paste": 1.0},
    "all": {
        "scale_jitter": (0.6, 2.5),
        "crop": (150, 130),
        "vertical_flip": 0.5,
        "rotate": 0.7,
        "copy_paste": 0.8,
    },
}


def config(changes: dict, **more) -> DataConfig:
    return DataConfig(
        short_side=(160,),
        max_side=260,
        mask_resolution=56,
        augment=AugmentConfig(**changes),
        **more,
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_coloured_set(tmp_path_factory.mktemp("coloured") / "set")


def instances(example: dict):
    """(pixels [H, W, 3], box, mask [H, W] bool) of each instance of an example."""
    height, width = example["image_sizes"]
    image = example["images"][:height, :width]
    for box, mask in zip(
        example["boxes"][example["valid"]], example["masks"][example["valid"]]
    ):
        code = paste_mask(mask / np.float32(255), box, (height, width))
        yield image, box, mask_utils.decode(code).astype(bool)


@pytest.mark.parametrize("name", EVERY)
def test_masks_and_boxes_lie_on_their_objects(name, dataset):
    loader = ExampleLoader(dataset, config(EVERY[name]), True, 1, batch_size=2)
    # A pixel of the image, and how large it can come out.
    limit = 160 / 90 * EVERY[name].get("scale_jitter", (1, 1.7))[1]
    overlaps = []
    for i in range(24):
        example = loader.example(i)
        seen = set()
        for image, box, mask in instances(example):
            if mask.sum() < 150:
                continue
            number = instance_at(image, mask)
            pixels = shown(image, number)
            rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
            extent = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            if number in seen:  # pasted into its own image: the colour is there twice
                continue
            seen.add(number)
            overlap = (mask & pixels).sum() / (mask | pixels).sum()
            if overlap < 0.8 and "copy_paste" in EVERY[name]:
                assert loader.plan(i).paste.image_index == example["image_index"]
                continue
            overlaps.append(overlap)
            assert np.abs(box - extent).max() < limit, (i, number)
    assert len(overlaps) > 20
    assert min(overlaps) > 0.94 and np.mean(overlaps) > 0.99


def test_nothing_that_is_well_in_sight_is_dropped(dataset):
    loader = ExampleLoader(
        dataset, config({**EVERY["all"], "min_visible": 0.0}), True, 2
    )
    for i in range(24):
        example = loader.example(i)
        covered = np.zeros(example["images"].shape[:2], bool)
        for _, _, mask in instances(example):
            covered[: mask.shape[0], : mask.shape[1]] |= mask
        objects = example["images"][..., 2] > 170
        assert (objects & ~covered).sum() < 0.03 * max(objects.sum(), 2500)


def test_slivers_are_dropped_by_the_share_in_sight(dataset):
    counts = []
    for share in (0.0, 0.3, 0.9):
        changes = {**EVERY["jitter"], "min_visible": share}
        loader = ExampleLoader(dataset, config(changes), True, 1)
        counts.append(sum(loader.example(i)["valid"].sum() for i in range(20)))
    assert counts[0] > counts[1] > counts[2] > 0


def test_example_is_a_pure_function_of_seed_and_position(dataset):
    settings = config({**EVERY["all"], "brightness": 0.3, "hue": 0.1})

    def examples(seed, order):
        loader = ExampleLoader(dataset, settings, True, seed, batch_size=4)
        return {i: loader.example(i) for i in order}

    first, again = examples(5, range(12)), examples(5, reversed(range(12)))
    other = examples(6, range(12))
    for i in range(12):
        for name, value in first[i].items():
            np.testing.assert_array_equal(again[i][name], value, err_msg=name)
    assert any(
        (first[i]["images"].shape != other[i]["images"].shape) for i in range(12)
    )


def test_evaluation_is_never_augmented(dataset):
    settings = config({**EVERY["all"], "contrast": 0.5})
    plain = ExampleLoader(dataset, config({}), False, 0)
    for i in range(len(dataset)):
        example = ExampleLoader(dataset, settings, False, 0).example(i)
        for name, value in plain.example(i).items():
            np.testing.assert_array_equal(example[name], value, err_msg=name)


def test_switching_one_on_leaves_what_the_others_draw(dataset):
    def views(**changes):
        loader = ExampleLoader(dataset, config(changes), True, 3)
        return [loader.view(i) for i in range(40)]

    alone = views(vertical_flip=0.5)
    both = views(vertical_flip=0.5, brightness=0.5, scale_jitter=(0.5, 2.0))
    assert [v.flip_y for v in alone] == [v.flip_y for v in both]
    assert [v.flip_x for v in alone] == [v.flip_x for v in both]
    plain = ExampleLoader(dataset, config({}), True, 3)
    assert [v.flip_x for v in alone] == [plain.view(i).flip_x for i in range(40)]


def test_shares_of_turns_and_mirrored_examples(dataset):
    settings = config({"rotate": 0.6, "vertical_flip": 0.25}, flip=0.0)
    loader = ExampleLoader(dataset, settings, True, 0, batch_size=2)
    views = [loader.view(i) for i in range(1200)]
    quarter = np.mean([v.transposed for v in views])
    assert quarter == pytest.approx(0.4, abs=0.05)
    steps = np.array([v.transposed for v in views]).reshape(-1, 2)
    assert (steps[:, 0] == steps[:, 1]).all()
    # Turned by 180 degrees, the only way that left and right are exchanged here.
    half = np.mean([v.flip_x for v in views if not v.transposed])
    assert half == pytest.approx(0.2 / 0.6, abs=0.06)


def test_scale_jitter_is_even_over_its_range_and_windows_are_full(dataset):
    settings = config({"scale_jitter": (0.5, 2.0)})
    loader = ExampleLoader(dataset, settings, True, 0)
    plain = ExampleLoader(dataset, config({}), True, 0)
    factors = []
    for i in range(400):
        view, whole = loader.view(i), plain.view(i)
        assert view.shape[0] <= whole.shape[0] and view.shape[1] <= whole.shape[1]
        factors.append(np.mean(view.scales / whole.scales))
        if factors[-1] > 1.05:
            assert view.shape == whole.shape
    counts, _ = np.histogram(factors, 3, (0.5, 2.0))
    assert counts.min() > 100 and np.min(factors) < 0.55 and np.max(factors) > 1.9


def test_crowd_regions_are_cut_and_kept_by_their_boxes(dataset):
    records = [
        dataclasses.replace(r, crowd=np.arange(len(r.labels)) % 2 == 0)
        for r in dataset.images
    ]
    crowded = dataclasses.replace(dataset, images=records)
    settings = config({**EVERY["all"], "paste_instances": 1.0})
    loader = ExampleLoader(crowded, settings, True, 0)
    seen = 0
    for i in range(20):
        example = loader.example(i)
        record = records[int(example["image_index"])]
        height, width = example["image_sizes"]
        assert example["crowd"].sum() <= record.crowd.sum()  # none is pasted
        whole = loader.view(i).boxes(record.boxes[record.crowd])
        clipped = np.clip(whole, 0, [width, height, width, height])
        left = (clipped[:, 2:] - clipped[:, :2] >= 1).all(1)
        np.testing.assert_allclose(
            example["boxes"][example["crowd"]], clipped[left], atol=1e-3
        )
        assert not example["masks"][example["crowd"]].any()
        seen += left.sum()
    assert seen > 10


def test_nothing_is_pasted_from_an_image_that_cannot_be_read(tmp_path):
    dataset = write_coloured_set(tmp_path / "set", images=3)
    with open(dataset.images[0].path, "r+b") as stream:
        stream.truncate(60)
    settings = config({"copy_paste": 1.0}, max_bad_fraction=0.5)
    lines = []
    loader = ExampleLoader(dataset, settings, True, 0, log=lines.append)
    plain = ExampleLoader(dataset, config({}, max_bad_fraction=0.5), True, 0, log=None)
    met = 0
    for i in range(15):
        paste = loader.plan(i).paste
        if paste and paste.image_index == 0:
            np.testing.assert_array_equal(
                loader.example(i)["images"], plain.example(i)["images"]
            )
            met += 1
    assert met and len(lines) == 1


def test_images_without_instances_get_pasted_ones(dataset):
    empty = dataset.images[0].select(np.zeros(4, bool))
    mixed = dataclasses.replace(dataset, images=[empty, *dataset.images[1:]])
    loader = ExampleLoader(mixed, config({"copy_paste": 1.0}), True, 0)
    pasted = [
        e["valid"].sum()
        for e in map(loader.example, range(24))
        if e["image_index"] == 0
    ]
    assert max(pasted) > 0


def test_colours_change_pixels_alone(dataset):
    changes = dict(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
    plain = ExampleLoader(dataset, config({}), True, 0)
    coloured = ExampleLoader(dataset, config(changes), True, 0)
    for i in range(6):
        a, b = plain.example(i), coloured.example(i)
        for name in a:
            same = np.array_equal(a[name], b[name])
            assert same == (name != "images")
        height, width = b["image_sizes"]
        assert not b["images"][height:].any() and not b["images"][:, width:].any()
