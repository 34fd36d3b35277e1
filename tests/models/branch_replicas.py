"""Script: the losses of a mask branch on one replica, then the same rois shared by two.

`branch_replicas.py COUNT`: the first COUNT of six rois go to the first replica. Prints
a JSON object: term -> [on one replica, sum over two].
"""

import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2])]

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from tfmask.config import (  # noqa: E402
    BoundaryPreservingHeadConfig,
    MaskConfig,
    MaskScoringConfig,
    ModelConfig,
    QuasiConfig,
    TrainConfig,
)
from tfmask.models.build import build_model  # noqa: E402
from tfmask.ops.masks import InstanceTargets  # noqa: E402
from tfmask.training import devices  # noqa: E402

ROIS, CLASSES = 6, 3


def rows():
    """Logits and instances of six rois; the first mask misses its instance."""
    rng = np.random.default_rng(0)
    outputs = {
        name: rng.normal(0, 2, (ROIS, side, side, CLASSES)).astype(np.float32)
        for name, side in (("mask", 28), ("mask_quasi_half", 14), ("boundary", 28))
    }
    outputs["mask"][0] = -5
    outputs["mask_iou"] = rng.random(ROIS).astype(np.float32)
    corner = rng.uniform(0, 40, (ROIS, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(20, 50, (ROIS, 2))], 1)
    targets = (
        rng.integers(0, 256, (ROIS, 16, 16)).astype(np.uint8),
        boxes.astype(np.float32),
        (boxes + rng.uniform(-3, 3, (ROIS, 4))).astype(np.float32),
        rng.integers(1, CLASSES + 1, ROIS).astype(np.int32),
    )
    return outputs, targets


def main(count: int):
    strategy = devices.make_strategy(TrainConfig(batch_size=2, virtual_cpus=2))
    assert strategy.num_replicas_in_sync == 2
    mask = MaskConfig(
        head=BoundaryPreservingHeadConfig(),
        quasi=QuasiConfig(sizes=(0.5,)),
        scoring=MaskScoringConfig(enabled=True),
    )
    branch = build_model(ModelConfig(num_classes=CLASSES, mask=mask)).masks
    outputs, targets = rows()

    def losses(start, end):
        """Of the rois from `start` to `end`, tensors."""
        part = {k: tf.constant(v)[start:end] for k, v in outputs.items()}
        return branch.losses(
            part, InstanceTargets(*(tf.constant(v)[start:end] for v in targets))
        )

    def replica():
        context = tf.distribute.get_replica_context()
        first = tf.equal(context.replica_id_in_sync_group, 0)
        return losses(tf.where(first, 0, count), tf.where(first, count, ROIS))

    whole = tf.function(losses)(tf.constant(0), tf.constant(ROIS))
    shared = tf.function(lambda: strategy.run(replica))()
    found = {
        name: [
            float(value),
            sum(map(float, strategy.experimental_local_results(shared[name]))),
        ]
        for name, value in whole.items()
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
