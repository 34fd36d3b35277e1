"""From what an exported model gives to COCO results."""

import numpy as np

from tfmask.evaluation.paste import paste_masks
from tfmask.evaluation.predictor import Prediction
from tfmask.structures import ClassMap


def to_prediction(outputs: dict, row: int, class_map: ClassMap) -> Prediction:
    """One image's outputs as the Python model would give them.

    Args:
      outputs: arrays by name, of any signature or format; see docs/serving.md.
      row: of the image in the batch.
      class_map: of the exported model.
    """
    count = int(outputs["num_detections"][row])

    def rows(name):
        return np.asarray(outputs[name][row])[:count]

    boxes = rows("detection_boxes_pixels")[:, [1, 0, 3, 2]]
    height, width = (int(side) for side in outputs["image_size"][row])
    labels = {category: i + 1 for i, category in enumerate(class_map.ids)}
    rated = "detection_mask_scores" in outputs
    return Prediction(
        boxes=boxes,
        scores=rows("detection_scores"),
        labels=np.array([labels[int(v)] for v in rows("detection_classes")], np.int32),
        masks=paste_masks(rows("detection_masks"), boxes, (height, width)),
        size=(height, width),
        mask_scores=rows("detection_mask_scores") if rated else None,
    )
