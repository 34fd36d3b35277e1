"""Checkpoints of a run: weights, optimizer, step and loss scale, written atomically."""

import shutil
from pathlib import Path

import tensorflow as tf

from tfmask.errors import CheckpointError
from tfmask.layers.naming import named_weights, raw_variable


class Checkpoints:
    """Saves and restores everything a run needs to go on as if never stopped.

    The place in the input stream and all random draws follow from the step.

    Args:
      folder: where they are written.
      model, optimizer, loss_scale: whose state it is; the optimizer is built.
      keep: the newest so many stay.
      source: folder to restore from, default `folder`.
    """

    def __init__(self, folder, model, optimizer, loss_scale, keep, source=None):
        self.folder = Path(folder)
        self.source = Path(source or folder)
        with tf.device("CPU:0"):
            self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        weights = {k: raw_variable(v) for k, v in named_weights(model).items()}
        slots = {f"{i:05d}": v for i, v in enumerate(optimizer.state())}
        self._checkpoint = tf.train.Checkpoint(
            weights=weights,
            optimizer=slots,
            step=self.step,
            loss_scale=loss_scale.scale,
            good_steps=loss_scale.good_steps,
        )
        self._keep = keep
        self._manager = None
        self.last_saved = None

    @property
    def manager(self) -> tf.train.CheckpointManager:
        if self._manager is None:
            try:
                self._manager = tf.train.CheckpointManager(
                    self._checkpoint,
                    str(self.folder),
                    max_to_keep=self._keep,
                    checkpoint_name="step",
                )
            except (tf.errors.OpError, OSError) as error:
                raise CheckpointError(
                    f"{self.folder}: checkpoints cannot be written ({_first(error)})"
                ) from error
        return self._manager

    def save(self, step: int) -> str:
        """Writes the state after `step` steps; nothing if that is already there.

        Raises:
          CheckpointError: it cannot be written; earlier checkpoints are unharmed.
        """
        if self.last_saved == step:
            return self.manager.latest_checkpoint
        self.step.assign(step)
        before = self.manager.latest_checkpoint
        try:
            path = self.manager.save(checkpoint_number=step)
        except (tf.errors.OpError, OSError) as error:
            self._remove_leftovers()
            raise CheckpointError(
                f"{self.folder}: the checkpoint of step {step} cannot be written "
                f"({_first(error)}); the last good one is {before or 'none'}"
            ) from error
        self.last_saved = step
        return path

    def restore(self, log=print) -> int | None:
        """Restores the newest readable checkpoint.

        Returns:
          The number of steps done, or None when there is no checkpoint.

        Raises:
          CheckpointError: there are checkpoints, but none fits this run.
        """
        paths = existing(self.source)
        failures = []
        for path in reversed(paths):
            try:
                status = self._checkpoint.restore(path)
                status.assert_existing_objects_matched()
                status.assert_consumed()
            except (tf.errors.OpError, AssertionError, ValueError) as error:
                failures.append(f"{path}: {_first(error)}")
                log(f"checkpoint left out: {failures[-1]}")
                continue
            step = int(self.step)
            self.last_saved = None if failures else step
            self._remove_leftovers()
            return step
        if failures:
            raise CheckpointError(
                f"{self.source}: no checkpoint fits this run; {failures[0]}; was the "
                "model or the optimizer changed?"
            )
        return None

    def _remove_leftovers(self) -> None:
        """Files of a save that was cut short."""
        known = {Path(path).name for path in existing(self.folder)}
        for path in self.folder.glob("step-*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name.split(".")[0] not in known:
                path.unlink(missing_ok=True)


def existing(folder) -> list[str]:
    """Prefixes of the complete checkpoints of a folder, oldest first."""
    # By the files: the list that TensorFlow keeps beside them may be lost or older.
    found = [path.with_suffix("") for path in Path(folder).glob("step-*.index")]
    complete = [path for path in found if path.name.split("-")[1].isdigit()]
    return [str(p) for p in sorted(complete, key=lambda p: int(p.name.split("-")[1]))]


def _first(error) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
