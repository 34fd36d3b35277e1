"""Settings of the data and of evaluation."""

from dataclasses import dataclass, field
from typing import Literal

from tfmask.config.augment import AugmentConfig
from tfmask.config.settings import SOME, PartConfig, setting

DataFormat = Literal["auto", "cityscapes", "coco", "lvis", "tfrecord"]
MetricName = Literal["auto", "cityscapes", "coco", "lvis"]
Paths = str | tuple[str, ...]


@dataclass(kw_only=True)
class DataConfig:
    """Where the images are and how they are brought to the model's input."""

    # What is read from train and val; auto: what lies there. Or settings of a reader.
    format: DataFormat | PartConfig = "auto"
    # Folder with annotations.json and images/, an annotation JSON, TFRecords, or a
    # split of Cityscapes. Several of them are one training set, whose classes are those
    # of all by name.
    train: Paths = setting("", path=True)
    train_images: Paths = setting("", path=True)  # default: images/ beside the JSON
    # How often an epoch has the images of each of `train`; empty: once.
    repeat: tuple[int, ...] = setting((), at_least=1)
    val: str = setting("", path=True)
    val_images: str = setting("", path=True)
    strict: bool = False  # true: a bad record is an error; false: left out and counted
    exif: Literal["auto", "apply", "ignore"] = "auto"
    # Class -> the class that it is read as, in train and val.
    merge: dict[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()  # the only ones that there are, after merge; (): all
    # Objects of other classes are background, or regions to ignore.
    other_classes: Literal["drop", "ignore"] = "drop"
    # Faulty records whose box is sound: not there, or regions to ignore.
    faulty_objects: Literal["drop", "ignore"] = "drop"
    channels: int = setting(3, at_least=1, at_most=12)  # 3: RGB; 1: gray
    # Stored values, low and high, that become 0 and 255. Empty: 8 bits stay as they
    # are, of 16 bits the upper 8 are taken.
    value_range: tuple[float, ...] = setting((), items=(0, 2), ascending=True)
    keep_empty: bool = True  # train on images without objects
    keep_crowd: bool = True  # false: crowd regions are dropped, as if not annotated
    # Images with classes that are in a smaller share of the images come oftener: LVIS's
    # repeat-factor sampling, 0.001 there. 0: every image comes once in an epoch.
    repeat_threshold: float = setting(0.0, at_least=0, at_most=1)
    # Training: one of these is drawn for each example.
    short_side: tuple[int, ...] = setting((800,), at_least=1, items=SOME)
    max_side: int = setting(1333, at_least=1)
    eval_short_side: int = setting(800, at_least=1)
    eval_max_side: int = setting(1333, at_least=1)
    flip: float = setting(0.5, at_least=0, at_most=1)  # share of mirrored examples
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    # 32 is the stride of the coarsest backbone stage.
    pad_multiple: int = setting(32, at_least=32, multiple_of=32)
    # Batches of training are padded to their largest image (tight), to one of about
    # twenty sizes (buckets), or to one for wide and one for high images (fixed). auto:
    # buckets on a GPU, where every new size costs time, tight on a CPU.
    padding: Literal["auto", "tight", "buckets", "fixed"] = "auto"
    group_by_shape: bool = True  # batches hold images of like shape: less padding
    mask_resolution: int = setting(112, at_least=1)  # R of the box-frame masks
    workers: int = setting(0, at_least=0)  # threads that load images; 0: one per CPU
    # Lenient: stop when a larger share of the images than this fails.
    max_bad_fraction: float = setting(0.01, at_least=0, at_most=1)


@dataclass(kw_only=True)
class EvalConfig:
    """How predictions are judged."""

    # auto: the rules of the data's own format. Or settings of a metric.
    metric: MetricName | PartConfig = "auto"
    best: str = "mask/AP"  # the figure whose largest value marks the best weights
    batch_size: int = setting(1, at_least=1)
    max_dets: tuple[int, ...] = setting(
        (1, 10, 100), at_least=1, items=3, ascending=True
    )
    boundary: bool = True
    # Share of the image's diagonal.
    boundary_dilation: float = setting(0.02, above=0, at_most=1)
    # AP_crowded: boxes that overlap another one by more than this.
    crowded_iou: float = setting(0.3, at_least=0, at_most=1)
    # Test-time augmentation: every image is also seen in these sizes, as multiples of
    # data.eval_short_side and data.eval_max_side, and mirrored.
    scales: tuple[float, ...] = setting((1.0,), above=0, items=SOME, ascending=True)
    flip: bool = False
    # Images longer than `tile` pixels are cut into squares of that side, each predicted
    # like an image; neighbours share at least `overlap` pixels. 0: images stay whole.
    tile: int = setting(0, at_least=0)
    overlap: int = setting(128, at_least=1)
