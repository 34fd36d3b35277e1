"""What is drawn where, and that nothing breaks at the edges."""

import cv2
import numpy as np
import pytest
from coco_sets import encode

from tfmask.data.coco.segmentation import RLE
from tfmask.data.dataset import ImageRecord
from tfmask.evaluation import visualize
from tfmask.evaluation.name_places import free_spot
from tfmask.evaluation.prediction import Prediction
from tfmask.structures import ClassMap

CLASSES = ClassMap((5, 90), ("cell", "nut"))
BLACK = np.zeros((800, 900, 3), np.uint8)


def rectangle(x1, y1, x2, y2, size=(800, 900)):
    mask = np.zeros(size, bool)
    mask[y1:y2, x1:x2] = True
    return mask


def prediction(scores, size=(800, 900)):
    n = len(scores)
    boxes = np.tile(np.float32([[100, 100, 300, 300]]), (n, 1))
    masks = [encode(rectangle(100, 100, 300, 300, size))] * n
    return Prediction(boxes, np.float32(scores), np.ones(n, np.int32), masks, size)


def test_masks_are_half_transparent_and_the_rest_is_untouched():
    image = np.full((800, 900, 3), 100, np.uint8)
    picture = visualize.draw_instances(
        image, [[100, 100, 300, 300]], [1], [0.9], [rectangle(100, 100, 300, 300)]
    )
    colour = np.array(visualize.instance_colours(1)[0])
    np.testing.assert_allclose(picture[200, 200], 55 + 0.45 * colour, atol=1)
    assert (picture[500:, 500:] == 100).all()
    assert (image == 100).all()


def test_codes_and_arrays_draw_the_same():
    mask = rectangle(50, 60, 200, 210)
    arguments = (BLACK, [[50, 60, 200, 210]], [1], [0.5])
    np.testing.assert_array_equal(
        visualize.draw_instances(*arguments, [mask]),
        visualize.draw_instances(*arguments, [encode(mask)]),
    )


def test_colours_are_seeded_and_distinct():
    colours = visualize.instance_colours(30, seed=3)
    assert colours == visualize.instance_colours(30, seed=3)
    assert colours != visualize.instance_colours(30, seed=4)
    assert len(set(colours)) == 30
    luminance = np.array(colours) @ np.array([0.299, 0.587, 0.114])
    assert luminance.min() > 100  # seen on black


@pytest.mark.parametrize(
    ("side", "factor"), [(2000, 1), (800, 1), (500, 2), (256, 3), (20, 4)]
)
def test_small_images_are_enlarged(side, factor):
    image = np.zeros((side // 2, side, 3), np.uint8)
    assert visualize.enlargement(image) == factor
    picture = visualize.draw_instances(image, [[1, 1, 9, 9]], [1], [0.5], None, ("a",))
    assert picture.shape == (side // 2 * factor, side * factor, 3)
    assert picture.any()


def test_names_do_not_overlap_and_start_above_the_box():
    used, small = np.zeros((2, 100, 200), bool)
    spots = []
    while spot := free_spot(used, small, (20, 40, 90, 60), 60, 12):
        x, y = spot
        assert 0 <= x <= 140 and 0 <= y <= 88
        assert not used[y : y + 12, x : x + 60].any()
        used[y : y + 12, x : x + 60] = True
        spots.append(spot)
    assert spots[0] == (20, 28)
    assert len(spots) >= 3


def test_names_do_not_hide_small_instances():
    used, small = np.zeros((2, 100, 200), bool)
    small[:40] = True  # all that is above the box
    assert free_spot(used, small, (20, 40, 90, 60), 60, 12) == (20, 60)
    small[:] = True
    assert free_spot(used, small, (20, 40, 90, 60), 60, 12) is None


@pytest.mark.parametrize(
    "box",
    [(-50, -50, 20, 20), (880, 780, 2000, 2000), (5, 5, 5, 5), (0, 0, 900, 800)],
)
def test_boxes_at_and_beyond_the_edges_are_drawn(box):
    picture = visualize.draw_instances(BLACK, [box], [7], [0.25], None, CLASSES.names)
    assert picture.shape == BLACK.shape and picture.any()


def test_hundreds_of_instances_and_foreign_letters_are_drawn():
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 700, (300, 2))
    boxes = np.concatenate([corner, corner + 30], axis=1)
    picture = visualize.draw_instances(
        BLACK, boxes, np.ones(300, int), rng.random(300), None, ("蜂巣",)
    )
    assert picture.any()


def test_nothing_to_draw_gives_the_image_back():
    np.testing.assert_array_equal(
        visualize.draw_instances(BLACK, np.zeros((0, 4)), [], [], []), BLACK
    )


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([0.9, 0.6, 0.1], "2 detections above 0.5"),
        ([0.9], "1 detection above 0.5"),
        ([0.03, 0.01], "no detections above 0.5 (best score 0.03)"),
        ([], "no detections at all"),
    ],
)
def test_captions_say_what_is_there(scores, said):
    assert visualize.describe_prediction(prediction(scores), 0.5) == said


def record(crowd):
    mask = rectangle(100, 100, 300, 300)
    runs = [100 * 800 + 100, *[200, 600] * 199, 200, 800 * 599 + 600 - 100]
    runs[-1] = 800 * 900 - sum(runs[:-1])
    code = RLE(np.array(runs, np.int32), 800, 900)
    instance = ImageRecord(
        image_id=1,
        path="",
        file_name="",
        width=900,
        height=800,
        boxes=np.float32([[100, 100, 300, 300]]),
        labels=np.int32([2]),
        crowd=np.array([crowd]),
        areas=np.array([float(mask.sum())]),
        annotation_ids=(1,),
        segmentations=(code,),
    )
    assert (instance.mask(0) == mask).all()
    return instance


def test_ground_truth_is_drawn_and_crowd_is_gray():
    coloured = visualize.draw_ground_truth(record(False), BLACK, CLASSES)[200, 200]
    gray = visualize.draw_ground_truth(record(True), BLACK, CLASSES)[200, 200]
    assert len(set(gray.tolist())) == 1 and gray[0] > 50
    assert len(set(coloured.tolist())) > 1


def test_pages_of_different_heights_stand_side_by_side():
    low, high = np.zeros((50, 300, 3), np.uint8), np.zeros((90, 200, 3), np.uint8)
    page = visualize.side_by_side(low, high)
    bar = visualize.with_caption(high, "x").shape[0] - 90
    assert page.shape == (90 + bar, 300 + 8 + 200, 3)
    assert (page[:, 300:308] == 255).all()


def test_comparison_holds_both_pictures_even_without_detections():
    page = visualize.compare(record(False), BLACK, prediction([0.1]), CLASSES)
    bar = visualize.with_caption(BLACK, "x").shape[0] - 800
    assert page.shape == (800 + bar, 1808, 3)
    assert page[bar + 200, 200].any() and not page[bar + 200, 908 + 200].any()


def test_long_captions_fit_into_narrow_pictures():
    narrow = np.zeros((40, 60, 3), np.uint8)
    page = visualize.with_caption(narrow, "no detections above 0.5 (best score 0.03)")
    assert page.shape[1] == 60


def test_png_bytes_give_the_picture_back():
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    data = np.frombuffer(visualize.encode_png(image), np.uint8)
    np.testing.assert_array_equal(
        cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1], image
    )


def test_boundaries_are_opaque_bands_in_a_brighter_colour():
    band = rectangle(100, 100, 300, 300) & ~rectangle(110, 110, 290, 290)
    arguments = (BLACK, [[100, 100, 300, 300]], [1], [0.5])
    mask = rectangle(100, 100, 300, 300)
    plain = visualize.draw_instances(*arguments, [mask], draw_boxes=False)
    picture = visualize.draw_instances(
        *arguments, [mask], boundaries=[encode(band)], draw_boxes=False
    )
    colour = np.array(visualize.instance_colours(1)[0])
    np.testing.assert_allclose(picture[200, 105], 255 - 0.4 * (255 - colour), atol=1)
    outside = ~band
    outside[:100] = False  # the name
    np.testing.assert_array_equal(picture[outside], plain[outside])


def test_pictures_of_a_prediction_show_its_boundaries():
    found = prediction([0.9, 0.2])
    band = encode(rectangle(100, 100, 300, 110))
    shown = found._replace(boundaries=[band, encode(rectangle(0, 0, 9, 9))])
    plain = visualize.draw_prediction(found, BLACK, CLASSES)
    picture = visualize.draw_prediction(shown, BLACK, CLASSES)
    changed = (plain != picture).any(axis=-1)
    assert changed[105, 101:299].all()
    assert not changed[:90].any()  # below the threshold


def test_empty_boundaries_change_nothing():
    found = prediction([0.9])
    empty = found._replace(boundaries=[encode(np.zeros((800, 900), bool))])
    np.testing.assert_array_equal(
        visualize.draw_prediction(found, BLACK, CLASSES),
        visualize.draw_prediction(empty, BLACK, CLASSES),
    )


def test_large_images_are_made_small_before_anything_is_drawn():
    image = np.full((2000, 3000, 3), 100, np.uint8)
    mask = rectangle(600, 500, 1800, 1400, size=(2000, 3000))
    picture = visualize.draw_instances(
        image, [[600, 500, 1800, 1400]], [1], [0.9], [mask], longest_side=600
    )
    assert picture.shape == (400, 600, 3)
    colour = np.array(visualize.instance_colours(1)[0])
    np.testing.assert_allclose(picture[200, 240], 55 + 0.45 * colour, atol=1)
    assert (picture[320:, 400:] == 100).all()
    np.testing.assert_array_equal(picture[99:101, 130], [colour] * 2)  # the box
    # Names are as large as in a picture that is small from the start.
    name = (picture[:99] != 100).any(-1)
    assert 40 < name.any(0).sum() < 150


def test_images_that_are_small_already_keep_their_size():
    assert visualize.draw_instances(
        BLACK, np.zeros((0, 4)), [], longest_side=900
    ).shape == (800, 900, 3)


def test_comparisons_can_be_bounded():
    page = visualize.compare(
        record(False), BLACK, prediction([0.9]), CLASSES, longest_side=300
    )
    assert page.shape[1] == 2 * 300 + 8


@pytest.mark.parametrize("most", [1_000, 20_000, 200_000])
def test_noise_is_written_within_the_bytes_that_it_may_take(most):
    noise = np.random.default_rng(0).integers(0, 255, (500, 900, 3), np.uint8)
    data, height, width = visualize.encode_within(noise, most)
    assert most // 4 < len(data) <= most
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (height, width, 3)
    assert width / height == pytest.approx(1.8, rel=0.1)


def test_a_picture_of_few_bytes_stays_as_it_is():
    data, height, width = visualize.encode_within(BLACK, 50_000)
    assert data == visualize.encode_png(BLACK) and (height, width) == (800, 900)
