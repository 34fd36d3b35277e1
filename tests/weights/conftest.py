"""Shapes of a model, shared by the tests of importers."""

import pytest

from tfmask.configs import lineages
from tfmask.layers.naming import named_weights
from tfmask.models.build import build_model


@pytest.fixture(scope="session")
def built_shapes():
    """Of a model with an eighth of the usual channels."""
    settings = lineages.detectron2().model
    settings.num_classes = 1
    settings.backbone.width, settings.neck.channels = 8, 32
    settings.rpn.channels = settings.mask.head.channels = 32
    settings.boxes.head.fc_units = 128
    weights = named_weights(build_model(settings))
    return {
        path: tuple(weight.shape)
        for path, weight in weights.items()
        if not path.startswith("loss_weights/")
    }
