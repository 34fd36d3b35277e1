import pytest


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """(folder of a small exported Mask R-CNN with full masks, the model)."""
    from export.export_cases import CLASSES, DATA, trained

    from tfmask.export.limits import Limits
    from tfmask.export.saved_model import export

    model = trained("mask_rcnn")
    limits = Limits(full_masks=True, max_pixels=100_000)
    folder = tmp_path_factory.mktemp("exported") / "model"
    return export(model, DATA, CLASSES, folder, limits=limits), model
