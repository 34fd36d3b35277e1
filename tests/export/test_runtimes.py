import json

import pytest
from export.export_cases import CLASSES, DATA
from models.model_cases import small_model

from tfmask.config import PoolConfig, RefineConfig, ResNetConfig
from tfmask.errors import ExportError
from tfmask.export.limits import Limits
from tfmask.export.runtimes import freeze_with_roi_align, new_folder


def test_shape_aware_pooling_with_adaptive_samples_is_refused():
    model = small_model(
        refine=RefineConfig(enabled=True), pool=PoolConfig(sampling_ratio=0)
    )
    with pytest.raises(ExportError, match="number of samples for ONNX, e.g. 2"):
        freeze_with_roi_align(model, DATA, CLASSES, Limits(), "ONNX")


@pytest.mark.slow
def test_deformable_convolutions_are_refused():
    backbone = ResNetConfig(
        depth=26, width=16, norm="bn", freeze_at=0, deformable="v1",
        deformable_stages=(5,),
    )  # fmt: skip
    model = small_model(backbone=backbone)
    with pytest.raises(ExportError, match="ONNX does not have CropAndResize"):
        freeze_with_roi_align(model, DATA, CLASSES, Limits(), "ONNX")


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    target = tmp_path / "model" / "1"
    with pytest.raises(RuntimeError), new_folder(target, CLASSES, {}) as temporary:
        (temporary / "half").write_text("")
        raise RuntimeError
    assert list(target.parent.iterdir()) == []
    with new_folder(target, CLASSES, {"size": (4, 5)}) as temporary:
        (temporary / "file").write_text("x")
        assert not target.exists()
    facts = json.loads((target / "tfmask.json").read_text())
    assert facts["size"] == [4, 5] and facts["classes"]["90"] == "kite"
    assert "kite" in (target / "label_map.pbtxt").read_text()
