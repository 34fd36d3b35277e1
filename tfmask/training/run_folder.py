"""The output folder of a run: config, classes, metrics, best weights.

checkpoints/      everything needed to go on (training.checkpoints)
best.tfmask.h5    the weights with the largest `evaluation.best`; best.json says which
config.json       the resolved configuration
classes.json      which label is which category
data.json         what tells the training data from other data
lock              while a training writes there: its process and host (run_lock)
metrics.jsonl     one line for each log interval and each evaluation
results.json      COCO results of the last evaluation
tensorboard/      scalars and pictures
"""

import hashlib
import json
import tempfile
from pathlib import Path

from tfmask import config as config_module
from tfmask.config import Config
from tfmask.data.dataset import Dataset
from tfmask.errors import RunFolderError
from tfmask.files import write_atomically
from tfmask.structures import ClassMap
from tfmask.training import checkpoints
from tfmask.weights import files as weight_files

# What may differ between a run and its continuation; all else decides the result.
_FREE = (
    "data.val",
    "data.val_images",
    "data.eval_short_side",
    "data.eval_max_side",
    "data.workers",
    "data.max_bad_fraction",
    "model.weights",
    "model.backbone.weights",
    "model.postprocess",
    "model.refine.alpha",
    "model.refine.candidates",
    "model.rpn.pre_nms_test",
    "model.rpn.post_nms_test",
)
# Where the data lies; what it is decides, if the run has written that down.
_PLACES = ("data.train", "data.train_images", "data.format")
# Of the training settings only these decide the stream of examples or the state.
_FIXED_TRAIN = ("seed", "batch_size", "optimizer", "precision")


class RunFolder:
    """Files of one run. Only the chief worker of a cluster writes to the real one.

    Args:
      config: train.output names the folder.
      class_map: of the training data.
      chief: false: write to a temporary folder instead, and restore from the real one.
      data: `identity` of the training data; None: its path stands for it.
    """

    def __init__(
        self,
        config: Config,
        class_map: ClassMap,
        chief: bool = True,
        data: dict | None = None,
    ):
        self.config = config
        self.class_map = class_map
        self.data = data
        self.output = Path(config.train.output)
        self.folder = self.output if chief else Path(tempfile.mkdtemp(prefix="tfmask-"))
        self.metrics_path = self.folder / "metrics.jsonl"
        self.results_path = self.folder / "results.json"
        self.best_path = self.folder / weight_files.BEST

    def open(self, resume: bool) -> list[str]:
        """Checks that the folder fits and writes config.json and classes.json.

        Returns:
          Settings that differ from those of the run being resumed, as text.

        Raises:
          RunFolderError: checkpoints of another run, or a resume that cannot be exact.
        """
        has_run = bool(checkpoints.existing(self.output / "checkpoints"))
        has_best = weight_files.best_file(self.output) is not None
        if (has_run or has_best) and not resume:
            raise RunFolderError(
                f"train.output={self.output}: holds a trained model already; pass "
                "--resume to go on with that run, or name another output"
            )
        changed = self._changed_settings() if has_run else []
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write_json("config.json", config_module.to_dict(self.config))
            self._write_json("classes.json", self.class_map.to_json())
            if self.data is not None:
                self._write_json("data.json", self.data)
        except OSError as error:
            raise RunFolderError(
                f"train.output={self.output}: cannot be written ({error})"
            ) from error
        return changed

    def _changed_settings(self) -> list[str]:
        path = self.output / "config.json"
        classes = self.output / "classes.json"
        try:
            old = flatten(json.loads(path.read_text()))
            old_map = ClassMap.from_json(json.loads(classes.read_text()))
        except (OSError, ValueError, KeyError) as error:
            raise RunFolderError(
                f"{self.output}: cannot resume, config.json or classes.json cannot be "
                f"read ({error})"
            ) from error
        if old_map != self.class_map:
            raise RunFolderError(
                f"{classes}: the run has other classes ({', '.join(old_map.names)}) "
                f"than the data ({', '.join(self.class_map.names)}); it cannot be "
                "resumed with this data"
            )
        same_data = self._is_same_data()
        new, default = (
            flatten(json.loads(json.dumps(config_module.to_dict(value))))
            for value in (self.config, Config())
        )
        # A setting that is younger than the run had what is its default now.
        old |= {k: v for k, v in default.items() if k in new and k not in old}
        changed = []
        for key in sorted({*old, *new}):
            if old.get(key) == new.get(key) or key == "train.output":
                continue
            text = f"{key}: {old.get(key)!r} -> {new.get(key)!r}"
            if _is_fixed(key) and not (same_data and key in _PLACES):
                raise RunFolderError(
                    f"{text}: cannot change when resuming {self.output}; set it back, "
                    "or start a new run in another output"
                )
            changed.append(text)
        return changed

    def _is_same_data(self) -> bool:
        """Whether it is known that the run had this data, wherever it lies.

        Raises:
          RunFolderError: the run had other data.
        """
        path = self.output / "data.json"
        if self.data is None or not path.is_file():
            return False
        try:
            old = json.loads(path.read_text())
            counts = [(d["images"], d["instances"]) for d in (old, self.data)]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunFolderError(
                f"{path}: cannot be read ({error}); without it a resumed run compares "
                "the paths of the data: remove it if the data is the same"
            ) from error
        if old == self.data:
            return True
        text = "{} images with {} instances".format
        what = "the same counts, but other ids, sizes, labels or another order"
        if counts[0] != counts[1]:
            what = f"{text(*counts[0])} then, {text(*counts[1])} now"
        raise RunFolderError(
            f"data.train={self.config.data.train}: not the data that {self.output} was "
            f"trained on ({what}); resume with that data, or start a new run in "
            "another output"
        )

    def _write_json(self, name: str, value) -> None:
        write_atomically(self.folder / name, json.dumps(value, indent=2) + "\n")

    def append(self, record: dict) -> None:
        """Adds a line to metrics.jsonl."""
        line = json.dumps(record) + "\n"
        try:
            with open(self.metrics_path, "a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise RunFolderError(
                f"{self.metrics_path}: cannot be written ({error})"
            ) from error

    def records(self) -> list[dict]:
        """The lines of metrics.jsonl; a last line that was cut short is left out."""
        if not self.metrics_path.is_file():
            return []
        found = []
        for line in self.metrics_path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return [record for record in found if isinstance(record, dict)]

    def rewind(self, step: int) -> None:
        """Drops lines of metrics.jsonl beyond a step, which will be written again."""
        kept = [r for r in self.records() if r.get("step", 0) <= step]
        if kept or self.metrics_path.exists():
            text = "".join(json.dumps(record) + "\n" for record in kept)
            write_atomically(self.metrics_path, text)

    def evaluations(self) -> list[dict]:
        """Figures of all evaluations so far."""
        return [r["evaluation"] for r in self.records() if "evaluation" in r]

    def evaluation(self, step: int) -> dict | None:
        """Figures of the evaluation after `step` steps, if there was one."""
        for record in self.records():
            if record.get("step") == step and "evaluation" in record:
                return record["evaluation"]
        return None

    def best(self) -> float:
        """The largest `evaluation.best` so far; -1, as not defined, before any."""
        path = self.output / "best.json"
        if not (path.is_file() and weight_files.best_file(self.output)):
            return -1.0
        figures = json.loads(path.read_text())
        return float(figures.get(self.config.evaluation.best, -1.0))

    def write_results(self, results: list[dict]) -> None:
        """Writes the COCO results of an evaluation."""
        try:
            write_atomically(self.results_path, json.dumps(results))
        except OSError as error:
            raise RunFolderError(
                f"{self.results_path}: cannot be written ({error})"
            ) from error

    def save_best(self, model, step: int, figures: dict) -> None:
        """Keeps these weights as the best ones."""
        values = config_module.to_dict(self.config)
        weight_files.write(self.best_path, model, self.class_map, values)
        try:
            self._write_json("best.json", {"step": step, **figures})
        except OSError as error:
            raise RunFolderError(
                f"{self.folder / 'best.json'}: cannot be written ({error})"
            ) from error


def identity(dataset: Dataset) -> dict:
    """What tells a data set from another one, wherever it lies.

    Returns:
      The numbers of images and instances, and a hash over the ids and sizes of the
      images and the labels of their instances, in order.
    """
    digest = hashlib.sha256()
    instances = 0
    for record in dataset.images:
        digest.update(f"{record.image_id!r} {record.width} {record.height} ".encode())
        digest.update(record.labels.astype("<i4").tobytes())
        digest.update(record.crowd.tobytes() + b"\n")
        instances += len(record.labels)
    return {
        "images": len(dataset),
        "instances": instances,
        "sha256": digest.hexdigest(),
    }


def flatten(value, prefix: str = "") -> dict:
    """Nested dicts as one dict with dotted paths."""
    if not isinstance(value, dict) or not value:
        return {prefix: value}
    flat: dict = {}
    for key, item in value.items():
        flat |= flatten(item, f"{prefix}.{key}" if prefix else key)
    return flat


def _is_fixed(path: str) -> bool:
    if path.startswith(("data.", "model.")):
        return not path.startswith(_FREE)
    return path in [f"train.{name}" for name in _FIXED_TRAIN]
