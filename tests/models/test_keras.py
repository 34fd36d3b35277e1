"""The models as Keras users know models: saved, loaded, cloned, summarised.

Each architecture at a tiny size. Files are read in processes that import tfmask alone.
"""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from models.model_cases import small_batch, small_config

from tfmask.layers.naming import named_weights
from tfmask.models import architectures

ARCHITECTURES = (
    architectures.MaskRCNN,
    architectures.CascadeMaskRCNN,
    architectures.PANetRCNN,
    architectures.MaskPlus,
    architectures.MRRCNN,
    architectures.BMaskRCNN,
    architectures.IEMaskRCNN,
    architectures.MaskScoringRCNN,
)
# Loads models and compares their results with stored ones, to the bit.
READER = """
import sys
import tfmask
import keras, numpy as np
for name in sys.argv[2:]:
    stored = np.load(f"{sys.argv[1]}/{name}.npz")
    batch = {k: stored[k] for k in ("images", "image_sizes")}
    model = keras.models.load_model(f"{sys.argv[1]}/{name}.keras")
    assert type(model).__name__ == name, type(model)
    result = model(batch)
    for key in ("boxes", "scores", "labels", "valid", "masks"):
        np.testing.assert_array_equal(result[key], stored["out_" + key], err_msg=name)
print("equal")
"""


def spread_weights(model, seed=1):
    """Numbers that tell every weight from every other, and keep results finite."""
    rng = np.random.default_rng(seed)
    for path, weight in named_weights(model).items():
        if path.endswith(("kernel", "bias", "moving_mean", "beta")):
            noise = rng.normal(0, 0.02, tuple(weight.shape))
            weight.assign(tf.cast(weight + noise.astype(np.float32), weight.dtype))


def inference_batch():
    batch = small_batch()
    return {k: batch[k].numpy() for k in ("images", "image_sizes")}


@pytest.fixture(scope="module")
def models():
    built = {}
    for architecture in ARCHITECTURES:
        keras.utils.set_random_seed(3)
        built[architecture.__name__] = architecture.create(3, small_config())
        spread_weights(built[architecture.__name__])
    return built


def assert_same_results(first, second):
    batch = inference_batch()
    expected, result = first(batch), second(batch)
    assert expected["valid"].numpy().any()
    assert set(expected) == set(result)
    for name in expected:
        np.testing.assert_array_equal(expected[name], result[name], err_msg=name)


def test_saved_models_are_loaded_by_a_process_that_only_imports_tfmask(
    models, tmp_path
):
    for name, model in models.items():
        batch = inference_batch()
        result = {f"out_{k}": v.numpy() for k, v in model(batch).items()}
        np.savez(tmp_path / f"{name}.npz", **batch, **result)
        model.save(tmp_path / f"{name}.keras")
    done = subprocess.run(
        [sys.executable, "-c", READER, tmp_path, *models],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("equal")


@pytest.mark.parametrize("name", [a.__name__ for a in ARCHITECTURES])
def test_weights_files_of_keras(models, tmp_path, name):
    model, path = models[name], tmp_path / "model.weights.h5"
    model.save_weights(path)
    other = type(model).create(3, small_config())
    other.load_weights(path)
    weights = named_weights(model)
    for key, weight in named_weights(other).items():
        np.testing.assert_array_equal(weight, weights[key], err_msg=key)
    assert_same_results(model, other)


@pytest.mark.parametrize("name", [a.__name__ for a in ARCHITECTURES])
def test_configuration_goes_through_json_and_clone_model(models, name):
    model = models[name]
    config = json.loads(json.dumps(model.get_config()))
    twin = type(model).from_config(config)
    assert twin.get_config() == model.get_config()
    clone = keras.models.clone_model(model)
    assert type(clone) is type(model)
    for other in (twin, clone):
        weights = named_weights(model)
        assert {k: tuple(v.shape) for k, v in named_weights(other).items()} == {
            k: tuple(v.shape) for k, v in weights.items()
        }
        other.set_weights(model.get_weights())
        assert_same_results(model, other)


@pytest.mark.parametrize("name", [a.__name__ for a in ARCHITECTURES])
def test_summary_names_every_part(models, name):
    lines = []
    models[name].summary(print_fn=lambda text, **_: lines.append(text))
    text = "\n".join(lines)
    for part in ("backbone", "neck", "proposals", "boxes", "masks"):
        assert part in text
    total = sum(int(np.prod(w.shape)) for w in models[name].weights)
    assert f"{total:,}" in text or str(total) in text


def test_every_weight_is_known_to_keras_once(models):
    for name, model in models.items():
        ids = [id(w) for w in model.weights]
        assert len(ids) == len(set(ids)) == len(named_weights(model)), name


def test_a_frozen_backbone_stays_frozen_when_it_is_loaded(tmp_path):
    settings = small_config()
    settings.backbone.freeze_at = 2
    model = architectures.MaskRCNN.create(3, settings)
    model.save(tmp_path / "m.keras")
    other = keras.models.load_model(tmp_path / "m.keras")
    counts = [len(m.trainable_weights) for m in (model, other)]
    assert counts[0] == counts[1] < len(model.weights)


def test_a_tfmask_weight_file_is_not_taken_for_a_file_of_keras(tmp_path, models):
    from tfmask.weights import files

    path = tmp_path / "best.weights.h5"  # as version 0.1 named them
    files.write(path, models["MaskRCNN"], None, None)
    with pytest.raises(ValueError, match="tfmask weight file.*load_weights"):
        models["MaskRCNN"].load_weights(path)
