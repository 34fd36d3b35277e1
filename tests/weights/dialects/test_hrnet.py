"""HRNet's ImageNet trunks, on their real names and shapes."""

import numpy as np
import pytest
from weights import public_names
from weights.public_files import manifest_shapes
from weights.round_trip import assert_whole, narrow_settings, plan
from weights.torch_files import write_zip

from tfmask.config import HRFPNConfig, HRNetConfig
from tfmask.configs import lineages
from tfmask.errors import WeightsError
from tfmask.weights import importer

HEADS = {
    "incre_modules.0.0.conv1.weight": (32, 8, 1, 1),
    "downsamp_modules.0.0.weight": (64, 32, 3, 3),
    "final_layer.0.weight": (64, 64, 1, 1),
    "classifier.weight": (1000, 64),
    "classifier.bias": (1000,),
}
REST = ("neck", "rpn_head", "box_head", "mask_head")


def settings_of(width=8):
    settings = narrow_settings(lineages.torchvision)
    settings.backbone, settings.neck = (
        HRNetConfig(width=width),
        HRFPNConfig(channels=32),
    )
    return settings


def narrow_arrays():
    shapes = public_names.narrow_hrnet(manifest_shapes("hrnet_w32"))
    return public_names.fill(shapes | HEADS)


def test_every_name_of_the_network_stands_for_one_path_and_back():
    names = [k for k in manifest_shapes("hrnet_w32") if "num_batches" not in k]
    dialect = importer.FORMATS["hrnet"].dialects(settings_of())[0]
    paths = set()
    for name in names:
        places = {rule.path_of(name) for rule in dialect.rules} - {None}
        assert len(places) == 1, name
        paths |= places
        assert importer.find_rule(dialect, *places)[1] == name
    assert len(paths) == len(names) == 1525


@pytest.mark.slow
def test_every_array_has_its_place_and_comes_back_equal(tmp_path):
    arrays = narrow_arrays()
    path = write_zip(tmp_path / "hrnetv2_w32_imagenet_pretrained.pth", arrays)
    source = importer.read_source("hrnet", path)
    whole = assert_whole("hrnet", source.arrays, settings_of(), without=REST)
    left_out = {k for k in whole.report.skipped if "num_batches" not in k}
    assert left_out == set(HEADS)
    assert "no part of this architecture" not in str(whole.report)
    for path, name in (
        ("stem1", "conv1"),
        ("layer1_3/conv2", "layer1.3.conv2"),
        ("transition2_0", "transition1.0.0"),
        ("transition2_1", "transition1.1.0.0"),
        ("transition4_3", "transition3.3.0.0"),
        ("stage3_2/branch1_3/conv2", "stage3.2.branches.1.3.conv2"),
        ("stage4_0/fuse0_2_0", "stage4.0.fuse_layers.0.2.0"),
        ("stage4_2/fuse3_1_1", "stage4.2.fuse_layers.3.1.1.0"),
    ):
        np.testing.assert_array_equal(
            whole.values[f"backbone/{path}/kernel"],
            arrays[f"{name}.weight"].transpose(2, 3, 1, 0),
        )
    np.testing.assert_array_equal(
        whole.values["backbone/stage4_2/fuse3_1_1/norm/beta"],
        arrays["stage4.2.fuse_layers.3.1.1.1.bias"],
    )


@pytest.mark.slow
def test_the_real_shapes_are_those_of_the_network():
    arrays = public_names.fill(manifest_shapes("hrnet_w32"))
    whole = assert_whole("hrnet", arrays, settings_of(width=32), without=REST)
    kernels = [v.size for k, v in whole.values.items() if k.endswith("kernel")]
    assert sum(kernels) == 29_248_192


def test_another_width_is_named():
    with pytest.raises(WeightsError, match="transition1.0.0.weight has shape"):
        plan("hrnet", narrow_arrays(), settings_of(width=16))


def test_a_resnet_is_not_taken_for_an_hrnet():
    arrays = public_names.fill(public_names.narrow(public_names.torchvision_imagenet()))
    with pytest.raises(WeightsError, match="it looks like torchvision:PATH"):
        plan("hrnet", arrays, settings_of())
    with pytest.raises(WeightsError, match="it looks like hrnet:PATH"):
        plan("torchvision", narrow_arrays(), narrow_settings(lineages.torchvision))
