"""The output folder of a run: config, classes, metrics, best weights.

checkpoints/      everything needed to go on (training.checkpoints)
best.weights.h5   the weights with the largest `evaluation.best`; best.json says which
config.json       the resolved configuration
classes.json      which label is which category
metrics.jsonl     one line for each log interval and each evaluation
results.json      COCO results of the last evaluation
tensorboard/      scalars and pictures
"""

import json
import tempfile
from pathlib import Path

from tfmask import config as config_module
from tfmask.config import Config
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
# Of the training settings only these decide the stream of examples or the state.
_FIXED_TRAIN = ("seed", "batch_size", "optimizer", "precision")


class RunFolder:
    """Files of one run. Only the chief worker of a cluster writes to the real one.

    Args:
      config: train.output names the folder.
      class_map: of the training data.
      chief: false: write to a temporary folder instead, and restore from the real one.
    """

    def __init__(self, config: Config, class_map: ClassMap, chief: bool = True):
        self.config = config
        self.class_map = class_map
        self.output = Path(config.train.output)
        self.folder = self.output if chief else Path(tempfile.mkdtemp(prefix="tfmask-"))
        self.metrics_path = self.folder / "metrics.jsonl"
        self.results_path = self.folder / "results.json"
        self.best_path = self.folder / "best.weights.h5"

    def open(self, resume: bool) -> list[str]:
        """Checks that the folder fits and writes config.json and classes.json.

        Returns:
          Settings that differ from those of the run being resumed, as text.

        Raises:
          RunFolderError: checkpoints of another run, or a resume that cannot be exact.
        """
        has_run = bool(checkpoints.existing(self.output / "checkpoints"))
        has_best = (self.output / "best.weights.h5").exists()
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
        new = flatten(json.loads(json.dumps(config_module.to_dict(self.config))))
        changed = []
        for key in sorted({*old, *new}):
            if old.get(key) == new.get(key) or key == "train.output":
                continue
            text = f"{key}: {old.get(key)!r} -> {new.get(key)!r}"
            if _is_fixed(key):
                raise RunFolderError(
                    f"{text}: cannot change when resuming {self.output}; set it back, "
                    "or start a new run in another output"
                )
            changed.append(text)
        return changed

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

    def last_evaluation(self, step: int) -> dict | None:
        """Figures of the evaluation after `step` steps, if there was one."""
        for record in self.records():
            if record.get("step") == step and "evaluation" in record:
                return record["evaluation"]
        return None

    def best(self) -> float:
        """The largest `evaluation.best` so far; -1, as not defined, before any."""
        path = self.output / "best.json"
        if not (path.is_file() and (self.output / "best.weights.h5").is_file()):
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


def flatten(value, prefix: str = "") -> dict:
    """Nested dicts as one dict with dotted paths."""
    if not isinstance(value, dict) or not value:
        return {prefix: value}
    flat = {}
    for key, item in value.items():
        flat |= flatten(item, f"{prefix}.{key}" if prefix else key)
    return flat


def _is_fixed(path: str) -> bool:
    if path.startswith(("data.", "model.")):
        return not path.startswith(_FREE)
    return path in [f"train.{name}" for name in _FIXED_TRAIN]
