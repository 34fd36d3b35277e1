"""Results as the test server of Cityscapes takes them.

A text file for each image, `CITY_SEQUENCE_FRAME.txt`, has a line
`masks/FILE.png LABEL_ID CONFIDENCE` for each detection; the PNG is 255 where the object
is, of the size of the image.
"""

from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as mask_utils

from tfmask.data.cityscapes.labels import CLASSES, LABEL_IDS
from tfmask.errors import EvaluationError
from tfmask.files import write_atomically
from tfmask.structures import ClassMap

_SUFFIX = "_leftImg8bit"  # of image files; the server wants the name before it
_MASKS = "masks"


class CityscapesResults:
    """A folder of results; an image is there when its text file is.

    Args:
      folder: made if it is not there; earlier results of the same images are replaced.
      class_map: of the model; its classes are known by their names.

    Raises:
      EvaluationError: a class is none of Cityscapes.
    """

    def __init__(self, folder, class_map: ClassMap):
        unknown = [name for name in class_map.names if name not in CLASSES]
        if unknown:
            raise EvaluationError(
                f"{folder}: results for Cityscapes cannot hold the class "
                f"{unknown[0]!r}; expected classes among {', '.join(CLASSES)}"
            )
        self.folder = Path(folder)
        self.count = 0  # images written
        self._label_ids = {
            key: LABEL_IDS[name] for key, name in zip(class_map.ids, class_map.names)
        }
        self._names: set[str] = set()

    def add(self, image: str, results: list[dict]) -> None:
        """Writes one image.

        Args:
          image: its id, or the path of its file.
          results: COCO results with masks, with the category ids of the class map.

        Raises:
          EvaluationError: the image has a name that the format cannot have.
          OSError: the folder cannot be written.
        """
        name = Path(str(image)).name.partition(_SUFFIX)[0]
        if not name or any(c.isspace() for c in name) or name in self._names:
            why = "is there twice" if name in self._names else "has a space, or nothing"
            raise EvaluationError(
                f"{image}: the name {name!r} {why}: expected names like "
                "berlin_000000_000019"
            )
        self._names.add(name)
        masks = self.folder / _MASKS
        masks.mkdir(parents=True, exist_ok=True)
        lines = []
        for number, result in enumerate(results):
            file = f"{name}_{number:03d}.png"
            mask = mask_utils.decode(result["segmentation"]) * np.uint8(255)
            done, data = cv2.imencode(".png", mask)
            if not done:
                raise OSError(f"{masks / file}: cannot be encoded")
            (masks / file).write_bytes(data.tobytes())
            label_id = self._label_ids[result["category_id"]]
            # The server ranks the masks by it.
            confidence = float(result.get("mask_score", result["score"]))
            lines.append(f"{_MASKS}/{file} {label_id} {confidence!r}\n")
        write_atomically(self.folder / f"{name}.txt", "".join(lines))
        self.count += 1
