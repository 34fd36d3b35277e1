"""The golden case of BMask R-CNN's mask head, boundary targets and boundary loss."""

import numpy as np
import tensorflow as tf
from golden.compare import DEEP, Row, relative, unequal
from golden.heads import load_head
from golden.operations import nchw
from golden.recipe import Case

from tfmask.config import BoundaryPreservingHeadConfig
from tfmask.configs import lineages
from tfmask.heads.boundary_preserving_head import BoundaryPreservingMaskHead
from tfmask.losses.boundary import boundary_sum, boundary_targets
from tfmask.models.mask_branch import BoundarySupervision

# Centre and radii (x, y, x, y) of the ground truth of the three rois, in cells of 28.
_ELLIPSES = ((14, 14, 9, 6), (10, 16, 12, 11), (14, 14, 20, 20))


def bmask_head(case: Case) -> list[Row]:
    settings = lineages.detectron2().model
    settings.mask.head = BoundaryPreservingHeadConfig()
    head = BoundaryPreservingMaskHead(80, name="mask_head")
    features = {
        "mask": case.normal("bmask/mask_features", (3, 256, 14, 14)),
        "boundary": case.normal("bmask/boundary_features", (3, 256, 28, 28)),
    }
    features = {k: v.transpose(0, 2, 3, 1) for k, v in features.items()}
    head.build({k: v.shape for k, v in features.items()})
    load_head(head, case, settings, "detectron2", "bmask/", "roi_heads.mask_head.")
    logits, expected = head(features), case.expected
    masks = tf.constant(np.stack([_ellipse(*e) for e in _ELLIPSES]))
    chosen = logits["boundary"][..., 3]  # the program's class 3, counted from 0
    loss = boundary_sum(chosen, masks, BoundarySupervision()) / 3
    targets = boundary_targets(masks).numpy().astype(bool)
    wanted = np.unpackbits(expected["boundary_targets"]).reshape(3, 28, 28)
    return [
        *(
            relative(
                f"{name}_logits",
                nchw(logits[name])[:, ::10],
                expected[f"{name}_logits"],
                DEEP,
            )
            for name in ("mask", "boundary")
        ),
        unequal("boundary_targets", targets, wanted.astype(bool), 0, "of cells"),
        relative("loss_boundary_class3", loss, expected["loss_boundary_class3"], DEEP),
    ]


def _ellipse(x, y, across, down):
    rows, columns = np.mgrid[:28, :28] + 0.5
    inside = ((columns - x) / across) ** 2 + ((rows - y) / down) ** 2 <= 1
    return inside.astype(np.float32)
