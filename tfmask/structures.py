"""The tensors that travel between stages, and the conventions they keep.

Conventions, never varied:

- Boxes are float32 `[x1, y1, x2, y2]` in absolute pixels, continuous: pixel i covers
  `[i, i + 1)`, so a box around pixel 3 alone is `[3, ., 4, .]`.
- Labels are int32: 0 is background and padding, 1..K are the classes. Channel k of a
  mask or box-delta tensor belongs to class k + 1.
- Layout is NHWC. Sizes are (height, width). Every padded tensor travels with `valid`.

Words, one for each thing:

- A *level* is one feature map of a pyramid, `c2`..`c5` of a backbone, `p2`..`p6` of a
  neck; the number is log2 of its *stride*, in pixels per *cell*.
- A box is an *anchor* when it lies on a level, a *proposal* when the RPN gives it, a
  *roi* when features are pooled from it (in *bins*), a *detection* at the end. An
  *instance* is an object of the ground truth; a *crowd* is a region of many.
- *Logits* are before the sigmoid or softmax, *probs* after, *scores* are for ranking;
  *deltas* are boxes relative to others. `fg` and `bg` are foreground and background.
- *Packed* tensors `[M, ...]` hold the valid rows of padded ones one after another;
  `batch_indices` `[M]` says which image of the batch each row is of.
- A *head* is a layer on roi features. A *branch* is what goes from rois to predictions
  and losses: pooling, heads, targets; a box branch has one or more *stages*. A *term*
  is one of the losses.
- A *part* is a layer that another one can stand in for; a *rule* holds the settings of
  a stage without weights. A *setting* is a field of the configuration, a *recipe* a
  function that returns one, a *lineage* the choices of one code base.

B images, G ground-truth instances, N rois, D detections, R side of a box-frame mask.
"""

from typing import Any, NamedTuple


class FeatureSpec(NamedTuple):
    """What a backbone or neck says of one of its feature maps, in `output_spec`."""

    channels: int
    stride: int  # pixels of the image per cell


def level_stride(name: str) -> int:
    """Pixels per cell of a feature map by its name: `c3` and `p3` have stride 2**3."""
    return 2 ** int(name[1:])


class Targets(NamedTuple):
    """Ground truth of a batch, padded to the largest image of the batch."""

    boxes: Any  # [B, G, 4] float32, pixels of the padded input image
    labels: Any  # [B, G] int32, 1..K; 0 in padding
    masks: Any  # [B, G, R, R] uint8, coverage 0..255 of the instance in its own box
    crowd: Any  # [B, G] bool: a region to ignore, never a positive
    valid: Any  # [B, G] bool: false in padding


class Proposals(NamedTuple):
    """Class-agnostic boxes of the region proposal network. No gradient."""

    boxes: Any  # [B, N, 4] float32, pixels
    scores: Any  # [B, N] float32, objectness logits
    valid: Any  # [B, N] bool


class AnchorSamples(NamedTuple):
    """Anchors chosen to train the RPN, of all levels counted one after another."""

    index: Any  # [B, S] int64
    is_fg: Any  # [B, S] bool
    deltas: Any  # [B, S, 4] float32, to their instances; only those of foreground mean
    # anything
    valid: Any  # [B, S] bool


class RoISamples(NamedTuple):
    """Rois chosen for training, with the instance that each one is matched to."""

    boxes: Any  # [B, N, 4] float32, pixels
    labels: Any  # [B, N] int64, 0 for background
    matches: Any  # [B, N] int64, index into Targets of the matched instance
    valid: Any  # [B, N] bool


class Detections(NamedTuple):
    """Final boxes of an image, by falling score."""

    boxes: Any  # [B, D, 4] float32, pixels of the padded input image
    scores: Any  # [B, D] float32, 0..1
    labels: Any  # [B, D] int32, 1..K; 0 in padding
    valid: Any  # [B, D] bool


class ClassMap(NamedTuple):
    """Which category of the annotation file is which label: label k is entry k - 1."""

    ids: tuple  # category ids as the annotation file has them
    names: tuple[str, ...]

    @property
    def num_classes(self) -> int:
        return len(self.ids)

    def to_json(self) -> dict:
        return {"ids": list(self.ids), "names": list(self.names)}

    @classmethod
    def from_json(cls, value: dict) -> "ClassMap":
        return cls(tuple(value["ids"]), tuple(value["names"]))
