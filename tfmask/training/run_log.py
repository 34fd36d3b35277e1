"""What a run tells: progress line, metrics.jsonl, TensorBoard."""

import time

from tfmask.config import TrainConfig
from tfmask.training.progress import Progress
from tfmask.training.run_folder import RunFolder
from tfmask.training.step import StepResult
from tfmask.training.tensorboard import MOST_BYTES, SummaryWriter


class Means:
    """Running means of figures by name."""

    def __init__(self):
        self._sums: dict[str, float] = {}
        self._count = 0

    def add(self, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1

    def take(self) -> dict[str, float]:
        """The means since the last call; empty when there was nothing."""
        means = {name: total / self._count for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
        return means


class RunLog:
    """Writes every `train.log_every` steps, and every evaluation.

    Args:
      train: steps, batch_size, log_every, tensorboard.
      epoch_size: images in one pass over the data.
      folder: where metrics.jsonl and tensorboard/ are.
      progress: shows the lines.
      schedules: callbacks.LossWeightSchedule whose weights are shown.
    """

    def __init__(
        self,
        train: TrainConfig,
        epoch_size: int,
        folder: RunFolder,
        progress: Progress,
        schedules=(),
    ):
        self.train = train
        self.epoch_size = epoch_size
        self.folder = folder
        self.progress = progress
        self.schedules = schedules
        self._means = Means()
        path = folder.folder / "tensorboard"
        self._summary = SummaryWriter(path) if train.tensorboard else None

    def step(self, step: int, rate: float, result: StepResult) -> None:
        """After step number `step` (1 for the first)."""
        weights = {f"weight/{s.term}": s.shown_weight(step - 1) for s in self.schedules}
        shown = {"lr": rate} | {k: v for k, v in weights.items() if v is not None}
        self.progress.refresh(step, {**shown, **result.losses})
        if result.finite:
            self._means.add(result.losses)
        if step % self.train.log_every and step < self.train.steps:
            return
        speed = self.progress.measure(step)
        figures = {**shown, **self._means.take()}
        epoch = step * self.train.batch_size / self.epoch_size
        self.folder.append(
            {
                "step": step,
                "epoch": round(epoch, 4),
                **figures,
                "images_per_second": round(speed, 3),
                "time": round(time.time(), 3),
            }
        )
        if not self.progress.live:
            self.progress.log(self.progress.line(step, figures))
        if self._summary:
            figures["images_per_second"] = speed
            self._summary.scalars(step, {f"train/{k}": v for k, v in figures.items()})

    def evaluation(self, step: int, found) -> None:
        """Figures, table and pictures of an evaluator.Evaluation."""
        self.folder.append({"step": step, "evaluation": dict(found.figures)})
        self.progress.log(found.table)
        if self._summary:
            figures = {f"val/{k}": v for k, v in found.figures.items()}
            self._summary.scalars(step, figures)
            limit = MOST_BYTES // max(len(found.pictures), 1)
            for index, picture in enumerate(found.pictures):
                self._summary.image(step, f"val/image_{index}", picture, limit)
            self._summary.flush()

    def close(self) -> None:
        self.progress.close()
        if self._summary:
            self._summary.close()
