"""Arguments of `tfmask export`, `serve` and `benchmark`, and what they refuse."""

import pytest

from tfmask.cli import main
from tfmask.cli.parser import parse


def test_export_arguments():
    options = parse(
        ["export", "demo/shapes", "model.neck.channels=8", "--load", "run"]
        + ["--out", "models", "--size", "480x640", "--score-threshold", "0.3"]
    )
    assert options.overrides == ["model.neck.channels=8"]
    assert (options.size, options.format) == ((480, 640), "saved_model")
    assert options.max_pixels == 36_000_000 and options.version is None
    assert options.score_threshold == 0.3 and not options.full_masks


@pytest.mark.parametrize(
    "arguments",
    [
        ["--format", "caffe"],
        ["--precision", "int8"],
        ["--size", "640"],
        ["--max-pixels", "0"],
        ["--version", "-1"],
        ["--score-threshold", "2"],
    ],
)
def test_export_refuses(arguments):
    with pytest.raises(SystemExit) as caught:
        parse(["export", "demo/shapes", "--load", "x", "--out", "y", *arguments])
    assert caught.value.code == 2


def test_serve_and_benchmark_arguments():
    options = parse(["serve", "models"])
    assert (options.host, options.port, options.name) == ("127.0.0.1", 8501, "tfmask")
    options = parse(["benchmark", "models", "--size", "64x96", "--runs", "3", "--json"])
    assert (options.size, options.runs, options.json) == ((64, 96), 3, True)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            ["data.channels=1", "model.pixel_mean=100", "model.pixel_std=50"],
            "data.channels=1: expected 3, since an exported model takes RGB",
        ),
        (["data.value_range=0,4095"], "data.value_range=0,4095: expected none"),
    ],
)
@pytest.mark.parametrize("form", ["saved_model", "openvino"])
def test_other_images_than_rgb_of_8_bits_are_refused(settings, said, form, capsys):
    arguments = ["export", "demo/shapes", *settings, "--load", "x", "--out", "y"]
    assert main([*arguments, "--format", form]) == 1
    assert said in capsys.readouterr().err


def test_serving_what_is_no_model_is_one_line(tmp_path, capsys):
    pytest.importorskip("flask", reason="flask is not installed")
    assert main(["serve", str(tmp_path)]) == 1
    assert "no saved_model.pb" in capsys.readouterr().err


def test_batch_arguments():
    options = parse(
        ["batch", "models", "photos/*.jpg", "--out", "results", "--workers", "2"]
        + ["--option", "runner=FlinkRunner", "--option", "flink_master=a:1"]
    )
    assert (options.shard_size, options.workers) == (500, 2)
    assert options.option == ["runner=FlinkRunner", "flink_master=a:1"]
    with pytest.raises(SystemExit):
        parse(["batch", "models", "photos/*.jpg"])


def test_batches_of_what_is_no_model_are_one_line(tmp_path, capsys):
    pytest.importorskip("apache_beam", reason="apache-beam is not installed")
    arguments = ["batch", str(tmp_path), "*.jpg", "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    assert "no saved_model.pb" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
