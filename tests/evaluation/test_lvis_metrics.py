"""LVIS's figures: by hand, and equal to those of the package `lvis`."""

import dataclasses
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from official_packages import lvis_figures
from perturbed import perturbed
from PIL import Image
from pycocotools import mask as mask_utils

from tfmask.config import EvalConfig
from tfmask.data.readers import load_dataset
from tfmask.data.synthetic.lvis import write_lvis
from tfmask.errors import EvaluationError
from tfmask.evaluation import coco_metrics
from tfmask.evaluation.ground_truth import record_rles
from tfmask.evaluation.lvis_metrics import figure_order, metric
from tfmask.evaluation.metrics import find_metric
from tfmask.evaluation.rle import as_text

FIXTURE = Path(__file__).parent.parent / "data_files" / "lvis_fixture"
OPTIONS = EvalConfig(max_dets=(1, 10, 300), boundary=False)
# What the package gives for `perturbed(fixture, 0, 5)` at 300 and at 10 detections.
OFFICIAL = {
    (300, "box"): "0.394316496 0.58003065 0.406594716 0.421164063 0.365520981 "
    "0.410555556 0.5 0.602062706 0.36358557 0.516986249 0.503586215 0.461333333 "
    "0.486666667",
    (300, "mask"): "0.36268414 0.5185183 0.343426522 0.419953725 0.292069778 "
    "0.392222222 0.5 0.648349835 0.320608912 0.496815848 0.517458538 0.383333333 "
    "0.466666667",
    (10, "box"): "0.243818352 0.383857503 0.241522682 0.221673054 0.204950495 "
    "0.343888889 0.5 0.36839934 0.221007726 0.307497029 0.251464797 0.246666667 0.42",
    (10, "mask"): "0.223402622 0.35890858 0.214946936 0.218858801 0.15689769 "
    "0.325555556 0.5 0.411386139 0.191482202 0.292450344 0.262084658 0.195 0.4",
}


def with_blank_images(annotations: dict, folder: Path) -> str:
    """Writes an annotation file with black images of the sizes that it says."""
    for image in annotations["images"]:
        path = folder / image["coco_url"].partition(".org/")[2]
        path.parent.mkdir(parents=True, exist_ok=True)
        blank = Image.new("1", (image["width"], image["height"]))
        blank.save(path, "PNG")
    file = folder / "annotations.json"
    file.write_text(json.dumps(annotations), encoding="utf-8")
    return str(file)


@pytest.fixture(scope="module")
def fixture(tmp_path_factory):
    text = gzip.decompress((FIXTURE / "annotations.json.gz").read_bytes())
    path = with_blank_images(json.loads(text), tmp_path_factory.mktemp("lvis"))
    return load_dataset(path, log=None)


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    return load_dataset(str(write_lvis(tmp_path_factory.mktemp("g"), 16, 2)), log=None)


@pytest.mark.parametrize("limit", [300, 10])
@pytest.mark.parametrize("name", ["fixture", "generated"])
@pytest.mark.parametrize("seed", [0, 1])
def test_figures_equal_those_of_the_package(seed, name, limit, request, monkeypatch):
    dataset = request.getfixturevalue(name)
    results = perturbed(dataset, seed, per_object=5)
    options = dataclasses.replace(OPTIONS, max_dets=(1, 5, limit))
    figures = metric(dataset, results, options)
    for kind, theirs in (("box", "bbox"), ("mask", "segm")):
        official = lvis_figures(dataset.source, results, theirs, limit, monkeypatch)
        assert 0.05 < official["AP"] < 0.9 and official["APr"] > -1
        for figure in figure_order((1, 5, limit)):
            key = figure.replace("AR", "AR@") if figure[2:].isdigit() else figure
            key = key if key in official else f"{figure}@{limit}"
            ours = figures[f"{kind}/{figure}"]
            assert ours == pytest.approx(official[key], abs=1e-12), (kind, figure)


@pytest.mark.parametrize("limit", [300, 10])
def test_figures_equal_those_that_the_package_gave(limit, fixture):
    options = dataclasses.replace(OPTIONS, max_dets=(1, 5, limit))
    figures = metric(fixture, perturbed(fixture, 0, per_object=5), options)
    for kind in ("box", "mask"):
        ours = [figures[f"{kind}/{name}"] for name in figure_order((limit,))]
        theirs = [float(v) for v in OFFICIAL[limit, kind].split()]
        np.testing.assert_allclose(ours, theirs, atol=1e-8)


def results_of(dataset) -> list[dict]:
    """A perfect detection of every instance."""
    return [
        {
            "image_id": record.image_id,
            "category_id": dataset.class_map.ids[record.labels[i] - 1],
            "score": 0.5,
            "segmentation": code,
            "bbox": record.metric_boxes()[i].tolist(),
        }
        for record in dataset.images
        for i, code in enumerate(record_rles(record))
    ]


def added(dataset, of_image) -> list[dict]:
    """The perfect detections, and one of each label that `of_image` gives."""
    results = results_of(dataset)
    for record in dataset.images:
        mine = [r for r in results if r["image_id"] == record.image_id][:1]
        for label in of_image(record) if mine else ():
            category_id = dataset.class_map.ids[label - 1]
            results.append(mine[0] | {"category_id": category_id, "score": 0.9})
    return results


def test_only_detections_of_classes_that_were_looked_for_count(generated):
    classes = set(range(1, generated.class_map.num_classes + 1))

    def unknown(record):
        return classes - set(record.labels.tolist()) - record.negative_labels

    results = added(generated, unknown)
    assert len(results) > generated.num_annotations + 20
    assert metric(generated, results, OPTIONS)["mask/AP"] == 1.0
    results = added(generated, lambda record: record.negative_labels)
    assert 0.1 < metric(generated, results, OPTIONS)["mask/AP"] < 0.95


def test_a_surplus_of_a_class_that_is_annotated_in_part_does_not_count(generated):
    def partial(record):
        return record.not_exhaustive_labels

    def full(record):
        return set(record.labels.tolist()) - record.not_exhaustive_labels

    assert len(added(generated, partial)) > generated.num_annotations
    for of_image, expected in ((partial, True), (full, False)):
        results = added(generated, of_image)
        for result in results[generated.num_annotations :]:
            diagonal = np.eye(*result["segmentation"]["size"], dtype=np.uint8)
            dot = mask_utils.encode(np.asfortranarray(diagonal))
            result["segmentation"] = as_text(dot)
        assert (metric(generated, results, OPTIONS)["mask/AP"] == 1.0) == expected


def test_no_results_and_no_instances(generated):
    figures = metric(generated, [], OPTIONS)
    assert figures["mask/AP"] == figures["box/APf"] == 0.0
    none = dataclasses.replace(
        generated, images=[r.select(r.labels < 0) for r in generated.images]
    )
    assert metric(none, [], OPTIONS)["mask/AP"] == -1


def test_without_frequencies_only_their_figures_are_not_defined(generated):
    plain = dataclasses.replace(generated, class_frequencies=())
    results = perturbed(generated, 0)
    figures, known = (metric(d, results, OPTIONS) for d in (plain, generated))
    assert figures["mask/AP"] == known["mask/AP"] > 0
    assert figures["mask/APr"] == figures["box/APf"] == -1 < known["mask/APr"]


def test_boundary_ap_stands_beside_and_is_below_mask_ap(generated):
    options = dataclasses.replace(OPTIONS, boundary=True)
    found = find_metric(options, generated)
    results = perturbed(generated, 0)
    figures = found.compute(generated, results, options)
    assert found.name == "lvis"
    assert set(found.figure_names(generated, options)) == set(figures)
    for letter in ("", "r", "c", "f"):
        assert 0 < figures[f"boundary/AP{letter}"] <= figures[f"mask/AP{letter}"]
    assert figures["boundary/AP"] < figures["mask/AP"]
    text = found.format(figures)
    assert "5 rare, 4 common, 3 frequent; 4 with instances here" in text
    assert f"{figures['mask/APr']:.3f}" in text


def test_with_every_class_verified_the_figures_are_cocos(generated):
    every = frozenset(range(1, generated.class_map.num_classes + 1))
    known = dataclasses.replace(
        generated,
        images=[
            dataclasses.replace(
                r, negative_labels=every, not_exhaustive_labels=frozenset()
            )
            for r in generated.images
        ],
    )
    results = perturbed(generated, 1)
    options = dataclasses.replace(OPTIONS, boundary=True)
    ours = metric(known, results, options)
    theirs = coco_metrics.metric(known, results, options)
    shared = [
        f"{k}/{n}"
        for k in ("box", "mask", "boundary")
        for n in ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR300", "ARs")
    ]
    for name in shared:
        assert ours[name] == pytest.approx(theirs[name], abs=1e-12), name


def test_data_that_is_not_lvis_is_refused(generated):
    plain = [dataclasses.replace(r, negative_labels=None) for r in generated.images]
    with pytest.raises(EvaluationError, match="expected data of LVIS"):
        metric(dataclasses.replace(generated, images=plain), [], OPTIONS)
