"""Results for a test server: images without annotations in, the server's file out."""

import os
import re
from pathlib import Path

from tfmask.cli.model import load_model, numbered_classes
from tfmask.config import Config
from tfmask.errors import ClassMapError, DataError
from tfmask.structures import ClassMap

_NAMED = 5  # images that cannot be used and are named one by one


def results_name(image_list: str, algorithm: str) -> str:
    """The file name that COCO's server expects: detections_SET_ALGORITHM_results.json.

    SET is what the image list's name says, e.g. test-dev2017 of
    image_info_test-dev2017.json.
    """
    stem = Path(image_list).stem
    images = re.sub(r"^(image_info|instances)_", "", stem)
    return f"detections_{images}_{algorithm}_results.json"


def write_server_results(options, config: Config, say, progress) -> int:
    """Runs the model on an image list and writes the server's results file.

    Args:
      options: of `tfmask evaluate`: images, results, algorithm, load.
      config: the run's configuration.
      say: called with lines of text.
      progress: called with (images done, images in all).

    Returns:
      1 where an image of the list is not in the results because it cannot be used.

    Raises:
      DataError: no image of the list can be used.
      ClassMapError: the list's categories are not those of the weights.
    """
    from tfmask.data.coco.image_list import read_image_list
    from tfmask.evaluation.choose import make_predictor
    from tfmask.evaluation.results import ResultsFile
    from tfmask.files import replacing
    from tfmask.weights.load import read_class_map

    dataset = read_image_list(options.images, config.data.val_images, config.data)
    for problem in dataset.problems[:_NAMED]:
        say(str(problem))
    if len(dataset.problems) > _NAMED:
        say(f"and {len(dataset.problems) - _NAMED} more")
    if not dataset.images:
        raise DataError(
            f"{dataset.source}: no image is usable in {dataset.image_folder}; "
            "data.val_images=FOLDER names another folder",
            "no_images",
        )
    known = read_class_map(options.load)
    if known is None:
        known = dataset.class_map if dataset.class_map.ids else numbered_classes(config)
    _check_categories(dataset.source, dataset.class_map, known)
    model = load_model(config, options.load, known)
    predictor = make_predictor(model, config, known)
    path = options.results or results_name(options.images, options.algorithm)
    done = 0
    with replacing(path) as temporary:
        with ResultsFile(temporary) as results:
            for batch in predictor.stream_dataset(
                dataset, config.evaluation.batch_size, say
            ):
                for index, prediction in batch:
                    image_id = dataset.images[index].image_id
                    results.add(_for_server(prediction.to_results(image_id, known)))
                done += len(batch)
                progress(done, len(dataset))
            count = results.count
    missing = len(dataset) + dataset.images_left_out - done
    if missing:
        say(f"{missing} images of {dataset.source} cannot be used: no results of them")
    say(f"{count} results of {done} images -> {os.fspath(path)}")
    return 1 if missing else 0


def _for_server(results: list[dict]) -> list[dict]:
    """The fields that the server knows; masks are ranked by `score` there."""
    for result in results:
        if "mask_score" in result:
            result["score"] = result.pop("mask_score")
    return results


def _check_categories(source: str, listed: ClassMap, known: ClassMap) -> None:
    """Every class of the weights is a category of the list, by id and name."""
    if not listed.ids:
        return
    names = dict(zip(listed.ids, listed.names))
    for key, name in zip(known.ids, known.names):
        if names.get(key) != name:
            has = f"calls it {names[key]!r}" if key in names else "has no such id"
            raise ClassMapError(
                f"{source}: the weights know category {key!r} as {name!r}, the image "
                f"list {has}: expected weights that were trained on the same categories"
            )
