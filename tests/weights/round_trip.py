"""What every importer must do with the names and shapes of a public file."""

import numpy as np

from tfmask.config import ModelConfig
from tfmask.models.build import build_model
from tfmask.weights import importer
from tfmask.weights.files import model_weights
from tfmask.weights.readers.torch_file import Source


def narrow_settings(preset, num_classes=80) -> ModelConfig:
    """A preset with an eighth of the usual channels, see public_names.narrow."""
    settings = preset().model
    settings.num_classes = num_classes
    settings.backbone.width, settings.neck.channels = 8, 32
    settings.rpn.channels = settings.mask.head.channels = 32
    settings.boxes.head.fc_units = 128
    return settings


_shapes: dict[str, dict] = {}  # of models that were built once


def shapes_of(settings: ModelConfig) -> dict[str, tuple]:
    """Path -> shape of the weights of the model of these settings."""
    key = repr(settings)
    if key not in _shapes:
        weights = model_weights(build_model(settings))
        _shapes[key] = {path: tuple(weight.shape) for path, weight in weights.items()}
    return _shapes[key]


def plan(format_name, arrays, settings, **options) -> importer.Plan:
    """The import of arrays into the model of these settings."""
    source = arrays if isinstance(arrays, Source) else Source(arrays, {})
    return importer.plan_import(
        format_name, source, shapes_of(settings), settings, "file", **options
    )


def assert_whole(format_name, arrays, settings, without=()) -> importer.Plan:
    """Every weight of the model is in the file, and comes back equal to the bit.

    Args:
      format_name: key of importer.FORMATS.
      arrays: of the file.
      settings: the model's.
      without: first names of paths that the file does not have.
    """
    whole = plan(format_name, arrays, settings)
    shapes = shapes_of(settings)
    expected = {path for path in shapes if path.split("/")[0] not in without}
    assert set(whole.values) == expected
    assert {path: shapes[path] for path in expected} == whole.report.loaded
    assert not whole.report.reset
    back = importer.export(format_name, whole.values, settings, like=arrays)
    assert not set(back) & set(whole.report.skipped)
    assert set(back) | set(whole.report.skipped) == set(arrays)
    for name, value in back.items():
        np.testing.assert_array_equal(value, arrays[name], name)
    return whole
