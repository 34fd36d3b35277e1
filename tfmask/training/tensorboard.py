"""TensorBoard files, written without the tensorboard package."""

import cv2
import numpy as np
import tensorflow as tf


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

    def image(self, step: int, name: str, image: np.ndarray) -> None:
        """Writes a picture, `[H, W, 3]` uint8 RGB."""
        done, png = cv2.imencode(".png", image[..., ::-1])
        if not done:
            raise ValueError(
                f"{name}: picture of shape {image.shape} cannot be encoded"
            )
        height, width = image.shape[:2]
        record = [str(width).encode(), str(height).encode(), png.tobytes()]
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
