import numpy as np
import tensorflow as tf

from tfmask.ops import sampling

SEED = tf.constant([7, 1], tf.int64)


def test_draw_respects_batch_and_share():
    labels = tf.constant([1] * 50 + [0] * 500 + [-1] * 100)
    index, is_fg, valid = sampling.draw(labels, 64, 0.25, SEED)
    assert valid.numpy().all() and int(tf.reduce_sum(tf.cast(is_fg, tf.int32))) == 16
    drawn = tf.gather(labels, index).numpy()
    assert (drawn[is_fg.numpy()] == 1).all() and (drawn[~is_fg.numpy()] == 0).all()
    assert len(set(index.numpy())) == 64


def test_background_fills_what_foreground_leaves():
    labels = tf.constant([1] * 3 + [0] * 500)
    _, is_fg, valid = sampling.draw(labels, 64, 0.25, SEED)
    assert is_fg.numpy().sum() == 3 and valid.numpy().all()


def test_too_few_candidates_leave_padding_at_the_end():
    labels = tf.constant([1, -1, 0, 0, -1])
    _, is_fg, valid = sampling.draw(labels, 64, 0.5, SEED)
    assert list(valid.numpy()) == [True, True, True, False, False]
    assert list(is_fg.numpy()) == [True, False, False, False, False]


def test_draw_follows_from_the_seed_alone():
    labels = tf.constant([0] * 1000)
    first = sampling.draw(labels, 10, 0.5, SEED)[0].numpy()
    assert (first == sampling.draw(labels, 10, 0.5, SEED)[0].numpy()).all()
    other = sampling.draw(labels, 10, 0.5, SEED + 1)[0].numpy()
    assert set(first) != set(other)


def test_every_candidate_is_equally_likely():
    labels = tf.constant([0] * 20)
    counts = np.zeros(20)
    for i in range(300):
        index, _, _ = sampling.draw(labels, 5, 0.5, tf.constant([i, 3], tf.int64))
        counts[index.numpy()] += 1
    assert counts.min() > 45 and counts.max() < 110  # 75 expected


def test_unusable_ground_truth_matches_nothing():
    boxes = tf.constant([[0.0, 0, 10, 10]])
    _, best, _ = sampling.match(boxes, boxes, tf.constant([False]))
    assert float(best[0]) == 0


def test_best_of_instance_keeps_ties_and_skips_untouched_instances():
    iou = tf.constant([[0.2, 0.0], [0.2, 0.0], [0.1, 0.0]])
    assert list(sampling.best_of_instance(iou).numpy()) == [True, True, False]


def test_crowd_region_covers_boxes_inside_it():
    own = tf.constant([[0.0, 0, 10, 10], [8, 0, 18, 10], [50, 50, 60, 60]])
    boxes = tf.stack([own, own, own[::-1]])
    region, away = [0.0, 0, 10, 10], [70.0, 0, 80, 10]
    regions = tf.constant([[region, away], [region, away], [away, region]])
    crowd = tf.constant([[True, True], [False, True], [True, True]])
    got = sampling.in_crowd(boxes, regions, crowd, 0.5)
    none = [False, False, False]
    expected = [[True, False, False], none, [False, False, True]]
    assert got.numpy().tolist() == expected
    shared = sampling.in_crowd(own[None], regions, crowd, 0.5)
    assert shared.numpy().tolist() == [expected[0], none, expected[0]]
    no_region = sampling.in_crowd(boxes, regions, tf.zeros_like(crowd), 0.5)
    assert no_region.numpy().tolist() == [none] * 3
