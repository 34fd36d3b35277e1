"""`tfmask demo`: the whole job on generated data, as a user would type it.

Writes data, trains, stops the training by SIGTERM on the way, resumes it, evaluates,
lets pycocotools read the results, and draws ground truth beside predictions.
"""

import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tfmask.cli.startup import start_tensorflow
from tfmask.config import load_config
from tfmask.data.synthetic.generate import write_dataset
from tfmask.errors import DataError
from tfmask.files import write_atomically

RECIPE = "demo/shapes"
MIN_MASK_AP = 0.5
_MARK = "tfmask-demo.txt"  # says that a folder is a demo's and may be written over
_SUBFOLDERS = ("data", "run", "pictures")


class Size(NamedTuple):
    """How much of everything."""

    train_images: int
    val_images: int
    steps: int
    stop_after: int  # steps, from which on the training is stopped once
    pictures: int
    overrides: tuple[str, ...] = ()


def sizes(quick: bool) -> Size:
    """The demo's size; `quick` only shows that everything works."""
    if quick:
        return Size(16, 4, 6, 2, 2, ("train.log_every=2", "train.warmup_steps=2"))
    steps = load_config(RECIPE).train.steps
    return Size(1200, 100, steps, steps * 2 // 5, 24)


def run_demo(folder: Path, quick: bool) -> int:
    """Returns the exit code: 1 if a step failed or the mask AP is too low."""
    started = time.monotonic()
    size = sizes(quick)
    _prepare(folder)
    _title(f"1. Data: {size.train_images} and {size.val_images} pictures of shapes")
    write_dataset(folder / "data" / "train", size.train_images, seed=1)
    write_dataset(folder / "data" / "val", size.val_images, seed=2)
    settings = [
        f"data.train={folder / 'data' / 'train'}",
        f"data.val={folder / 'data' / 'val'}",
        f"train.steps={size.steps}",
        *size.overrides,
    ]
    train = ["train", RECIPE, *settings, "--output", str(folder / "run")]
    _title("2. Training, stopped on the way")
    code = _train_and_stop(train, folder / "run" / "metrics.jsonl", size.stop_after)
    if code != 128 + signal.SIGTERM:
        print("tfmask: the training ended before it was to be stopped", file=sys.stderr)
        return 1
    _title("3. The same command with --resume")
    code = _run([*train, "--resume"])
    if code:
        return code
    _title("4. Evaluation")
    run = folder / "run"
    figures = run / "figures.json"
    arguments = ["evaluate", RECIPE, *settings, "--load", str(run)]
    arguments += ["--results", str(run / "results.json"), "--metrics", str(figures)]
    code = _run(arguments)
    if code:
        return code
    mask_ap = json.loads(figures.read_text())["figures"]["mask/AP"]
    _print_pycocotools(folder / "data" / "val", run / "results.json")
    _title("5. Pictures")
    _draw(settings, folder, size.pictures)
    _print_summary(folder, mask_ap, time.monotonic() - started)
    if not quick and mask_ap < MIN_MASK_AP:
        print(f"tfmask: mask AP is below {MIN_MASK_AP}", file=sys.stderr)
        return 1
    return 0


def _prepare(folder: Path) -> None:
    """Makes the folder, or empties that of an earlier demo.

    Raises:
      DataError: it holds something else.
    """
    mark = folder / _MARK
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise DataError(
            f"{folder}: holds files that are not a demo's; empty it, or name another "
            "folder with --output"
        )
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text("Written by `tfmask demo`, which may write it over.\n")
    for name in _SUBFOLDERS:
        if (folder / name).exists():
            shutil.rmtree(folder / name)


# --- commands -------------------------------------------------------------------------


def _title(text: str) -> None:
    print(f"\n=== {text}", flush=True)


def _start(arguments: list[str]) -> subprocess.Popen:
    """Starts `tfmask ARGUMENTS` in a process of its own, and says so."""
    print(f"$ {shlex.join(['tfmask', *arguments])}", flush=True)
    return subprocess.Popen([sys.executable, "-m", "tfmask", *arguments])


def _finish(process: subprocess.Popen) -> int:
    """Waits. If we are stopped ourselves, so is the process, and it may save."""
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def _run(arguments: list[str]) -> int:
    return _finish(_start(arguments))


def _train_and_stop(arguments: list[str], metrics: Path, stop_after: int) -> int:
    """Sends SIGTERM once the log has reached a step; returns the exit code."""
    process = _start(arguments)
    try:
        while process.poll() is None and _last_step(metrics) < stop_after:
            time.sleep(0.1)
        process.terminate()
    finally:
        code = _finish(process)
    print(f"exit code {code}: stopped by SIGTERM, saved", flush=True)
    return code


def _last_step(metrics: Path) -> int:
    """The last step in metrics.jsonl; its last line may be half written."""
    step = 0
    if metrics.exists():
        for line in metrics.read_text(encoding="utf-8").splitlines():
            try:
                step = max(step, json.loads(line).get("step", 0))
            except ValueError:
                continue
    return step


# --- results --------------------------------------------------------------------------


def _print_pycocotools(data: Path, results: Path) -> None:
    """pycocotools alone, from the two JSON files: the same figures."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    print(f"\npycocotools on {data / 'annotations.json'} and {results}:")
    detections = json.loads(results.read_text())
    if not detections:  # COCO.loadRes does not take an empty list
        print("no results")
        return
    truth = COCO(str(data / "annotations.json"))
    evaluation = COCOeval(truth, truth.loadRes(str(results)), "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()


def _draw(settings: list[str], folder: Path, number: int) -> None:
    """Ground truth beside prediction for the first images, one PNG each."""
    start_tensorflow()
    from tfmask.cli.model import load_model
    from tfmask.cli.settings import read_config
    from tfmask.data.readers import load_dataset
    from tfmask.evaluation import visualize
    from tfmask.evaluation.predictor import Predictor

    config = read_config(RECIPE, settings)
    dataset = load_dataset(config.data.val)
    model = load_model(config, str(folder / "run"), dataset.class_map)
    predictor = Predictor(model, config.data, dataset.class_map)
    (folder / "pictures").mkdir()
    for record in dataset.images[:number]:
        image = record.read("auto")
        prediction = predictor.predict([image])[0]
        page = visualize.compare(record, image, prediction, dataset.class_map)
        path = folder / "pictures" / f"{Path(record.file_name).stem}.png"
        write_atomically(path, visualize.encode_png(page))
    print(f"{min(number, len(dataset))} pictures -> {folder / 'pictures'}")


def _print_summary(folder: Path, mask_ap: float, seconds: float) -> None:
    _title(f"Done in {seconds / 60:.1f} minutes: validation mask AP {mask_ap:.3f}")
    for name, what in (
        ("data/train, data/val", "images and annotations.json"),
        ("run/best.tfmask.h5", "the weights with the highest mask AP"),
        ("run/checkpoints", "what --resume goes on from"),
        ("run/config.json", "every setting of the run"),
        ("run/metrics.jsonl", "losses and figures over time"),
        ("run/tensorboard", f"tensorboard --logdir {folder / 'run' / 'tensorboard'}"),
        ("run/results.json", "detections in COCO's format"),
        ("pictures", "ground truth beside prediction"),
    ):
        print(f"  {folder}/{name:<22} {what}")
