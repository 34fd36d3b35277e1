import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tfmask.batch.results import to_prediction
from tfmask.structures import ClassMap


def test_outputs_of_a_row_become_coco_results():
    outputs = {
        "num_detections": np.array([0.0, 1.0]),
        "detection_boxes_pixels": np.array([[[0.0] * 4] * 2, [[2, 4, 6, 8], [0] * 4]]),
        "detection_scores": np.array([[0, 0], [0.75, 0]]),
        "detection_classes": np.array([[0, 0], [90.0, 0]]),
        "detection_masks": np.ones([2, 2, 28, 28], np.float32),
        "image_size": np.array([[5, 5], [10, 12]]),
    }
    classes = ClassMap((3, 90), ("cat", "kite"))
    prediction = to_prediction(outputs, 1, classes)
    assert prediction.labels.tolist() == [2] and prediction.mask_scores is None
    (result,) = prediction.to_results(139, classes)
    assert result["bbox"] == [4, 2, 4, 4] and result["category_id"] == 90
    assert (result["image_id"], result["score"]) == (139, 0.75)
    mask = coco_mask.decode(result["segmentation"])
    assert mask.shape == (10, 12)
    assert mask[2:6, 4:8].all() and mask.sum() == 16
    assert to_prediction(outputs, 0, classes).to_results(1, classes) == []
    rated = {**outputs, "detection_mask_scores": np.array([[0, 0], [0.5, 0]])}
    (result,) = to_prediction(rated, 1, classes).to_results(1, classes)
    assert result["mask_score"] == pytest.approx(0.5)
