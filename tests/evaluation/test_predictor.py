"""From images to results with a stand-in for the model."""

import json

import cv2
import numpy as np
import pytest
import tensorflow as tf
from pycocotools import mask as mask_utils

from tfmask.config import DataConfig
from tfmask.data.readers import load_dataset
from tfmask.errors import DataError, EvaluationError
from tfmask.evaluation.coco_metrics import evaluate
from tfmask.evaluation.predictor import Predictor
from tfmask.structures import ClassMap

CLASSES = ClassMap((5, 90), ("cell", "nut"))


class CentreModel:
    """Finds the middle half of every image; the score is the mean brightness."""

    def __init__(self, bad=None, mask_factor=None):
        self.traces = 0
        self.bad = bad
        self.mask_factor = mask_factor

    def __call__(self, inputs, training):
        assert training is False
        self.traces += 1
        images = tf.cast(inputs["images"], tf.float32)
        size = tf.cast(inputs["image_sizes"], tf.float32)
        batch = tf.shape(images)[0]
        height, width = size[:, 0], size[:, 1]
        box = tf.stack([width / 4, height / 4, 3 * width / 4, 3 * height / 4], axis=-1)
        if self.bad is not None:
            box = box + self.bad
        outside = tf.stack([-width, -height, -width / 9, -height / 9], axis=-1)
        score = tf.reduce_sum(images, [1, 2, 3]) / (255 * 3 * height * width)
        zero = tf.zeros_like(box)
        rated = {}
        if self.mask_factor is not None:
            factors = [self.mask_factor, np.nan, 0.0]
            rated["mask_scores"] = score[:, None] * tf.constant([factors])
        return rated | {
            "boxes": tf.stack([box, zero, outside], axis=1),
            "scores": tf.stack([score, score, score / 2], axis=1),
            "labels": tf.tile([[2, 0, 1]], [batch, 1]),
            "valid": tf.tile([[True, False, True]], [batch, 1]),
            "masks": tf.ones([batch, 3, 28, 28]),
        }


def config(**changes):
    return DataConfig(eval_short_side=64, eval_max_side=96, **changes)


def gray(height, width, value):
    return np.full((height, width, 3), value, np.uint8)


IMAGES = [gray(100, 150, 40), gray(64, 64, 200), gray(50, 75, 90), gray(30, 200, 160)]


def test_boxes_and_masks_come_in_pixels_of_the_original():
    (found,) = Predictor(CentreModel(), config(), CLASSES).predict([gray(80, 200, 51)])
    np.testing.assert_allclose(found.boxes, [[50, 20, 150, 60]], atol=1e-3)
    np.testing.assert_allclose(found.scores, [0.2], atol=1e-5)
    assert found.labels.tolist() == [2] and found.size == (80, 200)
    mask = mask_utils.decode(found.masks[0])
    assert mask.shape == (80, 200)
    assert mask[22:58, 52:148].all() and mask.sum() <= 40 * 100


def test_rounded_sizes_scale_each_axis_by_its_own_factor():
    (found,) = Predictor(CentreModel(), config(), CLASSES).predict([gray(37, 91, 9)])
    np.testing.assert_allclose(
        found.boxes, [[91 / 4, 37 / 4, 91 * 3 / 4, 37 * 3 / 4]], atol=1e-3
    )


@pytest.mark.parametrize("batch_size", [2, 8])
def test_a_mixed_batch_equals_the_images_one_by_one(batch_size):
    predictor = Predictor(CentreModel(), config(), CLASSES)
    together = predictor.predict(IMAGES, batch_size=batch_size)
    for image, one in zip(IMAGES, together):
        (alone,) = predictor.predict([image])
        np.testing.assert_allclose(one.boxes, alone.boxes, atol=1e-4)
        np.testing.assert_allclose(one.scores, alone.scores, atol=1e-6)
        assert one.masks == alone.masks and one.size == image.shape[:2]


def test_one_trace_serves_all_sizes():
    model = CentreModel()
    predictor = Predictor(model, config(), CLASSES)
    predictor.predict(IMAGES, batch_size=2)
    predictor.predict([gray(90, 90, 3)] * 5, batch_size=4)
    assert model.traces == 1


def test_no_images_give_no_predictions():
    assert Predictor(CentreModel(), config(), CLASSES).predict([]) == []


@pytest.mark.parametrize(
    "image",
    [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3)), np.zeros((5, 5, 4), "u1")],
)
def test_arrays_of_another_kind_are_refused(image):
    with pytest.raises(ValueError, match=r"images\[0\].*uint8"):
        Predictor(CentreModel(), config(), CLASSES).predict([image])


def test_boxes_that_are_not_finite_are_refused():
    predictor = Predictor(CentreModel(bad=np.nan), config(), CLASSES)
    with pytest.raises(EvaluationError, match=r"images\[0\].*not finite"):
        predictor.predict([gray(50, 50, 9)])


def test_above_keeps_what_reaches_the_threshold():
    (found,) = Predictor(CentreModel(), config(), CLASSES).predict([gray(50, 50, 102)])
    assert len(found.above(0.39).masks) == 1
    assert len(found.above(0.41).masks) == 0


def test_mask_scores_follow_their_detections_into_the_results():
    predictor = Predictor(CentreModel(mask_factor=0.5), config(), CLASSES)
    (found,) = predictor.predict([gray(50, 50, 102)])
    np.testing.assert_allclose(found.scores, [0.4], atol=1e-5)
    np.testing.assert_allclose(found.mask_scores, [0.2], atol=1e-5)
    (result,) = found.to_results(7, CLASSES)
    assert result["score"] == pytest.approx(0.4, abs=1e-5)
    assert result["mask_score"] == pytest.approx(0.2, abs=1e-5)
    # The threshold is about the score.
    assert len(found.above(0.39).mask_scores) == 1
    assert len(found.above(0.41).mask_scores) == 0


def test_models_without_mask_scores_give_results_without():
    (found,) = Predictor(CentreModel(), config(), CLASSES).predict([gray(50, 50, 9)])
    (result,) = found.to_results(7, CLASSES)
    assert found.mask_scores is None and "mask_score" not in result


def test_mask_scores_that_are_not_finite_are_refused():
    predictor = Predictor(CentreModel(mask_factor=np.nan), config(), CLASSES)
    with pytest.raises(EvaluationError, match="not finite"):
        predictor.predict([gray(50, 50, 9)])


@pytest.fixture
def folder(tmp_path):
    """Images of several sizes with a rectangle in the middle half of each."""
    (tmp_path / "images").mkdir()
    truth = {"images": [], "annotations": [], "categories": []}
    truth["categories"] = [{"id": 90, "name": "nut"}, {"id": 5, "name": "cell"}]
    for number, image in enumerate(IMAGES):
        height, width = image.shape[:2]
        image_id = f"im-{9 - number}"
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), image)
        truth["images"].append(
            {
                "id": image_id,
                "file_name": f"{number}.png",
                "height": height,
                "width": width,
            }
        )
        x1, y1, x2, y2 = width / 4, height / 4, width * 3 / 4, height * 3 / 4
        truth["annotations"].append(
            {
                "id": number + 1,
                "image_id": image_id,
                "category_id": 90,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1),
                "iscrowd": 0,
                "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]],
            }
        )
    (tmp_path / "annotations.json").write_text(json.dumps(truth))
    return tmp_path


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_data_set_gives_results_with_its_own_ids(folder, batch_size):
    dataset = load_dataset(str(folder))
    seen = []
    results, judged = Predictor(CentreModel(), config(), CLASSES).run_dataset(
        dataset, batch_size, lambda done, total: seen.append((done, total))
    )
    assert judged is dataset
    assert json.loads(json.dumps(results)) == results
    assert sorted(r["image_id"] for r in results) == ["im-6", "im-7", "im-8", "im-9"]
    assert {r["category_id"] for r in results} == {90}
    assert seen[-1] == (4, 4)
    figures = evaluate(dataset, results)
    assert figures["box/AP"] == pytest.approx(1.0)
    assert figures["mask/AP75"] == pytest.approx(1.0)


def test_a_data_set_gives_what_its_images_give(folder):
    dataset = load_dataset(str(folder))
    predictor = Predictor(CentreModel(), config(), CLASSES)
    results = {r["image_id"]: r for r in predictor.run_dataset(dataset, 2).results}
    for record, prediction in zip(dataset.images, predictor.predict(IMAGES)):
        (expected,) = prediction.to_results(record.image_id, CLASSES)
        assert results[record.image_id] == expected


def test_an_image_lost_after_loading_is_one_clear_error_when_strict(folder):
    dataset = load_dataset(str(folder))
    (folder / "images" / "2.png").unlink()
    predictor = Predictor(CentreModel(), config(strict=True), CLASSES)
    with pytest.raises(DataError, match=r"2\.png"):
        predictor.run_dataset(dataset)


def test_an_image_that_cannot_be_read_is_left_out_of_the_judgement(folder):
    """Its objects are not missed ones: the figures are those of the other images."""
    dataset = load_dataset(str(folder))
    data = (folder / "images" / "1.png").read_bytes()
    (folder / "images" / "1.png").write_bytes(data[: len(data) // 2])
    lines, seen = [], []
    predictor = Predictor(CentreModel(), config(max_bad_fraction=0.5), CLASSES)
    results, judged = predictor.run_dataset(
        dataset, 2, lambda *done: seen.append(done), lines.append
    )
    assert [r.image_id for r in judged.images] == ["im-9", "im-7", "im-6"]
    assert evaluate(judged, results)["mask/AP75"] == 1 and seen[-1] == (3, 4)
    assert evaluate(dataset, results)["mask/AP75"] < 0.8
    assert "1.png" in lines[0] and "left out" in lines[0]
    assert "1 of 4 images cannot be read: they are left out of the figures" == lines[1]


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3)])
def test_an_image_without_a_pixel_is_refused(shape):
    with pytest.raises(ValueError, match=r"images\[0\].*at least one row"):
        Predictor(CentreModel(), config(), CLASSES).predict([np.zeros(shape, "u1")])


def resident_kib() -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def test_memory_does_not_grow_over_500_inferences():
    predictor = Predictor(CentreModel(), config(), CLASSES)
    rng = np.random.default_rng(0)
    readings = []
    for number in range(600):
        predictor.predict([gray(*(int(v) for v in rng.integers(40, 120, 2)), 99)])
        if number >= 100 and number % 100 == 99:
            readings.append(resident_kib())
    assert readings[-1] - readings[0] < 4096  # KiB over 400 to 500 calls


class EdgeModel(CentreModel):
    """Gives the outer cells of each box as boundary, where it is asked to."""

    show_boundaries = False

    def __call__(self, inputs, training, boundaries=False):
        outputs = super().__call__(inputs, training)
        if boundaries or self.show_boundaries:
            ring = np.ones((28, 28), np.float32)
            ring[2:-2, 2:-2] = 0
            count = tf.shape(inputs["images"])[0]
            outputs["boundaries"] = tf.tile(
                tf.constant(ring)[None, None], [count, 3, 1, 1]
            )
        return outputs


def test_boundaries_come_in_pixels_of_the_original():
    """Two of 28 cells on a box 140 wide and 70 high are 10 and 5 pixels."""
    predictor = Predictor(EdgeModel(), config(), CLASSES, boundaries=True)
    (found,) = predictor.predict([gray(140, 280, 51)])
    (code,) = found.boundaries
    band = mask_utils.decode(code)
    assert band.shape == (140, 280)
    across, down = np.flatnonzero(band[70]), np.flatnonzero(band[:, 140])
    np.testing.assert_array_equal(across, [*range(70, 80), *range(200, 210)])
    np.testing.assert_array_equal(down, [*range(35, 40), *range(100, 105)])
    assert found.above(0.9).boundaries == [] and found.above(0.1).boundaries == [code]


def test_a_predictor_without_boundaries_does_not_ask_for_them():
    model = EdgeModel()
    with_them = Predictor(model, config(), CLASSES, boundaries=True)
    without = Predictor(model, config(), CLASSES)
    image = gray(50, 60, 90)
    assert with_them.predict([image])[0].boundaries is not None
    assert without.predict([image])[0].boundaries is None
    assert with_them.predict([image])[0].boundaries is not None
    assert not model.show_boundaries and model.traces == 2


def test_results_are_the_same_with_boundaries():
    first, second = (
        Predictor(EdgeModel(), config(), CLASSES, boundaries=on).predict(IMAGES)
        for on in (False, True)
    )
    for plain, shown in zip(first, second):
        assert plain.to_results(1, CLASSES) == shown.to_results(1, CLASSES)
