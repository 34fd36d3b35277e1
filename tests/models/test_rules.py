"""The lineages' rules on tables small enough to follow by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tfmask.models.proposals import ProposalSelection, RegionProposals
from tfmask.models.rules import (
    AnchorGenerator,
    AnchorMatcher,
    BoxCoder,
    RoIMatcher,
    RoISampler,
)
from tfmask.ops import sampling
from tfmask.structures import AnchorSamples, Proposals, RoISamples, Targets

FG, BG, IGNORE = sampling.FOREGROUND, sampling.BACKGROUND, sampling.IGNORE
SIZE = tf.constant([100, 100])
OBJECT = [20, 20, 60, 60]
# Overlaps with OBJECT: 1, 30/50 = 0.6, 8/40 = 0.2, 0, and 0.2 partly outside the image.
ANCHORS = {
    "same": [20, 20, 60, 60],
    "beside": [30, 20, 70, 60],
    "part": [20, 20, 28, 60],
    "away": [70, 70, 90, 90],
    "outside": [-20, 20, 28, 36],
}


def anchor_labels(names, objects=(OBJECT,), crowd=(False,), **rule):
    count = len(objects)
    targets = Targets(
        tf.constant([objects], tf.float32),
        tf.ones([1, count], tf.int32),
        tf.zeros([1, count, 4, 4], tf.uint8),
        tf.constant([crowd]),
        tf.ones([1, count], tf.bool),
    )
    labels, index = AnchorMatcher(**rule).label(
        tf.constant([ANCHORS[n] for n in names], tf.float32), targets, SIZE[None]
    )
    return labels[0].numpy().tolist()


# --- anchors ------------------------------------------------------------------------


def test_anchors_by_overlap():
    names = ["same", "beside", "part", "away"]
    assert anchor_labels(names) == [FG, IGNORE, BG, BG]
    assert anchor_labels(names, fg_iou=0.5) == [FG, FG, BG, BG]
    assert anchor_labels(names, bg_iou=0.1) == [FG, IGNORE, IGNORE, BG]


@pytest.mark.parametrize("rule, best", [("win", FG), ("lose", BG)])
def test_an_instances_best_anchor_below_the_background_overlap(rule, best):
    names = ["part", "away"]
    assert anchor_labels(names, low_quality=rule) == [best, BG]
    # One that reaches bg_iou is foreground under either rule.
    assert anchor_labels(["beside", "away"], low_quality=rule) == [FG, BG]


def test_anchors_that_leave_the_image_take_no_part():
    names = ["same", "outside", "away"]
    assert anchor_labels(names) == [FG, BG, BG]
    assert anchor_labels(names, inside_only=True) == [FG, IGNORE, BG]


def test_best_anchor_is_sought_among_all_or_among_those_inside():
    """The object's best anchor leaves the image; `part` is the best one inside."""
    thin = [-4, 20, 28, 36]  # overlaps `outside` by 0.67 and `part` by 0.19
    names = ["outside", "part", "away"]

    def labels(match):
        return anchor_labels(names, objects=[thin], inside_only=True, match=match)

    assert labels("all") == [IGNORE, BG, BG]
    assert labels("inside") == [IGNORE, FG, BG]


@pytest.mark.parametrize("threshold, expected", [(0.5, IGNORE), (0.6, BG), (1.1, BG)])
def test_anchors_in_a_crowd_region_are_no_background(threshold, expected):
    # Half of `beside` lies in the region, which is no instance either.
    labels = anchor_labels(
        ["beside"], objects=[[50, 0, 100, 100]], crowd=[True], crowd_ioa=threshold
    )
    assert labels == [expected]


def test_unknown_words_are_refused():
    for make in (
        lambda: AnchorMatcher(low_quality="draw"),
        lambda: AnchorMatcher(match="outside"),
        lambda: AnchorGenerator(rounding="up"),
        lambda: ProposalSelection(post_nms_scope="world"),
        lambda: RegionProposals(None, normalizer="none"),
    ):
        with pytest.raises(ValueError, match="expected one of"):
            make()


# --- losses of the RPN --------------------------------------------------------------


@pytest.mark.parametrize("normalizer, count", [("batch", 8), ("sampled", 3)])
def test_losses_are_divided_by_the_batch_or_by_what_was_sampled(normalizer, count):
    """Three anchors of one image, room for eight; each costs log 2."""
    samples = AnchorSamples(
        tf.constant([[0, 1, 2, 0]]),
        tf.constant([[True, False, False, False]]),
        tf.constant([[[1.0, 0, 0, 0]] + [[0.0] * 4] * 3]),
        tf.constant([[True, True, True, False]]),
    )
    proposals = RegionProposals(None, batch=8, normalizer=normalizer)
    terms = proposals.losses(samples, tf.zeros([1, 4]), tf.zeros([1, 4, 4]))
    assert float(terms["rpn_objectness"]) == pytest.approx(3 * np.log(2) / count)
    assert float(terms["rpn_box"]) == pytest.approx(1 / count)


# --- proposals ----------------------------------------------------------------------


class Head:
    """Says of every anchor what the test says."""

    def __init__(self, logits):
        self.logits = tf.constant(logits, tf.float32)

    def __call__(self, features):
        return [self.logits], [tf.zeros([*self.logits.shape, 4])]


def proposed(scope, post, training=True):
    """Two images of four anchors that do not overlap."""
    boxes = tf.constant([[x, 0, x + 8, 8] for x in (0, 20, 40, 60)], tf.float32)
    head = Head([[9, 8, 7, 6], [5, 1, 0, -1]])
    rpn = RegionProposals(
        head,
        selection=ProposalSelection(
            pre_nms_train=4, post_nms_train=post, post_nms_test=post,
            post_nms_scope=scope,
        ),
    )  # fmt: skip
    sizes = tf.constant([[100, 100], [100, 100]])
    out = rpn.propose({"p2": tf.zeros([2, 1, 1, 1])}, [boxes], sizes, training)
    return [out.scores[i][out.valid[i]].numpy().tolist() for i in range(2)]


def test_proposals_are_counted_per_image_or_over_the_batch():
    assert proposed("image", 2) == [[9, 8], [5, 1]]
    # Two per image of the batch: the best four, of which one image has three, ...
    assert proposed("batch", 2) == [[9, 8, 7, 6], []]
    assert proposed("batch", 3) == [[9, 8, 7, 6], [5, 1]]
    # ... and at test it is per image always.
    assert proposed("batch", 2, training=False) == [[9, 8], [5, 1]]


# --- rois ---------------------------------------------------------------------------


def roi_targets(crowd=False):
    return Targets(
        tf.constant([[OBJECT, [70, 70, 90, 90]]], tf.float32),
        tf.constant([[2, 1]]),
        tf.zeros([1, 2, 4, 4], tf.uint8),
        tf.constant([[False, crowd]]),
        tf.constant([[True, crowd]]),
    )


def roi_kinds(names, crowd=False, **rule):
    kinds, _ = RoIMatcher(**rule).kinds(
        tf.constant([[ANCHORS[n] for n in names]], tf.float32),
        tf.ones([1, len(names)], tf.bool),
        roi_targets(crowd),
    )
    return kinds[0].numpy().tolist()


def test_rois_by_overlap():
    names = ["same", "beside", "part", "away"]
    assert roi_kinds(names) == [FG, FG, BG, BG]
    assert roi_kinds(names, fg_iou=0.7) == [FG, BG, BG, BG]
    # Hard backgrounds alone (Fast R-CNN): those below bg_iou_low are not used.
    assert roi_kinds(names, fg_iou=0.7, bg_iou_low=0.1) == [FG, BG, BG, IGNORE]
    assert roi_kinds(names, fg_iou=0.7, bg_iou_low=0.5) == [FG, BG, IGNORE, IGNORE]


@pytest.mark.parametrize("threshold, expected", [(0.5, IGNORE), (1.1, BG)])
def test_rois_in_a_crowd_region_are_no_background(threshold, expected):
    kinds = roi_kinds(["same", "away"], crowd=True, crowd_ioa=threshold)
    assert kinds == [FG, expected]


@pytest.mark.parametrize("added", [True, False])
def test_annotated_boxes_are_candidates_or_are_not(added):
    proposals = Proposals(
        tf.constant([[ANCHORS["away"]]], tf.float32),
        tf.zeros([1, 1]),
        tf.constant([[True]]),
    )
    samples = RoISampler(batch=4, fg_fraction=0.5, add_ground_truth=added).draw(
        proposals, roi_targets(crowd=True), RoIMatcher(crowd_ioa=1.1),
        tf.constant([[3, 0]], tf.int64),
    )  # fmt: skip
    valid = samples.valid[0].numpy()
    # The crowd region, the other annotated box, is no candidate.
    assert samples.labels[0].numpy()[valid].tolist() == ([2, 0] if added else [0])
    boxes = samples.boxes[0].numpy()[valid].tolist()
    assert boxes == ([OBJECT] if added else []) + [ANCHORS["away"]]


def test_refined_boxes_are_labelled_by_their_own_overlap():
    samples = RoISamples(
        tf.zeros([1, 3, 4]),
        tf.constant([[2, 0, 2]]),
        tf.constant([[0, 0, 0]]),
        tf.constant([[True, True, False]]),
    )
    boxes = [[ANCHORS["part"], ANCHORS["same"], ANCHORS["same"]]]
    labelled = RoIMatcher(fg_iou=0.7).label(
        tf.constant(boxes, tf.float32), samples, roi_targets()
    )
    assert labelled.labels[0].numpy().tolist()[:2] == [0, 2]
    assert labelled.valid[0].numpy().tolist() == [True, True, False]


def test_boxes_of_a_class_and_for_all_classes():
    coder = BoxCoder(regression_weights=(10.0, 10.0, 5.0, 5.0))
    deltas = np.zeros((2, 3, 4), np.float32)
    deltas[:, :, 0] = [1, 2, 3]  # tenths of the width to the right
    rois = tf.constant([[0, 0, 20, 20], [0, 0, 10, 10]], tf.float32)
    boxes = coder.decode_class(tf.constant(deltas), tf.constant([2, 0]), rois)
    np.testing.assert_allclose(boxes, [[4, 0, 24, 20], [1, 0, 11, 10]], atol=1e-5)
    boxes = coder.decode_class(tf.constant(deltas[:, 2:]), tf.constant([1, 3]), rois)
    np.testing.assert_allclose(boxes, [[6, 0, 26, 20], [3, 0, 13, 10]], atol=1e-5)
    np.testing.assert_allclose(coder.encode(boxes, rois)[:, 0], [3, 3], atol=1e-5)
