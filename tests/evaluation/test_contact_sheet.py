import dataclasses

import cv2
import numpy as np
import pytest
from coloured_sets import write_coloured_set

from tfmask.cli import main
from tfmask.config import AugmentConfig, DataConfig
from tfmask.data.loader import ExampleLoader
from tfmask.evaluation import visualize
from tfmask.evaluation.contact_sheet import contact_sheet


@pytest.fixture
def dataset(tmp_path):
    return write_coloured_set(tmp_path / "set")


def loader(dataset, **augment) -> ExampleLoader:
    config = DataConfig(
        short_side=(90,), max_side=200, augment=AugmentConfig(**augment)
    )
    return ExampleLoader(dataset, config, True, 0)


def test_examples_stand_row_by_row(dataset):
    sheet = contact_sheet(loader(dataset), range(5), 2, 200)
    assert sheet.dtype == np.uint8 and sheet.shape[1:] == (2 * 206, 3)
    rows, rest = divmod(sheet.shape[0], 3)
    assert rest == 0 and rows > 140
    # The sixth place is empty, the others are not.
    filled = [
        sheet[r * rows : (r + 1) * rows, c * 206 : (c + 1) * 206].min() < 50
        for r in range(3)
        for c in range(2)
    ]
    assert filled == [True] * 5 + [False]


def test_masks_are_drawn_on_their_objects(dataset):
    plain = contact_sheet(loader(dataset, rotate=1.0, copy_paste=1.0), range(4), 4, 400)
    bare = dataclasses.replace(
        dataset,
        images=[r.select(np.zeros(len(r.labels), bool)) for r in dataset.images],
    )
    objects = contact_sheet(loader(bare, rotate=1.0), range(4), 4, 400)
    assert plain.shape == objects.shape
    changed = np.abs(plain.astype(int) - objects).max(2) > 20
    inside = objects[..., 2] > 150  # the objects' blue
    inside[:20] = False  # captions
    assert changed[inside & (objects[..., 0] < 240)].mean() > 0.8


@pytest.mark.parametrize("channels", [1, 2, 3, 7])
def test_images_of_any_channels_can_be_drawn(channels):
    image = np.random.default_rng(0).integers(0, 255, (200, 800, channels), np.uint8)
    drawn = visualize.draw_instances(image, [], [])
    assert drawn.shape == (200, 800, 3)
    shown = min(channels, 3)
    np.testing.assert_array_equal(drawn[..., :shown], image[..., :shown])
    if channels == 1:
        np.testing.assert_array_equal(drawn[..., 2], image[..., 0])


def test_the_command_writes_a_picture(dataset, tmp_path, capsys):
    path = tmp_path / "new" / "sheet.png"
    words = ["augment", "demo/shapes", f"data.train={dataset.path}"]
    words += ["data.augment.scale_jitter=0.5,2", "--output", str(path)]
    words += ["--examples", "3", "--columns", "2", "--side", "160", "--start", "4"]
    assert main(words) == 0
    assert f"examples 4 to 6 -> {path}" in capsys.readouterr().out
    assert cv2.imread(str(path)).shape[1] == 2 * 166


def test_the_command_needs_data(tmp_path, capsys):
    assert main(["augment", "demo/shapes", "--output", str(tmp_path / "x.png")]) == 2
    assert "data.train: expected the training data" in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()
