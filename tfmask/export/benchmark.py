"""What a model costs: time, memory, and operations, of each stage and end to end."""

import resource
import time

import numpy as np
import tensorflow as tf

from tfmask.config import Config
from tfmask.export.module import fixed_size, padded_size
from tfmask.export.runners import load
from tfmask.models.macs import model_macs

_WARMUP = 3  # the first calls trace, place and choose kernels


def of_model(model, config: Config, size, batch: int, runs: int) -> dict:
    """The Python model on images of a size, end to end and stage by stage.

    Args:
      model: models.rcnn.GeneralizedRCNN.
      config: how images are resized and padded.
      size: (height, width) of the images before resizing.
      batch: images at once.
      runs: that are timed.

    Returns:
      Plain data, see `as_text`.
    """
    resized, padded = fixed_size(size, config.data), padded_size(size, config.data)
    channels = model.normalization.channels
    images = np.zeros((batch, *padded, channels), np.uint8)
    images[:, : resized[0], : resized[1]] = _noise((batch, *resized, channels))
    inputs = {
        "images": tf.constant(images),
        "image_sizes": tf.constant([resized] * batch, tf.int32),
    }
    whole = tf.function(lambda inputs: model(inputs, training=False))
    report = _timed(lambda: whole(inputs), batch, runs)
    report["detections"] = int(np.sum(whole(inputs)["valid"])) / batch
    report["stages"] = _stages(model, inputs, runs)
    costs = model_macs(model, *resized)
    report["macs"] = {part.name: part.each * part.times for part in costs.parts}
    return {"model": "python", "image": list(size), "input": list(padded), **report}


def of_exported(folder, size, batch: int, runs: int) -> dict:
    """An exported model on images of a size, from pixels to detections.

    Args:
      folder: as `tfmask export` wrote it.
      size: (height, width) of the images.
      batch: images at once.
      runs: that are timed.

    Raises:
      ExportError: see `runners.load`.
    """
    start = time.perf_counter()
    runner = load(folder, size, batch)
    loaded = time.perf_counter()
    images = _noise((batch, *size, 3))
    runner.call(images)
    first = time.perf_counter()
    report = _timed(lambda: runner.call(images), batch, runs)
    report["detections"] = float(np.mean(runner.call(images)["num_detections"]))
    report["seconds_to_load"] = loaded - start
    report["seconds_of_first_call"] = first - loaded
    known = ("precision", "macs")
    report |= {key: runner.facts[key] for key in known if key in runner.facts}
    return {"model": str(runner.folder), "image": list(size), **report}


def as_text(report: dict) -> str:
    """A report as a table."""
    ms = {key: 1e3 * value for key, value in report["seconds"].items()}
    lines = [
        f"{report['model']}: images of {' x '.join(map(str, report['image']))}, "
        f"{report['batch']} at once, {report['detections']:g} detections each, "
        f"{report['runs']} runs",
        f"latency, ms      median {ms['median']:.1f}  p90 {ms['p90']:.1f}  "
        f"p99 {ms['p99']:.1f}  least {ms['least']:.1f}",
        f"throughput       {report['images_per_second']:.2f} images per second",
        f"peak memory      {report['peak_megabytes']:.0f} MB of the process",
    ]
    for key in ("seconds_to_load", "seconds_of_first_call"):
        if key in report:
            lines.append(f"{key.replace('_', ' '):<22} {report[key]:.2f}")
    for title, key, scale, unit in (
        ("stages, medians", "stages", 1e3, "ms"),
        ("multiply-accumulates of one image", "macs", 1e-9, "G"),
    ):
        values = report.get(key)
        if values:
            lines.append(f"{title}:")
            total = sum(values.values())
            for name, value in [*values.items(), ("total", total)]:
                lines.append(f"  {name:<20}{value * scale:>12.2f} {unit}")
    return "\n".join(lines)


def _stages(model, inputs: dict, runs: int) -> dict:
    """Median seconds of each stage on what the one before it gives."""
    images, sizes = inputs["images"], inputs["image_sizes"]

    def backbone(images):
        return model.backbone(model.normalization([images, sizes]), training=False)

    def propose(images, features):
        x = model.normalization([images, sizes])
        pyramid = model.proposals.pyramid(x, features, False)
        anchors = model.proposals.anchors.of(pyramid, images)
        return model.proposals.propose(pyramid, anchors, sizes, False)

    def boxes(features, proposals):
        return model.boxes.predict(features, proposals, sizes)

    def detect(features, proposals):
        return model.detect(features, proposals, sizes)

    traced = [tf.function(step) for step in (backbone, propose, boxes, detect)]
    neck = tf.function(lambda maps: model.neck(maps, training=False))
    maps = traced[0](images)
    features = neck(maps)
    proposals = traced[1](images, features)
    calls = {
        "backbone": lambda: traced[0](images),
        "neck": lambda: neck(maps),
        "proposals": lambda: traced[1](images, features),
        "boxes": lambda: traced[2](features, proposals),
        "detect": lambda: traced[3](features, proposals),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for run in range(_WARMUP + runs):
        for name, call in calls.items():  # interleaved: load of the machine hits all
            seconds = _seconds(call)
            if run >= _WARMUP:
                times[name].append(seconds)
    medians = {name: float(np.median(values)) for name, values in times.items()}
    # `detect` predicts the boxes again, selects, and predicts the masks.
    medians["selection, masks"] = medians.pop("detect") - medians["boxes"]
    return medians


def _timed(call, batch: int, runs: int) -> dict:
    for _ in range(_WARMUP):
        _seconds(call)
    times = np.array([_seconds(call) for _ in range(runs)])
    return {
        "batch": batch,
        "runs": runs,
        "seconds": {
            "median": float(np.median(times)),
            "p90": float(np.quantile(times, 0.9)),
            "p99": float(np.quantile(times, 0.99)),
            "least": float(times.min()),
        },
        "images_per_second": batch * runs / float(times.sum()),
        # Linux counts in kilobytes.
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _seconds(call) -> float:
    start = time.perf_counter()
    tf.nest.map_structure(np.asarray, call())  # waits for the values
    return time.perf_counter() - start


def _noise(shape) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
