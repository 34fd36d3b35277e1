"""What public implementations computed, and what the imported model computes."""

import numpy as np
import pytest
from golden import cases, compare, recipe


@pytest.mark.parametrize("name", cases.CASES)
def test_every_stored_tensor_is_within_its_tolerance(name):
    rows = cases.run(name)
    stored = recipe.load_case(name).expected
    compared = {row.tensor.split(",")[0].split(" ")[0] for row in rows}
    inputs = {"boxes_in", "proposals", "gt_boxes", "gt_classes"}
    assert set(stored) - compared <= inputs
    failed = [row for row in rows if not row.holds]
    assert not failed


def test_a_deviation_beyond_the_tolerance_is_seen():
    theirs = np.float32([1, -1, 2])
    assert compare.relative("x", theirs, theirs, compare.OP).holds
    assert not compare.relative("x", theirs + 2e-4, theirs, compare.OP).holds
    assert not compare.relative("x", theirs * np.nan, theirs, compare.OP).holds
    assert not compare.absolute("x", theirs + 0.06, theirs, compare.BOX, "px").holds
    mask = np.zeros((2, 10, 10), bool)
    other = mask.copy()
    other[1, 0, 0] = True
    assert not compare.unequal("x", mask, other, compare.PIXELS, "").holds
    with pytest.raises(AssertionError, match="against"):
        compare.relative("x", theirs, theirs[:2], compare.OP)


def test_near_ties_may_swap_and_others_may_not():
    boxes = np.float32([[0, 0, 1, 1], [5, 5, 6, 6], [9, 9, 10, 10]])
    swapped = boxes[[1, 0, 2]]
    order = compare.order_of(swapped, np.float32([0.5, 0.49999, 0.2]), boxes)
    np.testing.assert_array_equal(swapped[order], boxes)
    order = compare.order_of(swapped, np.float32([0.5, 0.4, 0.2]), boxes)
    np.testing.assert_array_equal(order, [0, 1, 2])


def test_regenerated_weights_follow_the_recipe():
    case = recipe.Case("x", 1, {}, {}, {})
    assert abs(case.stream("a").random_sample() - case.stream("a").random_sample()) == 0
    shapes = {
        "m.running_var": (1000,),
        "m.bn3.weight": (1000,),
        "roi.bbox_pred.weight": (100, 200),
        "roi.cls_score.weight": (100, 200),
        "backbone.fpn_output2.weight": (64, 64, 3, 3),
        "backbone.stem.conv1.weight": (64, 3, 7, 7),
        "m.conv.weight": (64, 64, 3, 3),
        "m.conv.bias": (1000,),
        "m.num_batches_tracked": (),
    }
    drawn = case._replace(shapes=shapes).parameters()
    assert 0.5 <= drawn["m.running_var"].min() < drawn["m.running_var"].max() < 1.5
    assert 0.1 <= drawn["m.bn3.weight"].min() < drawn["m.bn3.weight"].max() < 0.3
    for name, gain in (
        ("roi.bbox_pred.weight", 0.05),
        ("roi.cls_score.weight", 8.0),
        ("backbone.fpn_output2.weight", 0.1),
        ("backbone.stem.conv1.weight", 6e-4),
        ("m.conv.weight", 2.0),
    ):
        variance = drawn[name].var() * np.prod(shapes[name][1:])
        np.testing.assert_allclose(variance, gain, rtol=0.05)
    np.testing.assert_allclose(drawn["m.conv.bias"].std(), 0.1, rtol=0.1)
    assert drawn["m.num_batches_tracked"] == 0


def test_norm_is_summed_in_float32_lanes():
    values = np.float32([[3.0, 4.0], [0.0, 12.0]])
    assert compare.float32_norm(values) == 13.0
    many = np.full(1 << 21, 1.1, np.float32)
    exact = np.sqrt(np.sum(many.astype(np.float64) ** 2))
    assert 1e-9 < abs(compare.float32_norm(many) / exact - 1) < 1e-2
