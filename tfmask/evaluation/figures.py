"""The figures of an evaluation, whatever the metric."""


class Figures(dict):
    """Figures by name, `box/AP`, `mask/AP50`, `boundary/ARs`, ...: 0..1.

    -1 where no ground truth counts, as in pycocotools.

    Attributes:
      per_class: a dict for every class with `id`, `name`, `instances` and the class's
        figures under the same names.
      max_dets: the numbers of detections per image that AR was taken at; AP and the
        figures by size are taken at the largest.
      notes: sentences on what the reader of the figures should know.
      per_iou: for `box`, `mask`, `boundary` the AP at each IoU threshold, whose mean is
        AP; `{"0.50": 0.61, "0.55": 0.58, ...}`. Empty where the metric does not tell.
    """

    def __init__(
        self,
        figures: dict[str, float],
        per_class: list[dict],
        max_dets: tuple[int, ...],
        notes: list[str],
        per_iou: dict[str, dict[str, float]] | None = None,
    ):
        super().__init__(figures)
        self.per_class = per_class
        self.max_dets = max_dets
        self.notes = notes
        self.per_iou = per_iou or {}

    def to_json(self) -> dict:
        return {
            "figures": dict(self),
            "per_class": self.per_class,
            "per_iou": self.per_iou,
            "max_dets": list(self.max_dets),
            "notes": self.notes,
        }
