"""Ways to spoil the annotations of `tests/data/conftest.py`, and what must be said."""

from tfmask.data.problems import ERROR, WARNING

NAN, INF = float("nan"), float("inf")


def annotation(key, value, index=0):
    def spoil(content):
        content["annotations"][index][key] = value

    return spoil


def without(key, index=0):
    return lambda content: content["annotations"][index].pop(key)


def image(key, value, index=0):
    def spoil(content):
        content["images"][index][key] = value

    return spoil


def polygon(*parts):
    return annotation("segmentation", [list(part) for part in parts])


def rle(counts, size=(40, 60)):
    return annotation("segmentation", {"size": list(size), "counts": counts}, 1)


def all_crowd(content):
    for record in content["annotations"]:
        record["iscrowd"] = 1


def append(key, value):
    return lambda content: content[key].append(value)


def copied(key, index, **changes):
    return lambda content: content[key].append(content[key][index] | changes)


SQUARE = [10, 5, 30, 5, 30, 15, 10, 15]
# name: (how to spoil the set, kind, image id, annotation id, severity)
FAULTS = {
    # segmentation
    "no segmentation": (
        without("segmentation"),
        "segmentation_missing",
        11,
        101,
        ERROR,
    ),
    "null": (annotation("segmentation", None), "segmentation_empty", 11, 101, ERROR),
    "empty string": (
        annotation("segmentation", ""),
        "segmentation_empty",
        11,
        101,
        ERROR,
    ),
    "empty list": (
        annotation("segmentation", []),
        "segmentation_empty",
        11,
        101,
        ERROR,
    ),
    "a number": (annotation("segmentation", 5), "segmentation_type", 11, 101, ERROR),
    "a word": (annotation("segmentation", "x"), "segmentation_type", 11, 101, ERROR),
    "odd length": (polygon(SQUARE[:7]), "polygon_odd", 11, 101, ERROR),
    "two points": (polygon([1, 2, 3, 4]), "polygon_short", 11, 101, ERROR),
    "empty polygon": (polygon([]), "polygon_short", 11, 101, ERROR),
    "four flat numbers": (
        annotation("segmentation", [1, 2, 30, 40]),
        "polygon_short",
        11,
        101,
        ERROR,
    ),
    "one part too short": (
        polygon(SQUARE, [1, 2, 3, 4]),
        "polygon_part_short",
        11,
        101,
        WARNING,
    ),
    "flat list": (annotation("segmentation", SQUARE), "polygon_flat", 11, 101, WARNING),
    "text numbers": (
        polygon([str(v) for v in SQUARE]),
        "polygon_not_numbers",
        11,
        101,
        ERROR,
    ),
    "point pairs": (
        polygon([[10, 5], [30, 5], [30, 15]]),
        "polygon_not_numbers",
        11,
        101,
        ERROR,
    ),
    "null coordinate": (
        polygon([None, *SQUARE[1:]]),
        "polygon_not_numbers",
        11,
        101,
        ERROR,
    ),
    "NaN coordinate": (
        polygon([NAN, *SQUARE[1:]]),
        "polygon_not_finite",
        11,
        101,
        ERROR,
    ),
    "Inf coordinate": (
        polygon([INF, *SQUARE[1:]]),
        "polygon_not_finite",
        11,
        101,
        ERROR,
    ),
    "2e8 coordinate": (polygon([2e8, *SQUARE[1:]]), "polygon_huge", 11, 101, ERROR),
    "1e300 coordinate": (
        polygon([-1e300, *SQUARE[1:]]),
        "polygon_huge",
        11,
        101,
        ERROR,
    ),
    "400-digit integer": (
        polygon([10**400, *SQUARE[1:]]),
        "polygon_not_finite",
        11,
        101,
        ERROR,
    ),
    "endless zigzag": (
        polygon([-30, 5, 110, 7] * 10000),
        "polygon_huge",
        11,
        101,
        ERROR,
    ),
    "outside": (polygon([70, 5, 90, 5, 90, 15]), "mask_outside", 11, 101, ERROR),
    "a line": (polygon([1, 1, 1, 9, 1, 5]), "mask_empty", 11, 101, ERROR),
    # run-length codes
    "no counts": (
        annotation("segmentation", {"size": [40, 60]}, 1),
        "rle_keys",
        11,
        102,
        ERROR,
    ),
    "size of text": (rle([2400], ("40", "60")), "rle_size", 11, 102, ERROR),
    "size of floats": (rle([2400], (40.0, 60.0)), "rle_size", 11, 102, ERROR),
    "size exchanged": (rle([2400], (60, 40)), "rle_size_differs", 11, 102, ERROR),
    "size 0": (rle([0], (0, 0)), "rle_size_differs", 11, 102, ERROR),
    "size 65535": (rle([10], (65535, 65535)), "rle_size_differs", 11, 102, ERROR),
    "counts short": (rle([100, 20]), "rle_short", 11, 102, ERROR),
    "counts none": (rle([]), "rle_short", 11, 102, ERROR),
    "counts long": (rle([100, 20, 5000]), "rle_long", 11, 102, ERROR),
    "counts negative": (rle([100, -20, 2320]), "rle_negative", 11, 102, ERROR),
    "counts float": (rle([100.0, 20.0, 2280.0]), "rle_counts", 11, 102, ERROR),
    "counts of text": (rle(["100", "2300"]), "rle_counts", 11, 102, ERROR),
    "counts null": (rle(None), "rle_counts", 11, 102, ERROR),
    "counts 2**70": (rle([2**70]), "rle_long", 11, 102, ERROR),
    "string empty": (rle(""), "rle_short", 11, 102, ERROR),
    "string with NUL": (rle("52\0"), "rle_characters", 11, 102, ERROR),
    "string not ASCII": (rle("52é"), "rle_characters", 11, 102, ERROR),
    "string cut in a number": (rle("52P"), "rle_truncated", 11, 102, ERROR),
    "string short": (rle("52"), "rle_short", 11, 102, ERROR),
    "string endless number": (rle("o" * 20 + "0"), "rle_long", 11, 102, ERROR),
    "no pixel": (rle([2400]), "mask_empty", 11, 102, ERROR),
    # boxes and areas: mended from the mask
    "no bbox": (without("bbox"), "bbox_missing", 11, 101, WARNING),
    "bbox of three": (annotation("bbox", [1, 2, 3]), "bbox_bad", 11, 101, WARNING),
    "bbox text": (annotation("bbox", ["1"] * 4), "bbox_bad", 11, 101, WARNING),
    "bbox NaN": (annotation("bbox", [NAN, 5, 20, 10]), "bbox_bad", 11, 101, WARNING),
    "bbox Inf": (annotation("bbox", [1, 5, INF, 10]), "bbox_bad", 11, 101, WARNING),
    "bbox negative": (
        annotation("bbox", [10, 5, -20, 10]),
        "bbox_empty",
        11,
        101,
        WARNING,
    ),
    "bbox empty": (annotation("bbox", [10, 5, 0, 10]), "bbox_empty", 11, 101, WARNING),
    "bbox corners": (
        annotation("bbox", [10, 5, 30, 15]),
        "bbox_corners",
        11,
        101,
        WARNING,
    ),
    "bbox elsewhere": (
        annotation("bbox", [40, 20, 9, 9]),
        "bbox_differs",
        11,
        101,
        WARNING,
    ),
    "bbox too wide": (annotation("bbox", [10, 5, 20, 16]), None, 11, 101, None),
    "bbox outside": (
        annotation("bbox", [900, 5, 20, 10]),
        "bbox_differs",
        11,
        101,
        WARNING,
    ),
    "no area": (without("area"), "area_missing", 11, 101, WARNING),
    "area 0": (annotation("area", 0), "area_bad", 11, 101, WARNING),
    "area NaN": (annotation("area", NAN), "area_bad", 11, 101, WARNING),
    "area text": (annotation("area", "200"), "area_bad", 11, 101, WARNING),
    # identity
    "iscrowd 2": (annotation("iscrowd", 2), "iscrowd_bad", 11, 101, ERROR),
    "iscrowd text": (annotation("iscrowd", "no"), "iscrowd_bad", 11, 101, ERROR),
    "every iscrowd": (all_crowd, "many_crowd", None, None, WARNING),
    "unknown category": (
        annotation("category_id", 5),
        "unknown_category",
        11,
        101,
        ERROR,
    ),
    "category as text": (
        annotation("category_id", "90"),
        "unknown_category",
        11,
        101,
        ERROR,
    ),
    "category a list": (
        annotation("category_id", [90]),
        "unknown_category",
        11,
        101,
        ERROR,
    ),
    "no category": (without("category_id"), "unknown_category", 11, 101, ERROR),
    "unknown image": (annotation("image_id", 999), "unknown_image", 999, 101, ERROR),
    "image id as text": (
        annotation("image_id", "11"),
        "unknown_image",
        "11",
        101,
        ERROR,
    ),
    "no image id": (without("image_id"), "unknown_image", None, 101, ERROR),
    "no id": (without("id"), "annotation_bad_id", 11, None, WARNING),
    "id of two": (annotation("id", 102), "annotation_duplicate_id", 11, 102, WARNING),
    "record twice": (copied("annotations", 0), "annotation_duplicate", 11, 101, ERROR),
    "annotation null": (
        append("annotations", None),
        "annotation_not_object",
        None,
        None,
        ERROR,
    ),
    # images
    "image missing": (image("file_name", "no.png"), "image_missing", 11, None, ERROR),
    "image a folder": (image("file_name", "sub"), "image_missing", 11, None, ERROR),
    "path upwards": (
        image("file_name", "../../a.png"),
        "image_path_escapes",
        11,
        None,
        ERROR,
    ),
    "path absolute": (
        image("file_name", "/etc/hosts"),
        "image_path_escapes",
        11,
        None,
        ERROR,
    ),
    "path of Windows": (
        image("file_name", "..\\..\\a.png"),
        "image_path_escapes",
        11,
        None,
        ERROR,
    ),
    "drive of Windows": (
        image("file_name", "C:\\a.png"),
        "image_path_escapes",
        11,
        None,
        ERROR,
    ),
    "name null": (image("file_name", None), "image_bad_file_name", 11, None, ERROR),
    "name with NUL": (
        image("file_name", "a\0.png"),
        "image_bad_file_name",
        11,
        None,
        ERROR,
    ),
    "name too long": (image("file_name", "a" * 5000), "image_missing", 11, None, ERROR),
    "width lie": (image("width", 61, 2), "image_size_differs", 3, None, ERROR),
    "width and height exchanged": (
        lambda c: c["images"][2].update(width=40, height=60),
        "image_size_differs",
        3,
        None,
        ERROR,
    ),
    "width text": (image("width", "60"), "image_size_missing", 11, None, WARNING),
    "no width": (
        lambda c: c["images"][0].pop("width"),
        "image_size_missing",
        11,
        None,
        WARNING,
    ),
    "width null": (image("width", None), "image_size_missing", 11, None, WARNING),
    "width float": (image("width", 60.0), "image_size_missing", 11, None, WARNING),
    "width 0": (image("width", 0), "image_bad_size", 11, None, ERROR),
    "width huge": (image("width", 10**9), "image_too_large", 11, None, ERROR),
    "image id null": (image("id", None, 2), "image_bad_id", None, None, ERROR),
    "image id float": (image("id", 1.5, 2), "image_bad_id", None, None, ERROR),
    "image id twice": (image("id", 11, 2), "image_duplicate_id", 11, None, ERROR),
    "image null": (append("images", None), "image_not_object", None, None, ERROR),
    "file twice": (
        copied("images", 0, id=12),
        "image_duplicate_file",
        12,
        None,
        WARNING,
    ),
    # categories
    "category twice": (
        append("categories", {"id": 90, "name": "box"}),
        "category_duplicate_id",
        None,
        None,
        ERROR,
    ),
    "category 90 and '90'": (
        append("categories", {"id": "90", "name": "box"}),
        "category_duplicate_id",
        None,
        None,
        ERROR,
    ),
    "category null": (
        append("categories", None),
        "category_not_object",
        None,
        None,
        ERROR,
    ),
    "category id null": (
        append("categories", {"id": None, "name": "box"}),
        "category_bad_id",
        None,
        None,
        ERROR,
    ),
    "category without name": (
        append("categories", {"id": 5}),
        "category_missing_name",
        None,
        None,
        WARNING,
    ),
    "category name twice": (
        append("categories", {"id": 5, "name": "disc"}),
        "category_duplicate_name",
        None,
        None,
        WARNING,
    ),
}
