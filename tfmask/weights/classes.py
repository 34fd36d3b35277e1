"""Class maps of published weights."""

from tfmask.structures import ClassMap

# COCO 2017: 80 categories whose ids run to 90 with gaps.
_COCO = (
    "1 person, 2 bicycle, 3 car, 4 motorcycle, 5 airplane, 6 bus, 7 train, 8 truck, "
    "9 boat, 10 traffic light, 11 fire hydrant, 13 stop sign, 14 parking meter, "
    "15 bench, 16 bird, 17 cat, 18 dog, 19 horse, 20 sheep, 21 cow, 22 elephant, "
    "23 bear, 24 zebra, 25 giraffe, 27 backpack, 28 umbrella, 31 handbag, 32 tie, "
    "33 suitcase, 34 frisbee, 35 skis, 36 snowboard, 37 sports ball, 38 kite, "
    "39 baseball bat, 40 baseball glove, 41 skateboard, 42 surfboard, "
    "43 tennis racket, 44 bottle, 46 wine glass, 47 cup, 48 fork, 49 knife, 50 spoon, "
    "51 bowl, 52 banana, 53 apple, 54 sandwich, 55 orange, 56 broccoli, 57 carrot, "
    "58 hot dog, 59 pizza, 60 donut, 61 cake, 62 chair, 63 couch, 64 potted plant, "
    "65 bed, 67 dining table, 70 toilet, 72 tv, 73 laptop, 74 mouse, 75 remote, "
    "76 keyboard, 77 cell phone, 78 microwave, 79 oven, 80 toaster, 81 sink, "
    "82 refrigerator, 84 book, 85 clock, 86 vase, 87 scissors, 88 teddy bear, "
    "89 hair drier, 90 toothbrush"
)


def coco() -> ClassMap:
    """The 80 classes of COCO, labels 1..80 in the order of their ids."""
    pairs = [entry.strip().split(" ", 1) for entry in _COCO.split(",")]
    return ClassMap(
        tuple(int(number) for number, _ in pairs), tuple(name for _, name in pairs)
    )


def coco_by_id() -> ClassMap:
    """torchvision's 90 classes: the label is the id; the ten gaps are named N/A."""
    names = dict(zip(*coco()))
    return ClassMap(
        tuple(range(1, 91)), tuple(names.get(i, "N/A") for i in range(1, 91))
    )


def published_map(num_classes: int) -> ClassMap | None:
    """COCO's map if a detector has as many classes as one trained on it, else None."""
    return {80: coco(), 90: coco_by_id()}.get(num_classes)


def same_classes(weights: ClassMap | None, dataset: ClassMap | None) -> bool:
    """Whether labels mean the same: equal names in equal order, or a map is unknown."""
    if weights is None or dataset is None:
        return True
    return tuple(weights.names) == tuple(dataset.names)


def describe(classes: ClassMap | None, limit: int = 12) -> str:
    """`80 classes {1=person, 2=bicycle, ...}`."""
    if classes is None:
        return "unknown classes"
    pairs = [f"{i}={name}" for i, name in zip(classes.ids, classes.names)]
    more = ", ..." if len(pairs) > limit else ""
    return f"{len(pairs)} classes {{{', '.join(pairs[:limit])}{more}}}"
