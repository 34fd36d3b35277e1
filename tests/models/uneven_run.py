"""Script: a last batch that leaves a replica without images, to JSON.

`uneven_run.py REPLICAS`
"""

import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from training import fake_model  # noqa: E402

from tfmask.config import TrainConfig  # noqa: E402
from tfmask.training import devices  # noqa: E402


def main(replicas):
    strategy = devices.make_strategy(
        TrainConfig(batch_size=2, virtual_cpus=int(replicas))
    )
    data = fake_model.batches(0, 1).unbatch().take(5).batch(2)
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = fake_model.FakeModel()
        model.compile("sgd")
    result = {"losses": model.evaluate(data, verbose=0, return_dict=True)}
    result["logits"] = model.predict(data, verbose=0)["logits"].tolist()
    try:
        model.fit(data, verbose=0)
    except tf.errors.InvalidArgumentError as error:
        result["error"] = str(error)
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
