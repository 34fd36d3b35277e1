"""Training examples as the model gets them, with boxes and masks, in one picture."""

import cv2
import numpy as np

from tfmask.data.loader import ExampleLoader
from tfmask.evaluation import visualize
from tfmask.evaluation.paste import paste_masks

_GAP = 6  # pixels between the pictures


def contact_sheet(
    loader: ExampleLoader, positions: range, columns: int, side: int
) -> np.ndarray:
    """Draws examples row by row.

    Args:
      loader: of the training stream.
      positions: in the stream.
      columns: pictures in a row.
      side: pixels of the longer side of a picture.

    Returns:
      [H, W, 3] uint8 RGB.
    """
    pictures = [draw_example(loader, i, side) for i in positions]
    rows = [pictures[k : k + columns] for k in range(0, len(pictures), columns)]
    heights = [max(p.shape[0] for p in row) + _GAP for row in rows]
    width = max(p.shape[1] for p in pictures) + _GAP
    size = sum(heights), min(columns, len(pictures)) * width, 3
    sheet = np.full(size, 255, np.uint8)
    for number, row in enumerate(rows):
        top = sum(heights[:number])
        for k, p in enumerate(row):
            sheet[top : top + p.shape[0], k * width : k * width + p.shape[1]] = p
    return sheet


def draw_example(loader: ExampleLoader, position: int, side: int) -> np.ndarray:
    """One example under a caption with its position, image, size and instances."""
    example = loader.example(position)
    height, width = example["image_sizes"].tolist()
    kept = example["valid"]
    boxes, crowd = example["boxes"][kept], example["crowd"][kept]
    masks = example["masks"][kept].astype(np.float32) / 255
    picture = visualize.draw_instances(
        example["images"][:height, :width],
        boxes,
        example["labels"][kept],
        masks=paste_masks(masks, boxes, (height, width)),
        names=loader.dataset.class_map.names,
        crowd=crowd,
        seed=position,
    )
    scale = side / max(picture.shape[:2])
    size = (max(round(s * scale), 1) for s in picture.shape[1::-1])
    picture = cv2.resize(picture, tuple(size), interpolation=cv2.INTER_AREA)
    record = loader.dataset.images[int(example["image_index"])]
    caption = (
        f"{position}: image {record.image_id}, {width}x{height}, {len(boxes)} obj."
    )
    return visualize.with_caption(picture, caption)
