"""Reading .npz files."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from tfmask.errors import WeightsError
from tfmask.weights.readers.archive import read_npz


class Trap:
    def __reduce__(self):
        return print, ("run",)


def npy(array, **options) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **options)
    return stream.getvalue()


def write(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return str(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_numpy_are_read(tmp_path, save):
    arrays = {
        "conv0/W": np.arange(8.0, dtype=np.float32).reshape(2, 4),
        "group0/block0/conv1/bn/mean/EMA": np.asfortranarray(np.ones((2, 3))),
        "global_step": np.array(5),
        "linear/b": np.zeros(100000, np.float32),
    }
    save(tmp_path / "x.npz", **arrays)
    content = read_npz(str(tmp_path / "x.npz"))
    assert set(content) == set(arrays)
    for name, value in arrays.items():
        np.testing.assert_array_equal(content[name], value)


def test_an_array_of_objects_is_refused_and_not_unpickled(tmp_path, capsys):
    value = np.array([Trap()], object)
    path = write(tmp_path / "x.npz", {"a.npy": npy(value, allow_pickle=True)})
    with pytest.raises(WeightsError, match="a.npy holds object"):
        read_npz(path)
    path = write(tmp_path / "y.npz", {"a.npy": pickle.dumps(Trap())})
    with pytest.raises(WeightsError, match="truncated or damaged"):
        read_npz(path)
    assert capsys.readouterr().out == ""


def test_a_shape_beyond_the_data_is_refused(tmp_path):
    data = npy(np.zeros(4, np.float32)).replace(b"(4,), }", b"(10000000000,), }")
    with pytest.raises(WeightsError, match="claims shape"):
        read_npz(write(tmp_path / "x.npz", {"a.npy": data}))


def test_a_zip_bomb_is_refused(tmp_path):
    data = npy(np.zeros(1 << 23, np.float32))
    path = write(tmp_path / "x.npz", {"a.npy": data}, zipfile.ZIP_DEFLATED)
    with pytest.raises(WeightsError, match="zip bomb"):
        read_npz(path)


def test_truncated_and_other_files_are_one_clear_sentence(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.arange(50))
    whole = (tmp_path / "x.npz").read_bytes()
    for length in (0, 3, 100, len(whole) - 5):
        (tmp_path / "cut.npz").write_bytes(whole[:length])
        with pytest.raises(WeightsError, match="cut.npz: not a readable zip"):
            read_npz(str(tmp_path / "cut.npz"))
    with pytest.raises(WeightsError, match="none.npz"):
        read_npz(str(tmp_path / "none.npz"))
