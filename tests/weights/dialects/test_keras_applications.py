"""Files that keras.applications downloads."""

import urllib.error

import keras
import pytest

from tfmask.errors import WeightsError
from tfmask.weights import importer


def offline(**options):
    try:
        raise urllib.error.URLError("Temporary failure in name resolution")
    except urllib.error.URLError as error:
        message = f"URL fetch failure on https://x.h5: {error.reason}"
        raise Exception(message)  # noqa: B904  as Keras does


def damaged(**options):
    raise ValueError("Incomplete or corrupted file detected. The hash does not match")


@pytest.mark.parametrize(
    "build, reason", [(offline, "name resolution"), (damaged, "hash does not match")]
)
def test_a_download_that_fails_is_one_sentence(monkeypatch, build, reason):
    monkeypatch.setattr(keras.applications, "ResNet50", build)
    with pytest.raises(WeightsError) as error:
        importer.read_source("keras_applications", "resnet50")
    assert str(error.value).startswith("keras_applications:resnet50: cannot be")
    assert reason in str(error.value) and "\n" not in str(error.value)


def test_faults_of_the_code_are_not_taken_for_the_network(monkeypatch):
    def broken(**options):
        raise TypeError("a fault of the code")

    monkeypatch.setattr(keras.applications, "ResNet50", broken)
    with pytest.raises(TypeError, match="a fault of the code"):
        importer.read_source("keras_applications", "resnet50")
