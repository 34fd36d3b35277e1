import keras
import numpy as np
from models.model_cases import small_config, small_mask

from tfmask.config import RefineConfig
from tfmask.layers.naming import named_weights
from tfmask.models.build import build_model


def weights(seed, global_seed=0, **changes):
    keras.utils.set_random_seed(global_seed)
    model = build_model(small_config(**changes), seed=seed)
    return {path: np.array(value) for path, value in named_weights(model).items()}


def test_parts_in_common_begin_with_the_same_weights():
    plain = weights(3)
    other = weights(3, global_seed=9, mask=small_mask("boundary_preserving"))
    common = [path for path in plain if path in other]
    assert len(common) > 40
    for path in common:
        np.testing.assert_array_equal(plain[path], other[path], err_msg=path)


def test_seeds_and_paths_differ_and_constants_stay():
    first, second = weights(3), weights(4)
    drawn = [path for path in first if path.endswith("kernel")]
    for path in drawn:
        assert (first[path] != second[path]).any(), path
    assert (first["box_head/fc1/bias"] == 0).all()
    alike = first["neck/fpn_output2/kernel"], first["neck/fpn_output3/kernel"]
    assert (alike[0] != alike[1]).any()


def test_drawn_weights_have_the_scale_of_their_initializer():
    kernel = weights(5)["rpn_head/conv/kernel"]
    assert abs(kernel.std() - 0.01) < 5e-4


def test_refining_heads_begin_as_their_base_heads():
    drawn = weights(3, refine=RefineConfig(enabled=True))
    for path, value in drawn.items():
        if path.startswith("refine_box_head/"):
            np.testing.assert_array_equal(value, drawn[path.removeprefix("refine_")])
