"""What the recipes of Mask Scoring R-CNN (CVPR 2019) share."""

from tfmask.config import Config, PublishedRow


def mask_scoring(value: Config) -> Config:
    """Adds the MaskIoU head."""
    value.model.mask.scoring.enabled = True
    return value


def row(row, metrics, *, line) -> PublishedRow:
    """A row of the table in the release's README."""
    return PublishedRow(
        paper="Mask Scoring R-CNN (CVPR 2019)",
        table="README",
        row=row,
        data="COCO val2017",
        metrics=metrics,
        line=line,
    )
