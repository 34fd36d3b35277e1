"""Which images a batch job has, in which shards, and what of it is done already.

Files are read and written by Beam's file systems, so that every path may be local or in
a store that Beam knows (`gs://`, `s3://`, `hdfs://`).
"""

import hashlib
import json
import uuid
from typing import NamedTuple

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from tfmask.errors import ExportError

PLAN = "plan.json"
_RECORDS = (".tfrecord", ".tfrecords", ".record")


class Shard(NamedTuple):
    """Images whose results become one file."""

    name: str  # "00003-of-00042"
    sources: tuple[str, ...]  # image files, or one TFRecord file

    @property
    def has_records(self) -> bool:
        """Whether the source is a TFRecord of tf.train.Example."""
        return is_record(self.sources[0])


class Plan(NamedTuple):
    """A whole job."""

    out: str
    shards: tuple[Shard, ...]

    def results(self, shard: str) -> str:
        """Path of the results of a shard, a list in the COCO format."""
        return FileSystems.join(self.out, f"results-{shard}.json")

    def failures(self, shard: str) -> str:
        """Path of the failures of a shard, a list of `image_id` and `error`."""
        return FileSystems.join(self.out, f"failures-{shard}.json")

    def remaining(self) -> list[Shard]:
        """The shards without results."""
        return [s for s in self.shards if not FileSystems.exists(self.results(s.name))]


def is_record(path: str) -> bool:
    """Told by the name, also that of `data.tfrecord-00001-of-00008`."""
    name = path.rsplit("/", 1)[-1]
    return name.split("-", 1)[0].endswith(_RECORDS) or name.endswith(_RECORDS)


def make_plan(model: str, pattern: str, out: str, shard_size: int) -> Plan:
    """The plan of a job, kept in `out` so that a second run goes on with the first.

    Args:
      model: folder of the exported model's version.
      pattern: of image files or of TFRecord files, e.g. `photos/**.jpg`.
      out: folder of the results.
      shard_size: image files of each shard; a TFRecord file is a shard.

    Raises:
      ExportError: nothing fits the pattern, files of both kinds do, or `out` has the
        results of another job.
    """
    sources = _matches(pattern)
    if not sources:
        raise ExportError(
            f"{pattern}: no file fits this pattern; expected image files, or TFRecord "
            f"files ({', '.join(_RECORDS)})"
        )
    records = [is_record(path) for path in sources]
    if any(records) and not all(records):
        raise ExportError(
            f"{pattern}: {sources[records.index(True)]} is a TFRecord and "
            f"{sources[records.index(False)]} is not: expected files of one kind"
        )
    size = 1 if records[0] else shard_size
    groups = [tuple(sources[i : i + size]) for i in range(0, len(sources), size)]
    shards = tuple(
        Shard(f"{i:05d}-of-{len(groups):05d}", group) for i, group in enumerate(groups)
    )
    facts = {
        "model": model,
        "images": pattern,
        "files": len(sources),
        "files_sha256": hashlib.sha256("\n".join(sources).encode()).hexdigest(),
        "shard_size": size,
    }
    _agree(FileSystems.join(out, PLAN), facts, out)
    return Plan(out, shards)


def write_file(path: str, content: bytes) -> None:
    """Under another name first, then renamed: half a file has never the name `path`."""
    temporary = f"{path}.{uuid.uuid4().hex}.partial"
    with FileSystems.create(temporary, compression_type=_PLAIN) as file:
        file.write(content)
    FileSystems.rename([temporary], [path])


def read_file(path: str) -> bytes:
    """The bytes as they are, whatever the name says."""
    with FileSystems.open(path, compression_type=_PLAIN) as file:
        return file.read()


def make_folder(path: str) -> None:
    """Makes a folder if it is not there."""
    if not FileSystems.exists(path):
        FileSystems.mkdirs(path)


_PLAIN = CompressionTypes.UNCOMPRESSED


def _matches(pattern: str) -> list[str]:
    (found,) = FileSystems.match([pattern])
    return sorted(metadata.path for metadata in found.metadata_list)


def _agree(path: str, facts: dict, out: str) -> None:
    """Keeps what a job is about, or compares it with what is kept."""
    if not FileSystems.exists(path):
        make_folder(out)
        write_file(path, (json.dumps(facts, indent=2) + "\n").encode())
        return
    kept = json.loads(read_file(path))
    for key, value in facts.items():
        if kept.get(key) != value:
            raise ExportError(
                f"{path}: {key} was {kept.get(key)!r} and is {value!r}: expected the "
                "same job as before, or another --out"
            )
