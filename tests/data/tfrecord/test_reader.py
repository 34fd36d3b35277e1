"""TFRecords there and back, training from them, and everything that can be wrong."""

import json

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tfmask.cli import main
from tfmask.config import DataConfig
from tfmask.data.convert.convert import convert_dataset
from tfmask.data.loader import ExampleLoader
from tfmask.data.readers import load_dataset
from tfmask.data.synthetic.generate import write_dataset
from tfmask.errors import ConfigError, DataError, ImageError


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    write_dataset(folder, 9, seed=1, size=96)
    return folder


@pytest.fixture
def shards(source, tmp_path):
    """The set in two shards; images 1, 3, 5, 7, 9 and 2, 4, 6, 8."""
    prefix = tmp_path / "tf" / "train"
    convert_dataset("coco", str(source), f"{prefix}@2", target="tfrecord", log=None)
    return prefix


def first_shard(shards):
    return shards.parent / "train-00000-of-00002.tfrecord"


def read(path, **options):
    return load_dataset(str(path), options=DataConfig(**options), log=None)


def assert_equal(ours, theirs):
    assert ours.class_map == theirs.class_map and len(ours) == len(theirs)
    others = {record.image_id: record for record in theirs.images}
    for record in ours.images:
        other = others[record.image_id]
        assert record.file_name == other.file_name
        assert record.boxes.tobytes() == other.boxes.tobytes()
        np.testing.assert_array_equal(record.labels, other.labels)
        np.testing.assert_array_equal(record.crowd, other.crowd)
        np.testing.assert_array_equal(np.float32(record.areas), np.float32(other.areas))
        np.testing.assert_allclose(
            record.annotated_boxes, other.annotated_boxes, rtol=0, atol=1e-9
        )
        for index in range(len(record.labels)):
            np.testing.assert_array_equal(record.mask(index), other.mask(index))
        np.testing.assert_array_equal(record.read("auto"), other.read("auto"))


def test_a_set_comes_back_to_the_bit(source, shards):
    before, after = read(source), read(shards.parent)
    assert before.num_annotations > 30 and before.images[0].crowd.dtype == bool
    assert_equal(before, after)
    assert not after.problems and after.format == "tfrecord"


def test_back_to_coco_with_the_image_files(source, shards, tmp_path):
    output = tmp_path / "back.json"
    convert_dataset("tfrecord", f"{shards}@2", str(output), log=None)
    after = load_dataset(str(output), str(tmp_path / "back_images"), log=None)
    assert_equal(read(source), after)
    name = after.images[0].file_name
    original = (source / "images" / name).read_bytes()
    assert (tmp_path / "back_images" / name).read_bytes() == original


def test_boxes_with_decimals_come_back_as_annotated(source, tmp_path):
    content = json.loads((source / "annotations.json").read_text())
    rng = np.random.default_rng(0)
    for record in content["annotations"]:
        x, y, w, h = record["bbox"]
        dx, dy = rng.uniform(0, 0.9, 2)
        box = [x + dx, y + dy, w - dx, h - dy]
        record["bbox"] = [round(v, 2) for v in box]
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(content))
    output = str(tmp_path / "t")
    images = str(source / "images")
    convert_dataset(
        "coco", str(path), output, images=images, target="tfrecord", log=None
    )
    before = load_dataset(str(path), images, log=None)
    assert_equal(before, read(f"{output}@1"))


def test_training_examples_are_those_of_the_json_in_any_order(source, shards):
    json_set, record_set = read(source), read(shards.parent)
    positions = {r.image_id: i for i, r in enumerate(json_set.images)}
    config = DataConfig(short_side=(64,), max_side=96, flip=0.0, mask_resolution=28)
    ours = ExampleLoader(record_set, config, True, 3, log=None)
    theirs = ExampleLoader(json_set, config, False, 3, log=None)
    theirs.config = DataConfig(
        eval_short_side=64, eval_max_side=96, flip=0.0, mask_resolution=28
    )
    seen = []
    for i in (11, 4, 0, 7, 13):
        example = ours.example(i)
        image_id = record_set.images[int(example["image_index"])].image_id
        other = theirs.example(positions[image_id])
        seen.append(image_id)
        for key in ("images", "boxes", "labels", "masks", "crowd", "valid"):
            np.testing.assert_array_equal(example[key], other[key])
    assert len(set(seen)) > 3
    again = ExampleLoader(read(shards.parent), config, True, 3, log=None).example(7)
    for key, value in ours.example(7).items():
        np.testing.assert_array_equal(value, again[key])


def test_a_stream_resumed_at_a_step_goes_on_to_the_bit(shards):
    from tfmask.data.pipeline import training_dataset

    config = DataConfig(short_side=(64, 80), max_side=96, mask_resolution=28, workers=1)

    def batches(start, count):
        dataset = read(f"{shards}@2")
        stream = training_dataset(dataset, config, 2, 5, 2 * start, log=None)
        return list(stream.take(count).as_numpy_iterator())

    whole = batches(0, 6)
    for expected, resumed in zip(whole[4:], batches(4, 2)):
        assert expected.keys() == resumed.keys()
        for key, value in expected.items():
            np.testing.assert_array_equal(value, resumed[key])
    assert whole[0]["image_index"].tolist() != [0, 1]


def test_the_commands_write_and_check_records(source, tmp_path, capsys):
    prefix = str(tmp_path / "a")
    arguments = ["convert-dataset", "coco", str(source), "--output", f"{prefix}@2"]
    assert main([*arguments, "--to", "tfrecord"]) == 0
    assert f"data.train={prefix}@2" in capsys.readouterr().out
    path = tmp_path / "a-00001-of-00002.tfrecord"
    content = bytearray(path.read_bytes())
    content[3] ^= 1  # of the first record's length
    path.write_bytes(content)
    assert main(["validate", f"{prefix}@2"]) == 0
    said = capsys.readouterr().out
    assert f"{path}, record 1: its length" in said and "1 errors (left out" in said
    assert main(["validate", f"{prefix}-*.tfrecord", "--strict"]) == 1


def test_images_that_tensorflow_reads_otherwise_are_stored_as_png(tmp_path):
    from image_bytes import encode, picture, with_exif

    (tmp_path / "images").mkdir()
    data = picture(24, 40)[..., ::-1]
    files = {
        "a.jpg": encode(data, ".jpg"),
        "b.webp": encode(data, ".webp"),
        "c.jpg": with_exif(encode(data, ".jpg"), 6),
    }
    content = {"images": [], "annotations": [], "categories": [{"id": 3, "name": "x"}]}
    for index, (name, value) in enumerate(files.items(), 1):
        (tmp_path / "images" / name).write_bytes(value)
        height, width = (40, 24) if name == "c.jpg" else (24, 40)
        content["images"].append(
            {"id": index, "file_name": name, "height": height, "width": width}
        )
        content["annotations"].append(
            {
                "id": index,
                "image_id": index,
                "category_id": 3,
                "segmentation": [[2, 2, 12, 2, 12, 12, 2, 12]],
                "bbox": [2, 2, 10, 10],
                "area": 100,
            }
        )
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    output = tmp_path / "tf" / "x"
    convert_dataset("coco", str(tmp_path), str(output), target="tfrecord", log=None)
    before, after = read(tmp_path), read(output.parent)
    assert_equal(before, after)
    formats = {}
    for raw in tf.data.TFRecordDataset(f"{output}-00000-of-00001.tfrecord"):
        feature = tf.train.Example.FromString(raw.numpy()).features.feature
        encoded = feature["image/encoded"].bytes_list.value[0]
        name = feature["image/filename"].bytes_list.value[0].decode()
        formats[name] = feature["image/format"].bytes_list.value[0].decode()
        image = tf.io.decode_image(encoded, channels=3).numpy()
        record = next(r for r in before.images if r.file_name == name)
        assert np.abs(image.astype(int) - record.read("auto")).max() <= 8  # of JPEG
    assert formats == {"a.jpg": "jpeg", "b.webp": "png", "c.jpg": "png"}


# --- what can be wrong ------------------------------------------------------------


def rewrite(path, change):
    """Changes the features of each record; `change(number, feature)`."""
    raws = [raw.numpy() for raw in tf.data.TFRecordDataset(str(path))]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number, raw in enumerate(raws, 1):
            example = tf.train.Example.FromString(raw)
            change(number, example.features.feature)
            writer.write(example.SerializeToString())


def test_damage_is_counted_and_named_with_file_and_record(shards):
    path = first_shard(shards)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    dataset = read(shards.parent)
    (problem,) = dataset.problems
    assert str(path) in problem.message and ", record 3: " in problem.message
    assert dataset.images_left_out == 1 and len(dataset) == 8
    with pytest.raises(DataError, match="record 3"):
        read(shards.parent, strict=True)


def test_a_shard_cut_between_records_is_short(shards):
    path = first_shard(shards)
    kept = [raw.numpy() for raw in tf.data.TFRecordDataset(str(path))][:3]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for raw in kept:
            writer.write(raw)
    dataset = read(shards.parent)
    (problem,) = dataset.problems
    assert problem.kind == "shard_short" and "has 3 of 5 records" in problem.message
    assert dataset.images_left_out == 2
    path.write_bytes(b"")
    assert "has 0 of 5 records" in read(shards.parent).problems[0].message


def test_a_missing_shard_is_a_problem_of_the_set(shards):
    first_shard(shards).unlink()
    (problem,) = read(shards.parent).problems
    assert problem.kind == "shard_missing" and problem.severity == "error"


@pytest.mark.parametrize(
    ("key", "value", "kind", "said"),
    [
        ("image/encoded", None, "record_without_image", "no image/encoded"),
        ("image/encoded", b"GIF89a", "image_unreadable", "is a GIF"),
        ("image/height", 97, "image_size_differs", "the annotations say 96 x 97"),
        ("image/object/mask", None, "record_lists_differ", "without masks"),
        ("image/object/bbox/xmax", None, "record_lists_differ", "bbox/xmax"),
    ],
)
def test_a_record_with_a_fault_is_left_out(key, value, kind, said, shards):
    def change(number, feature):
        if number == 2:
            del feature[key]
            for edge in ("xmin", "xmax", "ymin", "ymax"):
                del feature[f"image/object/bbox/{edge}_pixels"]
            if isinstance(value, bytes):
                feature[key].bytes_list.value.append(value)
            elif value is not None:
                feature[key].int64_list.value.append(value)

    rewrite(first_shard(shards), change)
    dataset = read(shards.parent)
    (problem,) = dataset.problems
    assert problem.kind == kind and said in problem.message
    assert ", record 2: " in problem.message and dataset.images_left_out == 1


def test_faults_of_an_object_leave_it_alone_out(shards):
    def change(number, feature):
        masks = feature["image/object/mask"].bytes_list.value
        if number == 2:
            masks[0] = masks[0][:20]
            other = np.zeros((5, 7), np.uint8)
            masks[1] = cv2.imencode(".png", other)[1].tobytes()
        if number == 3:
            feature["image/object/class/label"].int64_list.value[0] = 77

    rewrite(first_shard(shards), change)
    dataset = read(shards.parent)
    said = {p.annotation_id.partition(".tfrecord, ")[2]: p for p in dataset.problems}
    assert said["record 2, object 1"].kind == "mask_unreadable"
    assert "7 x 5 pixels, the image 96 x 96" in said["record 2, object 2"].message
    assert said["record 3, object 1"].kind == "unknown_category"
    assert dataset.annotations_left_out == 3 and len(dataset) == 9


def test_sets_of_others_shares_alone_no_ids_no_label_map(source, shards):
    shards.with_name("train_label_map.pbtxt").unlink()
    shards.with_name("train_records.json").unlink()

    def change(number, feature):
        for edge in ("xmin", "xmax", "ymin", "ymax"):
            del feature[f"image/object/bbox/{edge}_pixels"]
        for key in ("image/object/area", "image/height", "image/width"):
            del feature[key]
        feature["image/source_id"].bytes_list.value[0] = b"" if number < 3 else b"7"

    for index in range(2):
        rewrite(shards.parent / f"train-{index:05d}-of-00002.tfrecord", change)
    dataset = read(shards.parent)
    assert len(dataset) == 9 and dataset.class_map == read(source).class_map
    ids = [record.image_id for record in dataset.images]
    assert len(set(ids)) == 9 and "train-00000-of-00002.tfrecord#1" in ids
    kinds = {problem.kind for problem in dataset.problems}
    assert {"label_map_missing", "image_bad_id", "image_duplicate_id"} <= kinds
    by_name = {r.file_name: r for r in read(source).images}
    for record in dataset.images:
        boxes = by_name[record.file_name].boxes
        np.testing.assert_allclose(record.boxes, boxes, atol=1e-4)


def test_a_file_that_shrinks_during_training_names_the_record(shards):
    dataset = read(shards.parent)
    path = first_shard(shards)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ImageError, match="record 5: the file has become shorter"):
        dataset.images[4].read("auto")


@pytest.mark.parametrize(
    ("output", "said"),
    [("tf/", "expected the beginning"), ("tf/train@3", "is a shard of another set")],
)
def test_outputs_that_would_mix_sets_are_refused(output, said, source, shards):
    target = str(shards.parent.parent) + "/" + output
    with pytest.raises(ConfigError, match=said):
        convert_dataset("coco", str(source), target, target="tfrecord", log=None)


def test_category_ids_that_cannot_be_labels_are_refused(source, tmp_path):
    content = json.loads((source / "annotations.json").read_text())
    content["categories"].append({"id": 0, "name": "zero"})
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="category id 0 cannot be a label"):
        convert_dataset(
            "coco",
            str(path),
            str(tmp_path / "x"),
            images=str(source / "images"),
            target="tfrecord",
            log=None,
        )
