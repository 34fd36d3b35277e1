"""The labels of Cityscapes (Cordts et al., CVPR 2016), as its scripts number them."""

LABEL_IDS = {
    "unlabeled": 0,
    "ego vehicle": 1,
    "rectification border": 2,
    "out of roi": 3,
    "static": 4,
    "dynamic": 5,
    "ground": 6,
    "road": 7,
    "sidewalk": 8,
    "parking": 9,
    "rail track": 10,
    "building": 11,
    "wall": 12,
    "fence": 13,
    "guard rail": 14,
    "bridge": 15,
    "tunnel": 16,
    "pole": 17,
    "polegroup": 18,
    "traffic light": 19,
    "traffic sign": 20,
    "vegetation": 21,
    "terrain": 22,
    "sky": 23,
    "person": 24,
    "rider": 25,
    "car": 26,
    "truck": 27,
    "bus": 28,
    "caravan": 29,
    "trailer": 30,
    "train": 31,
    "motorcycle": 32,
    "bicycle": 33,
    "license plate": -1,  # never drawn
}
# The classes of the instance task, in the order of their label ids.
CLASSES = ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
CLASS_IDS = tuple(LABEL_IDS[name] for name in CLASSES)
# Labels whose objects are told apart.
WITH_INSTANCES = frozenset((*CLASSES, "caravan", "trailer"))
# Label ids that the evaluation does not judge. Single caravans and trailers are judged,
# as background: it looks for the label id of a pixel, and theirs have instance ids.
VOID_IDS = (*range(7), 9, 10, 14, 15, 16, 18, 29, 30)
# An instance has the id label id * INSTANCES + its number; a smaller id is a label id:
# of a class of the instance task, a group of objects that are not told apart.
INSTANCES = 1000
