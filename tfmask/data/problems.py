"""What can be wrong with the data, as values; as exceptions it is in tfmask.errors."""

from typing import NamedTuple

ERROR = "error"  # the record is left out
WARNING = "warning"  # the record is kept


class Problem(NamedTuple):
    """One fault of an annotation file; `str()` is the line that users see."""

    kind: str  # e.g. rle_short
    image_id: int | str | None  # None: not about one image
    annotation_id: int | str | None  # None: not about one annotation
    message: str  # one sentence: what, what was expected, how to mend it
    severity: str  # ERROR: the record is left out; WARNING: it is kept

    def __str__(self) -> str:
        where = ""
        if self.image_id is not None:
            where += f" image {self.image_id!r}"
        if self.annotation_id is not None:
            where += f" annotation {self.annotation_id!r}"
        return f"{self.severity} [{self.kind}]{where}: {self.message}"
