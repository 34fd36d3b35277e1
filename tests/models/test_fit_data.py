"""`fit` on a data set from disk, as docs/training.md shows it."""

import keras
import numpy as np
import pytest
from models.model_cases import small_config

from tfmask import MaskRCNN
from tfmask.config import DataConfig
from tfmask.data import pipeline
from tfmask.data.readers import load_dataset
from tfmask.data.synthetic.generate import write_dataset


@pytest.mark.slow
def test_fit_evaluate_and_predict_on_a_data_set(tmp_path):
    write_dataset(tmp_path / "train", 8, seed=0, size=80)
    write_dataset(tmp_path / "val", 3, seed=1, size=80)
    sizes = DataConfig(
        short_side=(64,), max_side=96, eval_short_side=64, eval_max_side=96
    )
    train = load_dataset(str(tmp_path / "train"), "", sizes, training=True)
    val = load_dataset(str(tmp_path / "val"), "", sizes)
    model = MaskRCNN.create(train.class_map.num_classes, small_config())
    model.compile(keras.optimizers.SGD(0.02, momentum=0.9), clip_norm=5.0)
    validation = pipeline.evaluation_dataset(val, sizes, 2)
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=2)
    history = model.fit(
        pipeline.training_dataset(train, sizes, batch_size=4, seed=0),
        steps_per_epoch=2,
        epochs=4,
        validation_data=validation,
        callbacks=[stop],
        verbose=0,
    ).history
    assert history["loss"][-1] < history["loss"][0]
    again = model.evaluate(validation, verbose=0, return_dict=True)
    assert again["loss"] == pytest.approx(history["val_loss"][-1], rel=1e-4)
    detections = model.predict(validation, verbose=0)
    assert detections["masks"].shape[:2] == (3, 20)
    assert np.isfinite(detections["boxes"]).all()
