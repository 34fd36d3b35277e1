"""The exported model: pixels or files in, detections in their own frame out."""

import tensorflow as tf

from tfmask.config import DataConfig
from tfmask.data.transforms import resized_shape
from tfmask.export.encoded import decode_image
from tfmask.export.limits import Limits
from tfmask.export.resize import pad, resize, resized_size
from tfmask.export.results import full_masks, to_original
from tfmask.structures import ClassMap


class Detector:
    """Images of one size through a model, in the frame of the original images.

    Args:
      function: (images `[B, H, W, 3]` uint8 padded, image_sizes `[B, 2]` int32) -> dict
        of the model's outputs.
      data: eval_short_side, eval_max_side, pad_multiple.
      class_map: which label is which category.
      limits: Limits.
    """

    def __init__(self, function, data: DataConfig, class_map: ClassMap, limits: Limits):
        self._function = function
        self._data = data
        self._ids = class_map.ids
        self._limits = limits

    def run(self, images) -> dict:
        """`[B, H, W, 3]` uint8 RGB -> see `results.to_original`; no full masks."""
        data, shape = self._data, tf.shape(images)
        original = shape[1:3]
        if self._limits.size is None:
            size = resized_size(original, data.eval_short_side, data.eval_max_side)
        else:
            size = tf.constant(fixed_size(self._limits.size, data), tf.int32)
        padded = pad(resize(images, size), data.pad_multiple)
        every = tf.zeros([shape[0], 2], tf.int32)  # [B, 2]
        sizes, originals = every + size, every + original
        outputs = self._function(padded, sizes)
        return to_original(outputs, sizes, originals, self._ids)

    def with_full_masks(self, results: dict) -> dict:
        """The results, with `detection_masks_reframed` where the limits ask for it."""
        if not self._limits.full_masks:
            return results
        height, width = tf.unstack(tf.reduce_max(results["image_size"], 0))
        masks = full_masks(
            results["detection_boxes_pixels"],
            results["detection_masks"],
            results["num_detections"],
            height,
            width,
        )
        return {**results, "detection_masks_reframed": masks}


class ServingModule(tf.Module):
    """The signatures of an exported model around a frozen one.

    Images are resized by the evaluation's rule, padded, and run; images of one size
    together, files one by one, each on its own canvas, so that company changes nothing.

    Args:
      frozen: export.freeze.FrozenModel.
      data: eval_short_side, eval_max_side, pad_multiple, exif.
      class_map: which label is which category.
      limits: Limits.
    """

    def __init__(self, frozen, data: DataConfig, class_map: ClassMap, limits: Limits):
        super().__init__(name="tfmask")
        self.frozen = frozen  # its weights are saved with the module
        self._detector = Detector(frozen, data, class_map, limits)
        self._exif = data.exif != "ignore"
        self._limits = limits
        size = limits.size or (None, None)
        images = tf.TensorSpec([None, *size, 3], tf.uint8, "input_tensor")
        files = tf.TensorSpec([None], tf.string, "image_bytes")
        examples = tf.TensorSpec([None], tf.string, "tf_example")
        pixels = self._concrete(self.detect, images)
        self._specs = {
            name: tf.TensorSpec(value.shape[1:], value.dtype)
            for name, value in pixels.structured_outputs.items()
            if name != "detection_masks_reframed"
        }
        self.endpoints = {
            "serving_default": pixels,
            "image_bytes": self._concrete(self.detect_files, files),
            "tf_example": self._concrete(self.detect_examples, examples),
        }

    def _concrete(self, function, spec):
        traced = tf.function(function, input_signature=[spec], autograph=False)
        return traced.get_concrete_function()

    def detect(self, input_tensor) -> dict:
        """`[B, H, W, 3]` uint8 RGB, images of one size -> see `results.to_original`."""
        shape = tf.shape(input_tensor)
        with tf.control_dependencies(self._checks(shape[0], shape[1:3])):
            images = tf.identity(input_tensor)
        return self._detector.with_full_masks(self._detector.run(images))

    def detect_files(self, image_bytes) -> dict:
        """`[B]` strings, JPEG or PNG files of any sizes -> as `detect`."""
        some = tf.debugging.Assert(
            tf.size(image_bytes) > 0, ["no image: expected at least one"]
        )
        with tf.control_dependencies([some]):
            image_bytes = tf.identity(image_bytes)

        def one(contents):
            image = decode_image(contents, self._exif, self._limits.max_pixels)
            size = tf.shape(image)[:2]
            with tf.control_dependencies(self._checks(1, size)):
                image = tf.identity(image)
            if self._limits.size is not None:
                image.set_shape([*self._limits.size, 3])  # checked above
            return {name: v[0] for name, v in self._detector.run(image[None]).items()}

        # A plain dict: the one that TensorFlow 2.15 tracks here cannot be an output.
        specs = dict(self._specs)
        outputs = tf.map_fn(
            one, image_bytes, fn_output_signature=specs, parallel_iterations=1
        )
        return self._detector.with_full_masks(outputs)

    def detect_examples(self, tf_example) -> dict:
        """`[B]` serialised tf.train.Example, the file in `image/encoded`."""
        feature = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
        parsed = tf.io.parse_example(tf_example, feature)
        return self.detect_files(parsed["image/encoded"])

    def _checks(self, count, size):
        pixels = tf.reduce_prod(tf.cast(size, tf.int64))
        yield tf.debugging.Assert(
            (count > 0) & (pixels > 0),
            ["no image: expected at least one, of at least one pixel"],
        )
        limit = self._limits.max_pixels
        yield tf.debugging.Assert(
            pixels <= limit,
            [
                "the image has too many pixels; height and width:",
                size,
                "expected a product of at most",
                limit,
            ],
        )
        if self._limits.size is not None:
            yield tf.debugging.Assert(
                tf.reduce_all(tf.equal(size, self._limits.size)),
                [
                    "the image has the wrong size; height and width:",
                    size,
                    "this model was exported for",
                    list(self._limits.size),
                ],
            )


def fixed_size(size: tuple[int, int], data: DataConfig) -> tuple[int, int]:
    """(height, width) that images of a size are resized to."""
    return resized_shape(*size, data.eval_short_side, data.eval_max_side)


def padded_size(size: tuple[int, int], data: DataConfig) -> tuple[int, int]:
    """(height, width) of the canvas that images of a size are run on."""
    multiple = data.pad_multiple
    height, width = fixed_size(size, data)
    return height + -height % multiple, width + -width % multiple
