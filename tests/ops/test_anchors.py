import numpy as np
import pytest

from tfmask.ops import anchors

# maskrcnn-benchmark's table for stride 16, scale 8 (the classic one of Faster R-CNN),
# inclusive corners.
CLASSIC = np.array([[-84, -40, 99, 55], [-56, -56, 71, 71], [-36, -80, 51, 95]])


def test_legacy_anchors_are_the_classic_table():
    got = anchors.cell_anchors(128, (0.5, 1, 2), 16, "legacy")
    np.testing.assert_allclose(got, CLASSIC + [0, 0, 1, 1], atol=1e-4)


def test_exact_anchors_have_the_area_and_ratio():
    for box, ratio in zip(
        anchors.cell_anchors(32, (0.5, 1, 2), 4, "none"), (0.5, 1, 2)
    ):
        width, height = box[2:] - box[:2]
        assert width * height == pytest.approx(1024, rel=1e-5)
        assert height / width == pytest.approx(ratio, rel=1e-5)
        np.testing.assert_allclose(box[:2], -box[2:])


def test_integer_anchors_are_whole_numbers():
    got = anchors.cell_anchors(32, (0.5, 1, 2), 4, "integer")
    np.testing.assert_array_equal(
        got, [[-23, -11, 23, 11], [-16, -16, 16, 16], [-11, -23, 11, 23]]
    )


def test_order_is_rows_then_columns_then_ratios():
    (level,) = anchors.pyramid_anchors([(2, 3)], (8, 12), [8], (1.0, 2.0), [4], "none")
    centres = (level[:, :2] + level[:, 2:]).numpy() / 2
    np.testing.assert_allclose(
        centres[::2], [[0, 0], [4, 0], [8, 0], [0, 4], [4, 4], [8, 4]]
    )
    np.testing.assert_allclose(centres[::2], centres[1::2], atol=1e-5)


def test_torchvision_takes_the_stride_from_the_image():
    (level,) = anchors.pyramid_anchors(
        [(4, 6)], (256, 352), [512], (1.0,), [64], "integer"
    )
    centres = (level[:, :2] + level[:, 2:]).numpy() / 2
    assert centres[1, 0] == 58 and centres[6, 1] == 64


def test_inside_needs_the_whole_anchor():
    table = np.array([[0, 0, 10, 8], [-1, 0, 5, 5], [0, 0, 11, 8]], np.float32)
    assert list(anchors.inside(table, np.array([8, 10])).numpy()) == [
        True,
        False,
        False,
    ]
