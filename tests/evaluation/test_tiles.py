"""Large images by tiles: the instances are those of the image, seams or not."""

import json

import cv2
import numpy as np
import pytest
from coco_sets import encode
from evaluation.label_maps import CLASSES, Seer, paint, scene, truth
from pycocotools import mask as mask_utils

from tfmask.data.readers import load_dataset
from tfmask.evaluation.coco_metrics import evaluate
from tfmask.evaluation.prediction import Prediction
from tfmask.evaluation.seams import Window, join_tiles, tile_windows
from tfmask.evaluation.tiles import TiledPredictor


def figures(ids, labels, found):
    results = found.to_results(1, CLASSES)
    return evaluate(truth(ids, labels), results, max_dets=(1, 10, 10000))


@pytest.mark.parametrize(
    "height, width, tile, overlap",
    [(4000, 6000, 1024, 128), (1025, 800, 1024, 128), (300, 5000, 256, 255)],
)
def test_tiles_cover_the_image_and_share_the_overlap(height, width, tile, overlap):
    windows = tile_windows(height, width, tile, overlap)
    seen = np.zeros((height, width), bool)
    for w in windows:
        assert 0 <= w.x1 < w.x2 <= width and 0 <= w.y1 < w.y2 <= height
        assert w.x2 - w.x1 == min(tile, width) and w.y2 - w.y1 == min(tile, height)
        seen[w.y1 : w.y2, w.x1 : w.x2] = True
    assert seen.all()
    for starts, side in (
        (sorted({w.x1 for w in windows}), min(tile, width)),
        (sorted({w.y1 for w in windows}), min(tile, height)),
    ):
        assert all(a + side - b >= overlap for a, b in zip(starts, starts[1:]))


def test_an_image_that_fits_is_one_tile():
    assert tile_windows(90, 100, 100, 20) == [Window(0, 0, 100, 90)]
    ids, labels = scene(0, 90, 100, 10)
    seer = Seer(labels)
    (tiled,) = TiledPredictor(seer, 100, 20).predict([paint(ids)])
    (plain,) = Seer(labels).predict([paint(ids)])
    assert seer.sizes == [(90, 100)] and tiled.masks == plain.masks


@pytest.mark.parametrize("parts", [False, True])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tile, overlap", [(256, 64), (200, 110)])
def test_what_sees_the_truth_cut_by_tiles_has_the_whole_truth(
    seed, tile, overlap, parts
):
    """Disks are shorter than the overlap, bars longer than a tile."""
    ids, labels = scene(seed)
    if parts:  # only what is in one part in the image is one instance
        for k in np.unique(ids):
            count, pieces = cv2.connectedComponents((ids == k).astype(np.uint8))
            for i in range(2, count) if k else ():
                ids[pieces == i] = 0
    seer = Seer(labels, parts)
    (found,) = TiledPredictor(seer, tile, overlap).predict([paint(ids)], batch_size=4)
    assert len(seer.sizes) > 8 and set(seer.sizes) == {(tile, tile)}
    assert found.size == ids.shape
    assert len(found.scores) == len(np.unique(ids)) - 1
    assert (np.diff(found.scores) <= 0).all()
    judged = figures(ids, labels, found)
    assert judged["mask/AP"] == 1 and judged["box/AP"] == 1
    expected = {a["segmentation"]["counts"] for a in truth(ids, labels)["annotations"]}
    assert {m["counts"] for m in found.masks} == expected


def shaken(prediction, seed):
    """The masks grown or shrunk by a pixel, as a model's are."""
    rng, masks = np.random.default_rng(seed), []
    for code in prediction.masks:
        mask = mask_utils.decode(code)
        change = cv2.dilate if rng.random() < 0.5 else cv2.erode
        masks.append(encode(change(mask, np.ones((3, 3), np.uint8))))
    return prediction._replace(masks=masks)


def test_masks_that_differ_by_pixels_are_still_joined():
    ids, labels = scene(5, number=120)
    seer = Seer(labels)
    plain = seer.predict
    seer.predict = lambda images, batch_size: [
        shaken(p, i) for i, p in enumerate(plain(images))
    ]
    (found,) = TiledPredictor(seer, 256, 64).predict([paint(ids)])
    judged = figures(ids, labels, found)
    (alone,) = plain([paint(ids)])
    untiled = figures(ids, labels, shaken(alone, 9))
    assert judged["mask/AP50"] == pytest.approx(untiled["mask/AP50"], abs=0.01)
    assert abs(len(found.scores) - len(labels)) <= 2


def prediction(masks, labels, scores, **more):
    boxes = []
    for mask in masks:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        boxes.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    return Prediction(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(labels, np.int32),
        [encode(mask) for mask in masks],
        (100, 100),
        **more,
    )


def bar(x1, x2, y1=40, y2=50):
    mask = np.zeros((100, 100), bool)
    mask[y1:y2, x1:x2] = True
    return mask


LEFT, RIGHT = Window(0, 0, 100, 100), Window(70, 0, 170, 100)


def test_a_joined_instance_has_the_best_scores_and_both_boundaries():
    """An object from 60 to 110 is cut by both tiles, whose common part is 70 to 100."""
    code = encode(bar(0, 100))
    found = join_tiles(
        (100, 170),
        [LEFT, RIGHT],
        [
            prediction(
                [bar(60, 100)],
                [1],
                [0.6],
                mask_scores=np.array([0.5]),
                boundaries=[code],
            ),
            prediction(
                [bar(0, 40)], [1], [0.8], mask_scores=np.array([0.4]), boundaries=[code]
            ),
        ],
    )
    np.testing.assert_allclose(found.scores, [0.8])
    np.testing.assert_allclose(found.mask_scores, [0.5])
    assert found.boxes.tolist() == [[60, 40, 110, 50]]
    mask = mask_utils.decode(found.masks[0])
    assert mask.sum() == 500 and mask[40:50, 60:110].all()
    assert mask_utils.area(found.boundaries[0]) == 170 * 10


def test_instances_of_two_classes_are_not_joined():
    found = join_tiles(
        (100, 170),
        [LEFT, RIGHT],
        [prediction([bar(60, 100)], [1], [0.6]), prediction([bar(0, 40)], [2], [0.8])],
    )
    assert found.labels.tolist() == [2, 1]


def test_fragments_of_neighbours_are_not_joined():
    """Two bars, one above the other: each meets its own half alone."""
    found = join_tiles(
        (100, 170),
        [LEFT, RIGHT],
        [
            prediction(
                [bar(60, 100, 40, 48), bar(60, 100, 50, 58)], [1, 1], [0.6, 0.5]
            ),
            prediction([bar(0, 40, 41, 49), bar(0, 40, 50, 57)], [1, 1], [0.8, 0.4]),
        ],
    )
    assert len(found.scores) == 2

    assert sorted(b[1] for b in found.boxes.tolist()) == [40, 50]


def test_a_fragment_of_what_the_neighbour_sees_whole_is_dropped_whatever_its_score():
    found = join_tiles(
        (100, 170),
        [LEFT, RIGHT],
        [
            prediction([bar(90, 100)], [1], [0.99]),
            prediction([bar(18, 60)], [1], [0.3]),
        ],
    )
    assert found.boxes.tolist() == [[88, 40, 130, 50]]
    np.testing.assert_allclose(found.scores, [0.3])


def test_a_fragment_may_end_a_little_before_the_edge():
    found = join_tiles(
        (100, 170),
        [LEFT, RIGHT],
        [
            prediction([bar(88, 96)], [1], [0.99]),
            prediction([bar(18, 60)], [1], [0.3]),
        ],
    )
    assert found.boxes.tolist() == [[88, 40, 130, 50]]


@pytest.mark.parametrize("left, right", [(90, 97), (80, 86)])
def test_a_small_object_on_a_large_one_is_no_fragment_of_it(left, right):
    """Both tiles see both, whole; the large one may be a mistake."""
    large, small = bar(72, 98, 30, 60), bar(left, right)
    found = join_tiles(
        (100, 170),
        [LEFT, RIGHT],
        [
            prediction([large, small], [1, 1], [0.1, 0.99]),
            prediction(
                [bar(2, 28, 30, 60), bar(left - 70, right - 70)], [1, 1], [0.2, 0.98]
            ),
        ],
    )
    assert found.boxes.tolist() == [[left, 40, right, 50], [72, 30, 98, 60]]
    np.testing.assert_allclose(found.scores, [0.99, 0.2])


def test_a_long_object_is_no_fragment_of_a_mistake_on_it():
    """60 to 110, cut by both tiles; one takes a part of it for an object of its own."""
    found = join_tiles(
        (100, 170),
        [LEFT, RIGHT],
        [
            prediction([bar(60, 100), bar(72, 97)], [1, 1], [0.9, 0.1]),
            prediction([bar(0, 40)], [1], [0.8]),
        ],
    )
    assert [60, 40, 110, 50] in found.boxes.tolist()


def test_of_what_two_tiles_see_whole_the_better_is_kept():
    found = join_tiles(
        (100, 170),
        [LEFT, RIGHT],
        [prediction([bar(78, 92)], [1], [0.4]), prediction([bar(8, 21)], [1], [0.7])],
    )
    assert found.boxes.tolist() == [[78, 40, 91, 50]]


def test_tiles_without_anything_give_nothing():
    empty = prediction([], [], [])
    found = join_tiles((100, 170), [LEFT, RIGHT], [empty, empty])
    assert found.boxes.shape == (0, 4) and found.masks == []


def test_detections_without_a_pixel_stay():
    nothing = prediction([bar(10, 20)], [1], [0.5])._replace(
        masks=[encode(np.zeros((100, 100), bool))]
    )
    found = join_tiles((100, 170), [LEFT, RIGHT], [nothing, prediction([], [], [])])
    assert found.boxes.tolist() == [[10, 40, 20, 50]]


def write_set(folder, scenes):
    (folder / "images").mkdir()
    content = {"images": [], "annotations": [], "categories": []}
    for number, (ids, labels) in enumerate(scenes, 1):
        name = f"{number}.png"
        cv2.imwrite(str(folder / "images" / name), paint(ids)[..., ::-1])
        one = truth(ids, labels)
        content["categories"] = one["categories"]
        content["images"].append({**one["images"][0], "id": number, "file_name": name})
        for a in one["annotations"]:
            key = len(content["annotations"]) + 1
            content["annotations"].append({**a, "id": key, "image_id": number})
    (folder / "annotations.json").write_text(json.dumps(content))


def test_a_data_set_of_large_images_is_judged_as_if_whole(tmp_path):
    ids, labels = scene(7, 300, 420, 40, bars=1)
    write_set(tmp_path, [(ids, labels), (ids[::-1], labels), (ids[:, ::-1], labels)])
    dataset = load_dataset(str(tmp_path))
    (tmp_path / "images" / "2.png").write_bytes(b"\x89PNG cut short")
    lines, seen = [], []
    predictor = TiledPredictor(Seer(labels), 200, 64)
    results, judged = predictor.run_dataset(
        dataset, 2, lambda *done: seen.append(done), lines.append
    )
    assert [r.image_id for r in judged.images] == [1, 3] and seen[-1] == (2, 3)
    assert evaluate(judged, results, max_dets=(1, 10, 1000))["mask/AP"] == 1
    assert "2.png" in lines[0]
    assert lines[1] == "1 of 3 images cannot be read: they are left out of the figures"
