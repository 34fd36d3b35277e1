"""Prediction on image files: an overlay for each, and all results as JSON.

Image ids are those of an annotation file or image list where one is named, or lies in a
folder that is; of other images the path stands in for it.
"""

import contextlib
import json
import os
from pathlib import Path

from tfmask.data.coco.image_list import listed_paths
from tfmask.data.images import read as images
from tfmask.data.images.pixels import pixel_format
from tfmask.errors import DataError
from tfmask.evaluation import visualize
from tfmask.evaluation.cityscapes_results import CityscapesResults
from tfmask.evaluation.results import ResultsFile
from tfmask.files import write_atomically

_SUFFIXES = tuple(".jpg .jpeg .jpe .jfif .png .apng .bmp .dib .tif .tiff .webp".split())


def list_images(
    inputs: list, out_dir: Path | None = None, suffixes: tuple[str, ...] = _SUFFIXES
) -> tuple[list[Path], list[str]]:
    """Image files named in or lying in `inputs`, and a sentence for each bad input.

    A folder stands for the image files (by suffix) in it and its sub-folders, sorted by
    path, without hidden ones; a JSON file for the images that it lists; another file
    named outright is taken whatever its name. No file comes twice. `out_dir` is no
    sub-folder: it holds the overlays of an earlier call.
    """
    files, faults, seen = [], [], set()
    for name in inputs:
        path = Path(name)
        if path.is_dir():
            paths = _in_folder(path, out_dir, suffixes)
            if not paths:
                known = ", ".join(suffixes)
                faults.append(
                    f"{path}: no image files in this folder and those below ({known})"
                )
        elif path.suffix == ".json":
            try:
                paths = [Path(p) for p in listed_paths(str(path))]
            except DataError as error:
                paths = []
                faults.append(str(error))
        elif path.exists():
            paths = [path]
        else:
            paths = []
            faults.append(f"{path}: no such file or folder")
        for file in paths:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                files.append(file)
    return files, faults


def _in_folder(
    folder: Path, out_dir: Path | None, suffixes: tuple[str, ...]
) -> list[Path]:
    left_out = out_dir and out_dir.resolve()
    paths = []
    for parent, folders, names in os.walk(folder):
        # Names that begin with a point are no pictures: macOS writes ._x.jpg to each.
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and Path(parent, name).resolve() != left_out
        ]
        for name in names:
            if not name.startswith(".") and name.lower().endswith(suffixes):
                paths.append(Path(parent, name))
    return sorted(paths)


def known_ids(inputs: list) -> dict[Path, int | str]:
    """Image ids by resolved path, of the annotation files and image lists in `inputs`.

    A folder with `annotations.json` counts as one. What cannot be read is passed over:
    `list_images` says so where images depend on it.
    """
    ids: dict[Path, int | str] = {}
    for name in inputs:
        path = Path(name)
        if path.is_dir() and not (path / "annotations.json").is_file():
            continue
        if not path.is_dir() and path.suffix != ".json":
            continue
        with contextlib.suppress(DataError):
            for file, image_id in listed_paths(str(path)).items():
                ids.setdefault(Path(file).resolve(), image_id)
    return ids


def overlay_paths(files: list[Path], out_dir: Path) -> list[Path]:
    """A PNG path in `out_dir` for each file: its name, and more where that is taken.

    No two are equal on a file system that ignores case, and none is an input.
    """
    taken = {str(f.resolve()).lower() for f in files}
    taken.add(str((out_dir / "results.json").resolve()).lower())
    paths = []
    for file in files:
        candidates = [file.stem, file.name.replace(".", "_")]
        if file.parent.name:
            candidates.insert(1, f"{file.parent.name}_{file.stem}")
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
    *,
    cityscapes: CityscapesResults | None = None,
) -> int:
    """Writes an overlay PNG for every image; one bad file does not stop the rest.

    Args:
      predictor: `tfmask.evaluation.predictor.Predictor`.
      inputs: image files and folders.
      out_dir: made if it is not there.
      score_threshold: detections below are not drawn.
      write_json: also write `results.json` with all detections of the model, whatever
        their score; `image_id` is that of `known_ids`, or else the path as given. It
        grows with every image, so that what is done stays if the rest is stopped.
        `classes.json` beside it says which category id is which class.
      log: called with one line for every image and at the end.
      cityscapes: takes all detections of every image too.

    Returns:
      The number of inputs that failed.
    """
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    pixels = pixel_format(predictor.data_config)
    suffixes = _SUFFIXES if pixels.is_plain else (*_SUFFIXES, ".npy")
    files, faults = list_images(inputs, out_dir, suffixes)
    for fault in faults:
        log(fault)
    failures, shown, best = len(faults), 0, None
    with contextlib.ExitStack() as stack:
        results, ids = None, {}
        if write_json:
            known = json.dumps(predictor.class_map.to_json(), indent=2) + "\n"
            write_atomically(out_dir / "classes.json", known)
            ids = known_ids(inputs)
            results = stack.enter_context(ResultsFile(out_dir / "results.json"))
        for file, target in zip(files, overlay_paths(files, out_dir)):
            try:
                image = images.read_image(
                    str(file), predictor.data_config.exif, note=log, pixels=pixels
                )
            except (DataError, OSError) as error:
                failures += 1
                log(str(error))
                continue
            prediction = predictor.predict([image])[0]
            image_id = ids.get(file.resolve(), str(file))
            found = prediction.to_results(image_id, predictor.class_map)
            if results is not None:
                results.add(found)
            if cityscapes is not None:
                cityscapes.add(str(file), found)
            said = _draw(predictor, prediction, image, target, score_threshold)
            log(f"{file}: {said} -> {target}")
            shown += int((prediction.scores >= score_threshold).sum())
            if len(prediction.scores):
                best = max(float(prediction.scores.max()), best or 0.0)
    if cityscapes is not None:
        log(f"{cityscapes.count} text files with their masks -> {cityscapes.folder}")
    if results is not None:
        log(f"{results.count} results -> {results.path}")
    done = len(files) + len(faults) - failures
    if done and not shown:
        said = (
            "the model gave none" if best is None else f"the best score was {best:.2g}"
        )
        log(f"Nothing above {score_threshold:g} in {done} images: {said}.")
    log(f"{done} images done, {failures} failed.")
    return failures


def _draw(predictor, prediction, image, target: Path, threshold: float) -> str:
    """Writes the overlay of one image. Returns what it shows, in words."""
    said = visualize.describe_prediction(prediction, threshold)
    picture = visualize.draw_prediction(
        prediction, image, predictor.class_map, threshold
    )
    write_atomically(
        target, visualize.encode_png(visualize.with_caption(picture, said))
    )
    return said
