"""Script: a training step of boundary refinement on two replicas, the second of which
has no rois. Prints the first moving mean of each.
"""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2])]

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from tfmask.config import TrainConfig  # noqa: E402
from tfmask.heads.boundary_refinement import BoundaryRefinement  # noqa: E402
from tfmask.training import devices  # noqa: E402


def main():
    strategy = devices.make_strategy(TrainConfig(batch_size=2, virtual_cpus=2))
    assert strategy.num_replicas_in_sync == 2
    with strategy.scope():
        layer = BoundaryRefinement(3, modules=1)
        layer.build([(None, 8, 8, 3)] * 2)
        layer.norms[0].moving_mean.assign([1.0, 2.0, 3.0])

    def replica():
        context = tf.distribute.get_replica_context()
        empty = tf.equal(context.replica_id_in_sync_group, 1)
        logits = tf.fill([tf.where(empty, 1, 4), 8, 8, 3], 11.0)
        out = layer([logits, logits], training=True, empty=empty)
        return out, tf.convert_to_tensor(layer.norms[0].moving_mean)

    outputs, means = tf.function(lambda: strategy.run(replica))()
    for value in strategy.experimental_local_results(outputs):
        assert np.isfinite(value).all()
    for value in strategy.experimental_local_results(means):
        print(*value.numpy())


if __name__ == "__main__":
    main()
