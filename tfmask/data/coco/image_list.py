"""A list of images without annotations, as COCO gives for its test sets."""

from tfmask.config import DataConfig
from tfmask.data.coco.annotation_file import open_image_list
from tfmask.data.coco.file_names import escapes
from tfmask.data.coco.image_checks import check_images
from tfmask.data.coco.reader import record_of
from tfmask.data.dataset import Dataset
from tfmask.data.images.pixels import pixel_format


def read_image_list(path: str, images: str, options: DataConfig) -> Dataset:
    """The images of a JSON file as a data set without instances.

    Args:
      path: e.g. `image_info_test-dev2017.json`; of an instances file, or a folder with
        `annotations.json`, the images alone are read.
      images: the image folder; default `images/` beside the file, or the file's own
        folder when there is none.
      options: `exif`, `channels`, `value_range`: how images are read.

    Returns:
      The data set; its class map is empty where the file has no categories.

    Raises:
      DataError: when nothing of the file can be used.
    """
    file = open_image_list(path, images)
    problems = list(file.problems)
    pixels = pixel_format(options)
    entries, _ = check_images(file, options.exif, pixels, problems)
    return Dataset(
        path=path,
        source=file.path,
        image_folder=file.image_folder,
        class_map=file.class_map,
        images=[record_of(entry, [], {}) for entry in entries.values()],
        problems=problems,
        images_left_out=len(file.images) - len(entries),
        exif=options.exif,
        pixels=pixels,
    )


def listed_paths(path: str) -> dict[str, int | str]:
    """Paths of the images that a file lists, with their ids; no image is opened.

    Args:
      path: as of `read_image_list`. Names are taken as they stand; records without a
        name or an id, and names that lead out of the image folder, are left out.

    Raises:
      DataError: there are no images in it.
    """
    file = open_image_list(path)
    paths: dict[str, int | str] = {}
    for record in file.images:
        if not isinstance(record, dict):
            continue
        name, image_id = record.get("file_name"), record.get("id")
        if isinstance(name, str) and name and isinstance(image_id, (int, str)):
            if not escapes(name):
                paths[f"{file.image_folder}/{name}"] = image_id
    return paths
