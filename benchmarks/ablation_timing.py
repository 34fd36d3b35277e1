"""Step and inference time of the ablation's rows, as ratios to the baseline.

All models live in one process and take turns, so that a slow minute of the machine
hits all of them.
"""

import statistics
import time

import common
from ablation_rows import make_config

SIZE, BATCH, DETECTIONS = "160x160", 4, 20


def time_rows(rows: list[str], rounds: int) -> dict[str, dict[str, float]]:
    """Row -> step and inference: medians of each round's ratio to the baseline."""
    common.quiet()
    rows = ["baseline", *(row for row in rows if row != "baseline")]
    calls = {row: make_calls(row) for row in rows}
    times = {row: {"step": [], "inference": []} for row in rows}
    for number in range(rounds + 2):
        for row in rows:
            for kind, call in calls[row].items():
                started = time.perf_counter()
                call()
                if number >= 2:  # the first two trace and warm up
                    times[row][kind].append(time.perf_counter() - started)
        print(f"round {number + 1} of {rounds + 2}", flush=True)
    base = times["baseline"]
    return {
        row: {
            kind: statistics.median(a / b for a, b in zip(values, base[kind]))
            for kind, values in kinds.items()
        }
        | {f"{kind} seconds": statistics.median(v) for kind, v in kinds.items()}
        for row, kinds in times.items()
    }


def make_calls(row: str) -> dict:
    """A training step and an inference of one image, as functions."""
    import tensorflow as tf
    from training_step import make_batch

    from tfmask.models.build import build_model
    from tfmask.training.optimizer import build_optimizer
    from tfmask.training.step import TrainStep

    config = make_config(row, 0)
    config.model.num_classes = 80
    # As many detections in every row, whatever the random weights say.
    config.model.postprocess.score_threshold = 0.0
    config.model.postprocess.max_detections = DETECTIONS
    model = build_model(config.model)
    optimizer = build_optimizer(model, config.train)
    optimizer.set_step(0)
    batch = make_batch(SIZE, BATCH)
    spec = {k: tf.TensorSpec(v.shape, v.dtype) for k, v in batch.items()}
    step = TrainStep(tf.distribute.get_strategy(), model, optimizer, spec, 10.0)
    image = {k: batch[k][:1] for k in ("images", "image_sizes")}
    infer = tf.function(lambda inputs: model(inputs, training=False))
    return {
        "step": lambda: step(batch),
        "inference": lambda: [v.numpy() for v in infer(image).values()],
    }
