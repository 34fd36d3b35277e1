"""Reading Keras's weight files."""

import h5py
import numpy as np
import pytest
from weights.keras_files import write_keras_2, write_keras_3

from tfmask.errors import WeightsError
from tfmask.weights.readers.hdf5 import read_keras_h5

KERNEL = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
WEIGHTS = {
    "conv1_conv/kernel": KERNEL,
    "conv1_conv/bias": np.float32([1, 2, 3]),
    "conv1_bn/gamma": np.float32([4, 5, 6]),
    "conv1_bn/beta": np.float32([7, 8, 9]),
    "conv1_bn/moving_mean": np.float32([0, 1, 0]),
    "conv1_bn/moving_variance": np.float32([1, 2, 1]),
}


@pytest.mark.parametrize(
    "write",
    [
        write_keras_2,
        lambda path, w: write_keras_2(path, w, root="model_weights"),
        lambda path, w: write_keras_2(path, w, root="model_weights", suffix=""),
        write_keras_3,
    ],
)
def test_every_layout_of_keras_is_read(tmp_path, write):
    arrays = read_keras_h5(write(tmp_path / "x.h5", WEIGHTS))
    assert set(arrays) == set(WEIGHTS)
    for name, value in WEIGHTS.items():
        np.testing.assert_array_equal(arrays[name], value)


def test_variables_without_a_layer_name_are_left_out(tmp_path):
    path = write_keras_3(tmp_path / "x.weights.h5", WEIGHTS, names=False)
    assert read_keras_h5(path) == {}


@pytest.mark.parametrize("link", ["soft", "external"])
def test_links_are_refused(tmp_path, link):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["kernel:0"] = KERNEL
    with h5py.File(tmp_path / "x.h5", "w") as file:
        target = {
            "soft": h5py.SoftLink("/other"),
            "external": h5py.ExternalLink(str(tmp_path / "secret.h5"), "/kernel:0"),
        }
        file.create_group("conv1_conv")["kernel:0"] = target[link]
    with pytest.raises(WeightsError, match="kernel:0 is a link"):
        read_keras_h5(str(tmp_path / "x.h5"))


def test_arrays_that_are_not_in_the_file_are_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("conv1_conv/kernel:0", (10**6, 10**6), np.float32)
    with pytest.raises(WeightsError, match="claims 4000000000000 bytes"):
        read_keras_h5(str(tmp_path / "x.h5"))
    (tmp_path / "numbers.bin").write_bytes(bytes(64))
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file.create_dataset(
            "conv1_conv/kernel:0",
            (16,),
            np.float32,
            external=[(str(tmp_path / "numbers.bin"), 0, 64)],
        )
    with pytest.raises(WeightsError, match="not a plain array"):
        read_keras_h5(str(tmp_path / "y.h5"))


def test_truncated_and_other_files_are_one_clear_sentence(tmp_path):
    whole = open(write_keras_2(tmp_path / "x.h5", WEIGHTS), "rb").read()
    for length in (0, 10, len(whole) // 2):
        (tmp_path / "cut.h5").write_bytes(whole[:length])
        with pytest.raises(WeightsError, match="cut.h5: not a readable HDF5 file"):
            read_keras_h5(str(tmp_path / "cut.h5"))
    with pytest.raises(WeightsError, match="no such file"):
        read_keras_h5(str(tmp_path / "none.h5"))
