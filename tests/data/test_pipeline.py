import json
import os

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tfmask.config import AugmentConfig, DataConfig
from tfmask.data import pipeline
from tfmask.data.canvas import canvases
from tfmask.data.readers import load_dataset
from tfmask.errors import DataError


def config(**changes) -> DataConfig:
    values = {"short_side": (64, 48), "max_side": 128, "mask_resolution": 28}
    values |= {"eval_short_side": 80, "eval_max_side": 128}
    return DataConfig(**(values | changes))


@pytest.fixture
def dataset(content, write_set):
    return load_dataset(write_set(content), log=None)


def take(stream, count: int) -> list[dict]:
    return [
        {name: tensor.numpy() for name, tensor in batch.items()}
        for batch in stream.take(count)
    ]


def assert_same_batch(first: dict, second: dict) -> None:
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.mark.parametrize("workers", [0, 3])
def test_batches_are_the_padded_examples_in_order(dataset, workers):
    settings = config(workers=workers)
    batches = take(pipeline.training_dataset(dataset, settings, 4, 7), 5)
    loader = pipeline.ExampleLoader(dataset, settings, True, 7, batch_size=4)
    for step, batch in enumerate(batches):
        np.testing.assert_array_equal(batch["stream_index"], np.arange(4) + 4 * step)
        for slot in range(4):
            example = loader.example(4 * step + slot)
            for name, value in example.items():
                row = batch[name][slot]
                inner = row[tuple(slice(n) for n in value.shape)]
                np.testing.assert_array_equal(inner, value)
                if row.ndim:  # whatever lies outside is zero
                    assert row.astype(np.float64).sum() == pytest.approx(
                        value.astype(np.float64).sum()
                    )


def test_batches_that_are_held_do_not_change(dataset):
    stream = pipeline.training_dataset(dataset, config(), 2, 5)
    held = list(stream.take(12))
    copies = take(stream, 12)
    for batch, copy in zip(held, copies, strict=True):
        assert_same_batch({name: t.numpy() for name, t in batch.items()}, copy)


def test_images_are_taken_over_without_a_copy(dataset, monkeypatch):
    made = {}
    batch = pipeline.ExampleLoader.batch

    def spy(self, plans, run):
        arrays = batch(self, plans, run)
        address = arrays["images"].__array_interface__["data"][0]
        made[plans[0].position] = address
        return arrays

    monkeypatch.setattr(pipeline.ExampleLoader, "batch", spy)
    for tensors in pipeline.training_dataset(dataset, config(), 2, 0).take(5):
        position = int(tensors["stream_index"][0])
        images = np.asarray(memoryview(tensors["images"]))
        assert images.__array_interface__["data"][0] == made[position]


@pytest.mark.parametrize("batch_size, workers", [(1, 5), (4, 2), (6, 1)])
def test_any_number_of_threads_gives_the_same_stream(dataset, batch_size, workers):
    one, several = (
        take(pipeline.training_dataset(dataset, config(workers=n), batch_size, 3), 30)
        for n in (1, workers)
    )
    for first, second in zip(one, several, strict=True):
        assert_same_batch(first, second)


def test_static_shapes_and_types(dataset):
    spec = pipeline.training_dataset(dataset, config(), 2, 0).element_spec
    shapes = {name: (s.shape.as_list(), s.dtype) for name, s in spec.items()}
    assert shapes == {
        "images": ([2, None, None, 3], tf.uint8),
        "image_sizes": ([2, 2], tf.int32),
        "scales": ([2, 2], tf.float32),
        "original_sizes": ([2, 2], tf.int32),
        "image_index": ([2], tf.int64),
        "stream_index": ([2], tf.int64),
        "boxes": ([2, None, 4], tf.float32),
        "labels": ([2, None], tf.int32),
        "masks": ([2, None, 28, 28], tf.uint8),
        "crowd": ([2, None], tf.bool),
        "valid": ([2, None], tf.bool),
    }


@pytest.mark.parametrize("kind", ["buckets", "fixed"])
def test_batches_are_padded_to_the_sizes_of_the_setting(dataset, kind):
    settings = config(padding=kind)
    sizes = canvases(settings, kind)
    padded = take(pipeline.training_dataset(dataset, settings, 2, 0), 6)
    tight = take(pipeline.training_dataset(dataset, config(), 2, 0), 6)
    for batch, plain in zip(padded, tight):
        assert batch["images"].shape[1:3] in sizes
        height, width = plain["images"].shape[1:3]
        np.testing.assert_array_equal(
            batch["images"][:, :height, :width], plain["images"]
        )
        assert not batch["images"][:, height:].any()
        assert not batch["images"][:, :, width:].any()
        np.testing.assert_array_equal(batch["boxes"], plain["boxes"])


def test_padding_is_a_multiple_and_ground_truth_has_a_row(dataset):
    for batch in take(pipeline.training_dataset(dataset, config(), 2, 0), 6):
        height, width = batch["images"].shape[1:3]
        assert height % 32 == 0 and width % 32 == 0
        assert batch["boxes"].shape[1] >= 1
        assert (batch["boxes"][~batch["valid"]] == 0).all()
        assert (batch["labels"][~batch["valid"]] == 0).all()


def test_stream_resumes_exactly_at_any_position(dataset):
    whole = take(pipeline.training_dataset(dataset, config(), 2, 3), 6)
    later = take(pipeline.training_dataset(dataset, config(), 2, 3, start_index=6), 3)
    for first, second in zip(whole[3:], later, strict=True):
        assert_same_batch(first, second)


def test_stream_with_repeated_images_resumes_exactly_and_its_epoch_is_longer(dataset):
    settings = config(repeat_threshold=1.0)
    # Shares 2/3 and 1/3 of two classes, and an image with nothing: 1.73 + 1.22 + 1.
    assert pipeline.epoch_size(dataset, settings) == 4
    assert pipeline.epoch_size(dataset, config()) == 3
    whole = take(pipeline.training_dataset(dataset, settings, 2, 3), 20)
    later = take(pipeline.training_dataset(dataset, settings, 2, 3, start_index=14), 13)
    for step, batch in enumerate(later):
        assert_same_batch(batch, whole[7 + step])
    drawn = np.concatenate([b["image_index"] for b in whole])
    assert np.bincount(drawn).tolist()[2] == 10  # once in each epoch
    assert 15 <= (drawn == 0).sum() <= 20 and (drawn == 1).sum() >= 10


def test_augmented_stream_is_the_same_resumed_and_with_other_threads(dataset):
    augment = AugmentConfig(
        scale_jitter=(0.5, 2.0), rotate=0.5, copy_paste=0.7, brightness=0.3, hue=0.1
    )
    one, three = (config(augment=augment, workers=n) for n in (1, 3))
    whole = take(pipeline.training_dataset(dataset, one, 2, 3), 10)
    again = take(pipeline.training_dataset(dataset, three, 2, 3), 10)
    later = take(pipeline.training_dataset(dataset, three, 2, 3, start_index=12), 4)
    for first, second in zip(whole + whole[6:], again + later, strict=True):
        assert_same_batch(first, second)


def test_shards_are_the_parts_of_the_whole_batches(dataset):
    whole = take(pipeline.training_dataset(dataset, config(), 4, 1, 8), 3)
    parts = [
        take(pipeline.training_dataset(dataset, config(), 4, 1, 8, shard=(w, 2)), 3)
        for w in range(2)
    ]
    for step, batch in enumerate(whole):
        joined = np.concatenate([p[step]["stream_index"] for p in parts])
        np.testing.assert_array_equal(joined, batch["stream_index"])
        joined = np.concatenate([p[step]["image_index"] for p in parts])
        np.testing.assert_array_equal(joined, batch["image_index"])
    with pytest.raises(DataError, match="multiple of 3"):
        pipeline.training_dataset(dataset, config(), 4, 1, shard=(0, 3))


def test_stream_goes_through_a_distribution_strategy(dataset):
    devices = tf.config.list_logical_devices("CPU")[:1]
    strategy = tf.distribute.MirroredStrategy([d.name for d in devices])
    stream = pipeline.training_dataset(dataset, config(), 4, 1)
    batch = next(iter(strategy.experimental_distribute_dataset(stream)))
    plain = take(stream, 1)[0]
    np.testing.assert_array_equal(batch["stream_index"], plain["stream_index"])


def test_evaluation_covers_every_image_once_in_batches_of_one_padded_shape(
    content, write_set
):
    folder = write_set(content)
    for index, shape in enumerate([(40, 60), (60, 40), (41, 60), (60, 40), (30, 90)]):
        content["images"].append(
            {
                "id": 100 + index,
                "file_name": f"{index}.png",
                "height": shape[0],
                "width": shape[1],
            }
        )
        cv2.imwrite(f"{folder}/images/{index}.png", np.zeros((*shape, 3), np.uint8))
    with open(f"{folder}/annotations.json", "w") as stream:
        json.dump(content, stream)
    dataset = load_dataset(folder)

    batches = take(pipeline.evaluation_dataset(dataset, config(), 2), 99)

    seen = np.concatenate([b["image_index"] for b in batches])
    np.testing.assert_array_equal(np.sort(seen), np.arange(8))
    groups = pipeline.evaluation_batches(dataset, config(), 2)
    assert [b["image_index"].tolist() for b in batches] == groups
    loader = pipeline.ExampleLoader(dataset, config(), False, 0)
    for batch in batches:
        for slot, index in enumerate(batch["image_index"]):
            example = loader.example(index)
            assert example["images"].shape == batch["images"].shape[1:]
            np.testing.assert_array_equal(batch["images"][slot], example["images"])
            count = len(example["boxes"])
            np.testing.assert_array_equal(
                batch["masks"][slot, :count], example["masks"]
            )
            assert not batch["valid"][slot, count:].any()


def truncate(path: str) -> None:
    with open(path, "r+b") as stream:
        stream.truncate(os.path.getsize(path) // 2)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_evaluation_skips_and_names_an_unreadable_image(dataset, batch_size):
    truncate(dataset.images[1].path)
    lines = []
    stream = pipeline.evaluation_dataset(
        dataset, config(), batch_size, log=lines.append
    )
    seen = np.concatenate([b["image_index"] for b in take(stream, 9)])
    np.testing.assert_array_equal(seen, [0, 2])
    assert len(lines) == 1 and "b.jpg" in lines[0] and "left out" in lines[0]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_data_error_comes_back_from_tensorflow_as_one_sentence(
    dataset, strict, training
):
    for record in dataset.images[:2]:
        truncate(record.path)
    settings = config(strict=strict)
    if training:
        stream = pipeline.training_dataset(dataset, settings, 3, 0, log=None)
    else:
        stream = pipeline.evaluation_dataset(dataset, settings, 1, log=None)
    with pytest.raises(tf.errors.OpError) as caught:
        take(stream, 9)
    error = pipeline.data_error(caught.value)
    assert isinstance(error, DataError) and "\n" not in str(error)
    expected = "cannot be decoded" if strict else "2 of 3 images cannot be read"
    assert expected in str(error) and dataset.image_folder in str(error)
    assert str(error).startswith((dataset.image_folder, "2 of 3"))


def test_other_errors_are_not_taken_for_data_errors():
    assert pipeline.data_error(ValueError("shapes differ")) is None
