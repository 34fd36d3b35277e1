"""Cityscapes' figures: by hand, and equal to those of the Cityscapes scripts."""

import dataclasses

import numpy as np
import pytest
from official_packages import cityscapes_figures
from perturbed import perturbed
from pycocotools import mask as mask_utils

from tfmask.config import EvalConfig
from tfmask.data.cityscapes.labels import CLASSES
from tfmask.data.readers import load_dataset
from tfmask.data.synthetic.cityscapes import write_cityscapes
from tfmask.errors import EvaluationError
from tfmask.evaluation.cityscapes_matching import average_precision, match
from tfmask.evaluation.cityscapes_metrics import metric
from tfmask.evaluation.cityscapes_results import CityscapesResults
from tfmask.evaluation.ground_truth import record_rles
from tfmask.evaluation.metrics import find_metric
from tfmask.evaluation.rle import as_text

OPTIONS = EvalConfig(boundary=False)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = write_cityscapes(tmp_path_factory.mktemp("c"), "val", 16, seed=1, size=200)
    return load_dataset(str(folder), log=None)


# What the scripts give for `perturbed(dataset, 0)`: AP and AP50 of the mean and of each
# class.
OFFICIAL = {
    "": (0.211003631, 0.350195235),
    "/person": (0.147140152, 0.16875),
    "/rider": (0.30180776, 0.63690476),
    "/car": (0.186807159, 0.529172679),
    "/truck": (0.090968228, 0.196981293),
    "/bus": (0.109402557, 0.156305115),
    "/train": (0.19520985, 0.282034817),
    "/motorcycle": (0.304025641, 0.398241758),
    "/bicycle": (0.352667703, 0.433171458),
}


def bar(*columns: int) -> dict:
    """A mask of whole columns of 20 pixels in an image of 20 x 40."""
    mask = np.zeros((20, 40), np.uint8)
    mask[:, list(columns)] = 1
    return as_text(mask_utils.encode(np.asfortranarray(mask)))


def columns(first: int, count: int) -> dict:
    return bar(*range(first, first + count))


def test_a_precision_recall_curve_by_hand():
    # Ten columns of an instance: found in part, by two predictions, and a wrong one.
    truth = [columns(0, 10), columns(20, 10)]
    masks = [columns(0, 8), columns(0, 9), columns(31, 5)]
    found = match(masks, [0.9, 0.8, 0.7], truth, [False, False], None)
    # At 0.5: 0.9 right, 0.8 a double, 0.7 wrong, one instance missed. The curve, by
    # falling confidence: (1, .5), (1/2, .5), (1/3, .5); from (1, 0) by half steps.
    assert average_precision([found], 0.5) == pytest.approx(0.25 + 0.25)
    # At 0.85 only the second matches.
    assert found.ious[:, 0] == pytest.approx([0.8, 0.9, 0.0])
    # 0.9 wrong, 0.8 right, 0.7 wrong: (0, 0), (1/2, .5), (1/3, .5), and (1, 0).
    assert average_precision([found], 0.85) == pytest.approx(0.25 * 0.5)


def test_void_groups_and_small_instances_leave_predictions_out_of_account():
    truth = [columns(0, 10), columns(10, 6), columns(16, 4)]
    groups = [False, True, False]  # the third has 80 pixels: too small
    void = columns(30, 10)
    right, half = columns(0, 10), columns(25, 10)
    ignored = {"void": columns(28, 8), "group": columns(11, 3), "small": columns(16, 4)}
    for name, wrong in ignored.items():
        found = match([right, wrong], [0.5, 0.9], truth, groups, void)
        assert found.counted.tolist() == [True, False, False]
        assert average_precision([found], 0.5) == 1.0, name
        found = match([right, wrong], [0.5, 0.9], truth[:1], groups[:1], None)
        assert average_precision([found], 0.5) == 0.25, name
    # Half of it is void: that is not above 0.5, so it is judged, but not at 0.45.
    found = match([right, half], [0.5, 0.9], truth, groups, void)
    assert found.unjudged[1] / found.pixels[1] == 0.5
    assert average_precision([found], 0.5) == 0.25
    assert average_precision([found], 0.45) == 1.0


def test_all_right_is_one_and_nothing_found_is_zero(dataset):
    truth = [
        {
            "image_id": record.image_id,
            "category_id": dataset.class_map.ids[record.labels[i] - 1],
            "score": 0.5,
            "segmentation": code,
        }
        for record in dataset.images
        for i, code in enumerate(record_rles(record))
        if not record.crowd[i]
    ]
    figures = metric(dataset, truth, OPTIONS)
    assert figures["mask/AP"] == figures["mask/AP50/car"] == 1.0
    empty = metric(dataset, [], OPTIONS)
    assert empty["mask/AP"] == 0.0 and empty["coco/mask/AP"] == 0.0


def test_a_class_without_instances_is_not_defined(dataset):
    cars = dataset.class_map.names.index("car") + 1
    records = [r.select(r.labels == cars) for r in dataset.images]
    only = dataclasses.replace(dataset, images=records)
    figures = metric(only, perturbed(only, 0), OPTIONS)
    assert figures["mask/AP/bus"] == figures["mask/AP50/train"] == -1
    assert figures["mask/AP"] == figures["mask/AP/car"] > 0.1
    none = dataclasses.replace(
        dataset, images=[r.select(r.labels < 0) for r in dataset.images]
    )
    assert metric(none, [], OPTIONS)["mask/AP"] == -1


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_figures_equal_those_of_the_scripts(seed, dataset, tmp_path, monkeypatch):
    results = perturbed(dataset, seed)
    figures = metric(dataset, results, OPTIONS)
    folder = CityscapesResults(tmp_path / "r", dataset.class_map)
    for record in dataset.images:
        mine = [r for r in results if r["image_id"] == record.image_id]
        folder.add(record.image_id, mine)
    official = cityscapes_figures(
        [
            r.path.replace("leftImg8bit/", "gtFine/").replace(
                "_leftImg8bit.png", "_gtFine_instanceIds.png"
            )
            for r in dataset.images
        ],
        [tmp_path / "r" / f"{r.image_id}.txt" for r in dataset.images],
        monkeypatch,
    )
    assert figures["mask/AP"] == pytest.approx(official["allAp"], abs=1e-9)
    assert figures["mask/AP50"] == pytest.approx(official["allAp50%"], abs=1e-9)
    assert 0.1 < figures["mask/AP"] < 0.9
    for name in CLASSES:
        theirs = official["classes"][name]
        for ours, key in (("AP", "ap"), ("AP50", "ap50%")):
            expected = -1 if np.isnan(theirs[key]) else theirs[key]
            assert figures[f"mask/{ours}/{name}"] == pytest.approx(expected, abs=1e-9)


def test_figures_equal_those_that_the_scripts_gave(dataset):
    figures = metric(dataset, perturbed(dataset, 0), OPTIONS)
    for name, theirs in OFFICIAL.items():
        ours = figures[f"mask/AP{name}"], figures[f"mask/AP50{name}"]
        assert ours == pytest.approx(theirs, abs=1e-8), name


def test_names_of_figures_are_those_told_before_and_the_table_has_them(dataset):
    found = find_metric(EvalConfig(), dataset)
    figures = found.compute(dataset, perturbed(dataset, 3), EvalConfig())
    assert found.name == "cityscapes"
    assert set(found.figure_names(dataset, EvalConfig())) == set(figures)
    text = found.format(figures)
    assert f"{figures['mask/AP50/car']:.3f}" in text and "COCO's rules" in text
    assert found.to_json(figures)["per_class"][2]["mask/AP"] == figures["mask/AP/car"]


def test_results_without_masks_are_refused(dataset):
    box = {"category_id": 24, "score": 0.5, "bbox": [1, 1, 5, 5]}
    result = {"image_id": dataset.images[0].image_id, **box}
    with pytest.raises(EvaluationError, match="result 0 .*has no segmentation"):
        metric(dataset, [result], OPTIONS)


def test_data_without_void_regions_says_so(dataset):
    other = dataclasses.replace(dataset, format="coco")
    assert any("void" in note for note in metric(other, [], OPTIONS).notes)
