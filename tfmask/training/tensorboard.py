"""TensorBoard files, written without the tensorboard package."""

import numpy as np
import tensorflow as tf

from tfmask.evaluation.visualize import encode_within

MOST_BYTES = 400_000  # of all pictures of an evaluation


class SummaryWriter:
    """Scalars and pictures of a run.

    TensorFlow's own `tf.summary.scalar` and `image` need the tensorboard package to
    write; this writes the same records by hand.

    Args:
      folder: where the event files go.
    """

    def __init__(self, folder):
        self._writer = tf.summary.create_file_writer(str(folder))

    def scalars(self, step: int, figures: dict[str, float]) -> None:
        """Writes a number under each name."""
        with self._writer.as_default(step=step):
            for name, value in figures.items():
                value = tf.constant(value, tf.float32)
                tf.summary.write(name, value, metadata=_metadata("scalars", 1))

    def image(
        self, step: int, name: str, image: np.ndarray, most_bytes: int = MOST_BYTES
    ) -> None:
        """Writes a picture, `[H, W, 3]` uint8 RGB, made smaller where it is too large.

        Args:
          step: of the run.
          name: of the picture.
          image: the picture.
          most_bytes: what its file may take.
        """
        data, height, width = encode_within(image, most_bytes)
        record = [str(width).encode(), str(height).encode(), data]
        with self._writer.as_default(step=step):
            tf.summary.write(name, tf.constant(record), metadata=_metadata("images", 3))

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _metadata(plugin: str, data_class: int):
    """Which part of TensorBoard shows a record; class 1 is scalars, 3 is blobs."""
    kind = tf.compat.v1.SummaryMetadata
    return kind(plugin_data=kind.PluginData(plugin_name=plugin), data_class=data_class)
