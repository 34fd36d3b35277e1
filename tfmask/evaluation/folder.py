"""Prediction on image files: an overlay for each, and all results as JSON."""

import os
from pathlib import Path

from tfmask.data.images import read as images
from tfmask.errors import DataError
from tfmask.evaluation import visualize
from tfmask.evaluation.results import write_results
from tfmask.files import write_atomically

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


def list_images(inputs: list) -> tuple[list[Path], list[str]]:
    """Image files named in or lying in `inputs`, and a sentence for each bad input.

    A folder stands for its own image files (by suffix), sorted by name; a file named
    outright is taken whatever its suffix. No file comes twice.
    """
    files, faults, seen = [], [], set()
    for name in inputs:
        path = Path(name)
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in _SUFFIXES)
            if not found:
                known = ", ".join(_SUFFIXES)
                faults.append(f"{path}: no image files in this folder ({known})")
        elif path.exists():
            found = [path]
        else:
            found = []
            faults.append(f"{path}: no such file or folder")
        for file in found:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                files.append(file)
    return files, faults


def overlay_paths(files: list[Path], out_dir: Path) -> list[Path]:
    """A PNG path in `out_dir` for each file: its name, numbered where that is taken.

    No two are equal on a file system that ignores case, and none is an input.
    """
    taken = {str(f.resolve()).lower() for f in files}
    taken.add(str((out_dir / "results.json").resolve()).lower())
    paths = []
    for file in files:
        candidates = [file.stem, file.name.replace(".", "_")]
        candidates += [f"{file.stem}_{i}" for i in range(2, len(files) + 3)]
        for name in candidates:
            path = out_dir / f"{name}.png"
            if str(path.resolve()).lower() not in taken:
                break
        taken.add(str(path.resolve()).lower())
        paths.append(path)
    return paths


def predict_folder(
    predictor,
    inputs: list,
    out_dir: str | os.PathLike,
    score_threshold: float = 0.5,
    write_json: bool = False,
    log=print,
) -> int:
    """Writes an overlay PNG for every image; one bad file does not stop the rest.

    Args:
      predictor: `tfmask.evaluation.predictor.Predictor`.
      inputs: image files and folders.
      out_dir: made if it is not there.
      score_threshold: detections below are not drawn.
      write_json: also write `results.json` with all detections of the model, whatever
        their score; `image_id` is the path as given.
      log: called with one line for every image and at the end.

    Returns:
      The number of inputs that failed.
    """
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    files, faults = list_images(inputs)
    for fault in faults:
        log(fault)
    failures, shown, best, results = len(faults), 0, None, []
    for file, target in zip(files, overlay_paths(files, out_dir)):
        try:
            image = images.read_image(str(file), exif=predictor.data_config.exif)
        except (DataError, OSError) as error:
            failures += 1
            log(str(error))
            continue
        prediction = predictor.predict([image])[0]
        said = visualize.describe_prediction(prediction, score_threshold)
        picture = visualize.draw_prediction(
            prediction, image, predictor.class_map, score_threshold
        )
        write_atomically(
            target, visualize.encode_png(visualize.with_caption(picture, said))
        )
        log(f"{file}: {said} -> {target}")
        shown += int((prediction.scores >= score_threshold).sum())
        if len(prediction.scores):
            best = max(float(prediction.scores.max()), best or 0.0)
        results += prediction.to_results(str(file), predictor.class_map)
    if write_json:
        write_results(out_dir / "results.json", results)
        log(f"{len(results)} results -> {out_dir / 'results.json'}")
    done = len(files) + len(faults) - failures
    if done and not shown:
        said = (
            "the model gave none" if best is None else f"the best score was {best:.2g}"
        )
        log(f"Nothing above {score_threshold:g} in {done} images: {said}.")
    log(f"{done} images done, {failures} failed.")
    return failures
