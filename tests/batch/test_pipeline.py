"""Batches by Beam's direct runner, in processes of their own."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from export.export_cases import CLASSES, DATA, PHOTOGRAPHS, encoded, trained
from pycocotools import mask as coco_mask

pytest.importorskip(
    "apache_beam", reason="apache-beam is not installed: pip install tfmask[beam]"
)

from tfmask.batch import pipeline
from tfmask.evaluation.folder import predict_folder
from tfmask.evaluation.predictor import Predictor
from tfmask.export.saved_model import export


def example(**features) -> bytes:
    feature = {
        name.replace("__", "/"): tf.train.Feature(
            bytes_list=tf.train.BytesList(value=[value])
        )
        for name, value in features.items()
    }
    return tf.train.Example(
        features=tf.train.Features(feature=feature)
    ).SerializeToString()


def write_records(path, *records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def test_records_give_images_with_ids_and_reasons(tmp_path):
    path = tmp_path / "a.tfrecord"
    write_records(
        path,
        example(image__encoded=b"1", image__source_id=b"139"),
        example(image__encoded=b"2", image__source_id=b"kite"),
        example(image__encoded=b"3"),
        example(image__source_id=b"7"),
        b"\xff\xff\xff",
    )
    source = pipeline._Source("s", 0, str(path), True)
    images = list(pipeline._read(source))
    ids = [139, "kite", f"{path}#2", 7, f"{path}#4"]
    assert [image.image_id for image in images] == ids
    assert [image.contents for image in images[:3]] == [b"1", b"2", b"3"]
    assert "image/encoded" in images[3].error and "Example" in images[4].error
    assert [image.position for image in images] == list(range(5))


def test_what_follows_a_damaged_record_is_one_failure(tmp_path):
    path = tmp_path / "a.tfrecord"
    write_records(path, example(image__encoded=b"1"), example(image__encoded=b"2"))
    path.write_bytes(path.read_bytes()[:-3])
    images = list(pipeline._read(pipeline._Source("s", 0, str(path), True)))
    assert [bool(image.error) for image in images] == [False, True]


def test_a_file_that_is_gone_is_a_failure(tmp_path):
    path = str(tmp_path / "none.jpg")
    (image,) = pipeline._read(pipeline._Source("s", 3, path, False))
    assert path in image.error and (image.image_id, image.position) == (path, 3)


def run_batch(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "tfmask", "batch", *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    return done


def by_image(results) -> dict:
    found: dict = {}
    for result in results:
        found.setdefault(result["image_id"], []).append(result)
    return found


def check_equal(results, expected):
    results, expected = by_image(results), by_image(expected)
    assert results.keys() == expected.keys()
    for name, ours in results.items():
        theirs = expected[name]
        assert len(ours) == len(theirs) > 3
        assert [r["category_id"] for r in ours] == [r["category_id"] for r in theirs]
        for key, tolerance in (("score", 1e-4), ("bbox", 1.1e-2)):
            np.testing.assert_allclose(
                [r[key] for r in ours], [r[key] for r in theirs], atol=tolerance
            )
        for a, b in zip(ours, theirs):
            masks = [coco_mask.decode(r["segmentation"]) for r in (a, b)]
            different, union = (masks[0] ^ masks[1]).sum(), (masks[0] | masks[1]).sum()
            assert different <= max(1, 0.001 * union)


@pytest.mark.slow
def test_two_workers_give_what_predict_gives_and_go_on_after_a_stop(tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    for i, image in enumerate(PHOTOGRAPHS):
        (folder / f"{i}.jpg").write_bytes(encoded(image, ".jpg"))
        (folder / f"{i}.png").write_bytes(encoded(image, ".png"))
    (folder / "damaged.jpg").write_bytes(encoded(PHOTOGRAPHS[0], ".jpg")[:500])
    model = trained("mask_scoring")
    exported = export(model, DATA, CLASSES, tmp_path / "model")
    predict_folder(
        Predictor(model, DATA, CLASSES),
        [folder],
        tmp_path / "predicted",
        write_json=True,
        log=lambda line: None,
    )
    expected = json.loads((tmp_path / "predicted" / "results.json").read_text())

    job = (exported.parent, folder / "*", "--out", out, "--shard-size", 2)
    done = run_batch(*job, "--workers", 2)
    assert done.returncode == 1, done.stderr  # one image failed
    assert "4 shards, 0 of them done" in done.stdout
    assert "damaged.jpg: the image cannot be decoded" in done.stderr
    files = sorted(out.glob("results-*.json"))
    assert len(files) == 4 and not list(out.glob("*.partial"))
    results = [json.loads(file.read_text()) for file in files]
    check_equal(sum(results, []), expected)

    times = {file: file.stat().st_mtime_ns for file in files}
    files[1].unlink()
    done = run_batch(*job)
    assert "4 shards, 3 of them done" in done.stdout
    changed = [f for f in files if f.stat().st_mtime_ns != times[f]]
    assert changed == [files[1]]
    check_equal(json.loads(files[1].read_text()), results[1])

    records = tmp_path / "a.tfrecord"
    write_records(
        records,
        example(
            image__encoded=(folder / "0.png").read_bytes(), image__source_id=b"139"
        ),
    )
    done = run_batch(exported, records, "--out", tmp_path / "of_records")
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "of_records").glob("results-*.json")
    alone = [r for r in expected if r["image_id"].endswith("0.png")]
    check_equal(json.loads(file.read_text()), [{**r, "image_id": 139} for r in alone])
