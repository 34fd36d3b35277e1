"""The papers' tables as data, every row: figures as printed, and the row's recipe."""

from tfmask.configs.tables import bmask_rcnn, iemask_rcnn, maskplus, mr_rcnn, releases

PAPERS = (
    maskplus.PAPER,
    mr_rcnn.PAPER,
    bmask_rcnn.PAPER,
    iemask_rcnn.PAPER,
    *releases.PAPERS,
)
