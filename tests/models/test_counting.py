import numpy as np
import pytest
from models.model_cases import small_model

from tfmask.configs.lineages import (
    detectron2,
    maskrcnn_benchmark,
    tensorpack,
    torchvision,
)
from tfmask.models.build import build_model
from tfmask.models.counting import count_parameters, parameter_table

R50 = {
    detectron2: 44_343_216,
    tensorpack: 44_347_316 + 53_120,  # its scale and offset are trained
    maskrcnn_benchmark: 44_347_573,
}


@pytest.mark.parametrize("lineage", R50, ids=lambda f: f.__name__)
def test_r50_has_the_published_number_of_parameters(lineage):
    config = lineage()
    config.model.num_classes = 80
    assert count_parameters(build_model(config.model)) == R50[lineage]


def test_torchvision_form_has_its_published_number_of_parameters():
    config = torchvision()
    config.model.num_classes = 90
    assert count_parameters(build_model(config.model)) == 44_401_393


def test_table_adds_up_and_leaves_state_out():
    model = small_model()
    table = parameter_table(model)
    assert [part for part, _ in table] == [
        "backbone",
        "neck",
        "rpn_head",
        "box_head",
        "mask_head",
    ]
    trained = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert count_parameters(model) == trained
