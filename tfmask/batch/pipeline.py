"""The Beam pipeline: shards of images in, one file of COCO results for each shard out.

    shards -> images -> RunInference -> results by shard -> files

An image that cannot be read or decoded is a failure with its name and reason; it stops
nothing. A shard's file is written when the last of its images is done, and a second run
of the same job leaves out the shards that have one.
"""

import functools
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import ModelHandler, RunInference
from apache_beam.options.pipeline_options import PipelineOptions

from tfmask.batch.plan import Plan, Shard, make_plan, read_file, write_file
from tfmask.batch.results import to_prediction
from tfmask.errors import ExportError
from tfmask.export.limits import refusal
from tfmask.export.saved_model import FACTS, latest_version
from tfmask.structures import ClassMap

_AT_ONCE = 8  # images that Beam hands to a model together


class Image(NamedTuple):
    """One image of a shard. `error` says why there are no contents."""

    shard: str  # its name
    position: int  # in the shard
    image_id: int | str
    contents: bytes = b""
    error: str = ""


class Outcome(NamedTuple):
    """What became of an image."""

    position: int
    image_id: int | str
    results: list  # COCO results
    error: str = ""


class Summary(NamedTuple):
    """A whole job, earlier runs included."""

    shards: int
    skipped: int  # of these, done by an earlier run
    failures: list  # {"image_id", "error"} of each image without results


def run(
    model: str,
    pattern: str,
    out: str,
    *,
    shard_size: int = 500,
    beam_options: Sequence[str] = (),
    log=print,
) -> Summary:
    """Runs a job to its end, or what an earlier run left of it.

    Args:
      model: as `tfmask export` wrote it, `DIR` or `DIR/<version>`; in a store the
        folder of the version. Every worker reads it.
      pattern: see `plan.make_plan`.
      out: folder of the results, `results-*.json` and `failures-*.json`.
      shard_size: image files of each shard.
      beam_options: as Beam's command lines have them, e.g. `--runner=FlinkRunner`.
      log: called with a line about what is left to do.

    Raises:
      ExportError: there is no exported model; the plan, see `plan.make_plan`.
    """
    version = model if "://" in model else str(latest_version(model).resolve())
    plan = make_plan(version, pattern, out, shard_size)
    left = plan.remaining()
    log(f"{len(plan.shards)} shards, {len(plan.shards) - len(left)} of them done")
    if left:
        with beam.Pipeline(options=PipelineOptions(list(beam_options))) as pipeline:
            build(pipeline, version, plan, left)
    failures = [json.loads(read_file(plan.failures(s.name))) for s in plan.shards]
    return Summary(len(plan.shards), len(plan.shards) - len(left), sum(failures, []))


def build(pipeline, model: str, plan: Plan, shards: Sequence[Shard]) -> None:
    """Adds the steps to a pipeline; `shards`: those of the plan that are to be done."""
    # Shuffled between the steps: a shard's images spread over all workers.
    (
        pipeline
        | "Shards" >> beam.Create(list(shards))
        | "Sources" >> beam.FlatMap(_sources)
        | "Spread" >> beam.Reshuffle()
        | "Read" >> beam.FlatMap(_read)
        | "Detect" >> RunInference(ExportedModel(model))
        | "Gather" >> beam.GroupByKey()
        | "Write" >> beam.Map(functools.partial(_write, plan))
    )


class ExportedModel(ModelHandler[Image, tuple, Any]):
    """An exported model as Beam's RunInference wants it: once in each process.

    Args:
      folder: of the model's version.
    """

    def __init__(self, folder: str):
        super().__init__()
        self._folder = folder
        self._classes = _class_map(folder)

    def load_model(self):
        import tensorflow as tf

        return tf.saved_model.load(self._folder)

    def run_inference(
        self, batch: Sequence[Image], model, inference_args=None
    ) -> Iterator[tuple[str, Outcome]]:
        """(shard, Outcome) of each image; a bad one does not take others with it."""
        import tensorflow as tf

        for image in batch:
            results: list[dict] = []
            error = image.error
            if not error:
                try:
                    outputs = model.signatures["image_bytes"](
                        image_bytes=tf.constant([image.contents])
                    )
                    prediction = to_prediction(outputs, 0, self._classes)
                    results = prediction.to_results(image.image_id, self._classes)
                except tf.errors.InvalidArgumentError as caught:
                    error = refusal(caught.message)
            Metrics.counter("tfmask", "failures" if error else "images").inc()
            yield image.shard, Outcome(image.position, image.image_id, results, error)

    def batch_elements_kwargs(self):
        return {"max_batch_size": _AT_ONCE}

    def get_num_bytes(self, batch: Sequence[Image]) -> int:
        return sum(len(image.contents) for image in batch)


def _class_map(folder: str) -> ClassMap:
    path = f"{folder}/assets.extra/{FACTS}"
    try:
        classes = json.loads(read_file(path))["classes"]
    except (OSError, KeyError, ValueError) as error:
        raise ExportError(
            f"{path}: {error}: expected a model of `tfmask export`"
        ) from None
    return ClassMap(tuple(map(int, classes)), tuple(classes.values()))


class _Source(NamedTuple):
    """A file of a shard."""

    shard: str
    number: int
    path: str
    has_records: bool


def _sources(shard: Shard) -> Iterator[_Source]:
    for number, path in enumerate(shard.sources):
        yield _Source(shard.name, number, path, shard.has_records)


def _read(source: _Source) -> Iterator[Image]:
    """The images of a source: one of a file, all of a TFRecord."""
    if source.has_records:
        yield from _read_records(source.shard, source.path)
        return
    image = Image(source.shard, source.number, source.path)
    try:
        yield image._replace(contents=read_file(source.path))
    except OSError as error:
        yield image._replace(error=str(error))


def _read_records(shard: str, path: str) -> Iterator[Image]:
    """Images of `tf.train.Example`: `image/encoded`, and `image/source_id` if known."""
    import tensorflow as tf

    position = 0
    try:
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            yield _from_example(shard, position, f"{path}#{position}", record)
            position += 1
    except tf.errors.OpError as error:
        # What follows a damaged record cannot be found.
        yield Image(shard, position, f"{path}#{position}", error=error.message)


def _from_example(shard: str, position: int, name: str, record: bytes) -> Image:
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        features = tf.train.Example.FromString(record).features.feature
    except DecodeError:
        return Image(shard, position, name, error="is no tf.train.Example")
    source = b"".join(features["image/source_id"].bytes_list.value).decode()
    # Ids of COCO's annotations are numbers, written as text here.
    image_id = int(source) if source.isdecimal() else source or name
    encoded = features["image/encoded"].bytes_list.value
    if not encoded:
        return Image(shard, position, image_id, error="has no image/encoded")
    return Image(shard, position, image_id, encoded[0])


def _write(plan: Plan, group: tuple[str, Iterable[Outcome]]) -> None:
    """Writes a shard's failures, then its results, by which it is done."""
    shard, outcomes = group
    ordered = sorted(outcomes, key=lambda outcome: outcome.position)
    failures = [
        {"image_id": outcome.image_id, "error": outcome.error}
        for outcome in ordered
        if outcome.error
    ]
    results = [result for outcome in ordered for result in outcome.results]
    write_file(plan.failures(shard), json.dumps(failures, indent=1).encode())
    text = json.dumps(results, allow_nan=False, separators=(",", ":"))
    write_file(plan.results(shard), text.encode())
