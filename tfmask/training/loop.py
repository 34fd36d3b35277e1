"""The training loop: steps, logs, checkpoints, evaluations, callbacks."""

import signal
from typing import NamedTuple

import keras
import tensorflow as tf

from tfmask.config import Config
from tfmask.errors import NonFiniteLossError, TrainingInterrupted
from tfmask.evaluation.metrics import best_figure
from tfmask.models.learning import LossScale
from tfmask.training.callbacks import LossWeightSchedule
from tfmask.training.checkpoints import Checkpoints
from tfmask.training.devices import is_cluster
from tfmask.training.guards import StopSignals, Watchdog
from tfmask.training.progress import Progress
from tfmask.training.run_folder import RunFolder
from tfmask.training.run_log import Means, RunLog
from tfmask.training.step import PendingResult, StepResult, TrainStep


class Stream:
    """The training examples, as the loop needs them.

    Args:
      batches: start index in the stream -> tf.data.Dataset of batches.
      size: images in one pass over the data.
      image_ids: indices of images -> their ids in the annotation file.
      error: an exception of the iteration -> the error of the data behind it, or None.
    """

    def __init__(self, batches, size, image_ids, error=lambda raised: None):
        self.batches = batches
        self.size = size
        self.image_ids = image_ids
        self.error = error


class Started(NamedTuple):
    """A step whose figures have not been looked at."""

    number: int  # 1 for the first
    batch: int  # in its epoch, 0 for the first
    rate: float
    image_index: tf.Tensor  # [B] int64
    result: PendingResult


class TrainingLoop:
    """Trains a model from the step that its checkpoint has to the last one.

    Any Keras callback works. It gets `on_train_batch_begin(batch, {"step",
    "learning_rate"})`, `on_train_batch_end(batch, losses)`, `on_epoch_begin` and
    `on_epoch_end` with the mean losses of the epoch, which is one pass over the data,
    `on_test_begin` and `on_test_end` around an evaluation; `model.stop_training` stops.

    The learning rate has one owner: the schedule of `train`, or callbacks from the
    first time that one of them sets `model.optimizer.learning_rate`, see
    `rates.LearningRate`.

    Without callbacks of the user's the loop starts a step before it looks at the
    figures of the one before, unless something is due in between: a GPU then computes
    while the next step is prepared. A step that is not finite leaves the weights alone
    in any case, and the run ends before another checkpoint is written.

    Args:
      config: resolved configuration.
      strategy: the scope that model and optimizer were made in.
      model: see TrainStep.
      optimizer: training.optimizer.ModelOptimizer.
      stream: the examples.
      folder: run_folder.RunFolder, opened.
      evaluate: (model, heartbeat) -> evaluator.Evaluation, or None.
      callbacks: Keras callbacks.
      log: called with each line of text.
    """

    def __init__(
        self,
        config: Config,
        strategy: tf.distribute.Strategy,
        model,
        optimizer,
        stream: Stream,
        folder: RunFolder,
        evaluate=None,
        callbacks=(),
        log=print,
    ):
        self.config = config
        self.train = config.train
        self.strategy = strategy
        self.model = model
        self.optimizer = optimizer
        self.stream = stream
        self.folder = folder
        self.evaluate = evaluate
        self.loss_scale = LossScale(active=self.train.precision == "float16")
        self.checkpoints = Checkpoints(
            folder.folder / "checkpoints",
            model,
            optimizer,
            self.loss_scale,
            self.train.keep_checkpoints,
            source=folder.output / "checkpoints",
        )
        self.progress = Progress(self.train.steps, self.train.batch_size, log)
        schedules = [c for c in callbacks if isinstance(c, LossWeightSchedule)]
        others = [c for c in callbacks if c not in schedules]
        optimizer.rate.follow(others)
        self._lags = not others
        self.run_log = RunLog(self.train, stream.size, folder, self.progress, schedules)
        self.step = 0  # steps done
        self.figures: dict[str, float] = {}  # of the last evaluation
        model.optimizer = optimizer.inner  # where Keras callbacks look for it
        model.stop_training = False
        self.callbacks = keras.callbacks.CallbackList(
            list(callbacks),
            add_history=False,
            add_progbar=False,
            model=model,
            epochs=-(-self.train.steps * self.train.batch_size // stream.size),
            steps=-(-stream.size // self.train.batch_size),
            total_steps=self.train.steps,
            verbose=0,
        )
        self._epoch_means = Means()
        self._started: Started | None = None
        self._stop = False  # a replica asked to
        self._told_of_rate = False
        self._signals = StopSignals(self.progress.log)
        self._watchdog = Watchdog()

    def restore(self) -> int:
        """Restores the newest checkpoint, if there is one. Returns the steps done."""
        with self.strategy.scope():
            self.step = self.checkpoints.restore(self.progress.log) or 0
            if self.step:
                self.optimizer.rate.restore()
        self.folder.rewind(self.step)
        return self.step

    def run(self) -> dict[str, float]:
        """Trains to the end. Returns the figures of the last evaluation.

        Raises:
          NonFiniteLossError: a loss or gradient was not finite.
          TrainingInterrupted: SIGTERM or Ctrl-C, after a checkpoint.
          CheckpointError, RunFolderError: something could not be written.
        """
        try:
            with self._signals, self._watchdog:
                self.callbacks.on_train_begin()
                self._resume_evaluation()
                self._steps()
                self._finish()
                self.callbacks.on_train_end()
        finally:
            self.run_log.close()
        return self.figures

    def _steps(self) -> None:
        if self.step >= self.train.steps:
            self.progress.log(f"all {self.train.steps} steps were done before")
            return
        dataset = self.stream.batches(self.step * self.train.batch_size)
        run_step = TrainStep(
            self.strategy,
            self.model,
            self.optimizer,
            dataset.element_spec,
            self.train.clip_norm,
            self.loss_scale,
            compiled_update=self.train.xla == "update",
        )
        examples = iter(dataset)
        epoch = None
        while self.step < self.train.steps and not self.model.stop_training:
            if self._epoch(self.step) != epoch:
                resumed = epoch is None and self._batch(self.step) > 0
                epoch = self._epoch(self.step)
                self.callbacks.on_epoch_begin(epoch)
                if resumed:
                    self.optimizer.rate.reinstate()
            self._one_step(run_step, examples)
            if self._epoch(self.step) != epoch or self.step == self.train.steps:
                self._end_epoch(epoch)
            if self._stop:
                self._settle()
                self._interrupt()

    def _epoch(self, step: int) -> int:
        return step * self.train.batch_size // self.stream.size

    def _batch(self, step: int) -> int:
        """The number of a step in its epoch, 0 for the first."""
        first = -(-self._epoch(step) * self.stream.size // self.train.batch_size)
        return step - first

    def _one_step(self, run_step: TrainStep, examples) -> None:
        """One step and all that is due after it."""
        step, batch_in_epoch = self.step, self._batch(self.step)
        self.progress.started(step)
        rate = self.optimizer.set_step(step)
        self.callbacks.on_train_batch_begin(
            batch_in_epoch, {"step": step, "learning_rate": rate}
        )
        rate = self._rate_in_force()
        batch = self._next(examples)
        result = run_step.start(batch, bool(self._signals.received))
        self._settle()
        self._started = Started(
            step + 1, batch_in_epoch, rate, batch["image_index"], result
        )
        self.step = step + 1
        if run_step.calls == 1:
            self._settle()
            self.progress.pause()  # the first step was compiled, which takes a while
        saves = self.step % self.train.checkpoint_every == 0
        every = self.train.eval_every
        evaluates = every and self.step % every == 0 and self.step < self.train.steps
        logs = self.step % self.train.log_every == 0
        if saves or evaluates or logs or not self._lags:
            self._settle()
        if saves or evaluates:
            self._save()
        if evaluates:
            self._evaluate()

    def _rate_in_force(self) -> float:
        rate = self.optimizer.rate.look()
        if self.optimizer.rate.handed_over and not self._told_of_rate:
            self._told_of_rate = True
            self.progress.log(
                f"step {self.step + 1}: the learning rate is {rate:g}, set by a "
                "callback; train.learning_rate, warmup_* and decay_* no longer set it"
            )
        return rate

    def _settle(self) -> None:
        """Waits for the step that was started, and tells what it did."""
        if self._started is None:
            return
        started, self._started = self._started, None
        result = started.result.wait()
        self._watchdog.feed()
        if not result.finite:
            self._report_overflow(started, result)
        self.callbacks.on_train_batch_end(started.batch, dict(result.losses))
        if result.finite:
            self._epoch_means.add(result.losses)
        self.run_log.step(started.number, started.rate, result)
        self._stop = self._stop or result.stop

    def _next(self, examples):
        try:
            return next(examples)
        except tf.errors.OpError as error:
            raise (self.stream.error(error) or error) from error

    def _report_overflow(self, started: Started, result: StepResult) -> None:
        """A step that did not update: halved loss scale, or the end of the run."""
        bad = [k for k, v in result.losses.items() if v - v != 0 and k != "loss"]
        if result.explained and not bad:
            self.progress.log(
                f"step {started.number}: gradients overflow float16, left out; loss "
                f"scale {result.loss_scale:g} -> {max(result.loss_scale / 2, 1):g}"
            )
            return
        ids = self.stream.image_ids(started.image_index.numpy().tolist())
        if bad:
            what = ", ".join(f"{name} is {result.losses[name]}" for name in bad)
        else:
            names = result.bad_weights
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            what = f"the gradient of {', '.join(names[:3])}{more} is not finite"
        last = self.checkpoints.manager.latest_checkpoint or "none yet"
        raise NonFiniteLossError(
            f"step {started.number}: {what}; images of the batch: "
            f"{', '.join(map(repr, ids))}; the step did not change the weights, the "
            f"last checkpoint is {last}; a lower train.learning_rate, a longer "
            "train.warmup_steps or train.clip_norm may help"
        )

    def _end_epoch(self, epoch: int) -> None:
        self._settle()
        logs = self._epoch_means.take()
        logs |= {f"val_{k}": v for k, v in self.figures.items() if k != "step"}
        self.callbacks.on_epoch_end(epoch, logs)

    def _save(self) -> None:
        self.progress.pause()
        self.checkpoints.save(self.step)

    def _interrupt(self) -> None:
        self._save()
        self.progress.log(f"stopped after step {self.step}; go on with --resume")
        raise TrainingInterrupted(self._signals.received or signal.SIGTERM, self.step)

    def _heartbeat(self) -> None:
        """Now and then during an evaluation, before which a checkpoint was saved."""
        self._watchdog.feed()
        if self._signals.received and not is_cluster():
            self._interrupt()

    def _finish(self) -> None:
        """Checkpoint and evaluation of the last step, unless done already."""
        self._settle()
        self._save()
        if self.figures.get("step") != self.step:
            self._evaluate()
        self.figures.pop("step", None)

    def _resume_evaluation(self) -> None:
        """The evaluation that was due at the restored step but was cut short."""
        done = self.folder.evaluation(self.step) if self.step else None
        if done is not None:
            self.figures = {**done, "step": self.step}
            self._stop_early()
        elif self.step and self.train.eval_every:
            if self.step % self.train.eval_every == 0 and self.step < self.train.steps:
                self._evaluate()

    def _evaluate(self) -> None:
        if self.evaluate is None:
            return
        self.progress.pause()
        self.progress.log(f"step {self.step}: evaluating")
        self.callbacks.on_test_begin()
        with self.optimizer.averaged_weights():
            found = self.evaluate(self.model, self._heartbeat)
            figures = dict(found.figures)
            if best_figure(figures, self.config.evaluation) > self.folder.best():
                self.folder.save_best(self.model, self.step, figures)
        self.folder.write_results(found.results)
        self.run_log.evaluation(self.step, found)
        self.callbacks.on_test_end(figures)
        self.figures = {**figures, "step": self.step}
        self._stop_early()

    def _stop_early(self) -> None:
        """Ends training when the last evaluations were no better than one before."""
        patience, best = self.train.early_stopping, self.config.evaluation.best
        scores = [figures.get(best, -1.0) for figures in self.folder.evaluations()]
        if not patience or not scores or self.step >= self.train.steps:
            return
        count = len(scores) - 1 - scores.index(max(scores))
        if count >= patience:
            self.model.stop_training = True
            self.progress.log(
                f"step {self.step}: {count} evaluations without a larger {best} than "
                f"{max(scores):.4g}: training ends (train.early_stopping={patience})"
            )
