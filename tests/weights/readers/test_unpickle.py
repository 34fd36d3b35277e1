"""Reading .pth and .pkl: what they hold, and what they cannot do."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from weights.torch_files import (
    Raw,
    call,
    encode,
    pickle_of,
    tensor,
    write_legacy,
    write_zip,
)

from tfmask.errors import WeightsError
from tfmask.weights.readers.torch_file import read_checkpoint

DATA = Path(__file__).parent / "data"
ARRAYS = {
    "a.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a.bias": np.float32([1.5]),
    "steps": np.array(7, np.int64),
}


def write_pickle(path, arrays, wrap=lambda weights: weights):
    path.write_bytes(pickle.dumps(wrap(arrays), protocol=2))
    return str(path)


WRITERS = {"zip": write_zip, "legacy": write_legacy, "pkl": write_pickle}


@pytest.mark.parametrize("name", ["torch_2_13.pth", "torch_2_13_legacy.pth"])
def test_files_that_pytorch_wrote_are_read(name):
    source = read_checkpoint(str(DATA / name))
    expected = {
        "conv.weight": np.arange(24.0).reshape(2, 3, 2, 2),
        "transposed": np.arange(6.0).reshape(2, 3).T,
        "slice": np.arange(3.0, 7.0),
        "every_second": np.arange(0.0, 10.0, 2.0),
        "half": [0.5, -2.0, 65504.0],
        "bfloat16": np.float32([1.0, -3.140625, 1.0003e30]),
        "double": [1 / 3],
        "parameter": [1.0, 1.0],
        "norm.num_batches_tracked": 7,
        "empty": np.zeros((0, 3)),
    }
    assert set(source.arrays) == set(expected)
    for key, value in expected.items():
        assert source.arrays[key].shape == np.shape(value)
        np.testing.assert_allclose(
            source.arrays[key], value, rtol=1e-3 * (key[0] == "b")
        )
    assert source.arrays["bfloat16"].dtype == np.float32
    assert source.extras["iteration"] == "3"
    assert set(source.extras) == {"iteration", "optimizer", "size"}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("nest", ["", "model", "state_dict"])
def test_weights_are_found_in_each_container_and_nesting(tmp_path, kind, nest):
    path = WRITERS[kind](
        tmp_path / "x.pth", ARRAYS, lambda w: {nest: w, "epoch": 3} if nest else w
    )
    source = read_checkpoint(path)
    assert set(source.arrays) == set(ARRAYS)
    for name, value in ARRAYS.items():
        np.testing.assert_array_equal(source.arrays[name], value)
    assert source.extras == ({"epoch": "3"} if nest else {})


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_every_pickle_protocol_of_numpy_arrays_is_read(tmp_path, protocol):
    arrays = {
        "plain": np.arange(6, dtype=np.float32).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big_endian": np.arange(3, dtype=">f4"),
        "half": np.float16([0.5]),
    }
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"model": arrays, "lr": np.float64(0.1)}, protocol))
    source = read_checkpoint(str(path))
    for name, value in arrays.items():
        np.testing.assert_array_equal(source.arrays[name], value)
    assert source.extras == {"lr": "0.1"}


def test_pickle_of_python_2_is_read(tmp_path):
    numbers = np.float32([1.0, -2.5])
    path = tmp_path / "R-50.pkl"
    path.write_bytes(
        b"\x80\x02}U\x05blobs}U\x07conv1_wcnumpy.core.multiarray\n_reconstruct\n"
        b"(cnumpy\nndarray\nK\x00\x85U\x01btR(K\x01K\x02\x85cnumpy\ndtype\n"
        b"(U\x02f4K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x08" + numbers.tobytes() + b"tbss."
    )
    source = read_checkpoint(str(path))
    np.testing.assert_array_equal(source.arrays["conv1_w"], numbers)


@pytest.mark.parametrize("kind", ["zip", "legacy", "pkl"])
@pytest.mark.parametrize(
    "module, name",
    [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("subprocess", "Popen"),
        ("torch.storage", "_load_from_bytes"),
        ("numpy", "load"),
        ("numpy.testing._private.utils", "runstring"),
        ("functools", "partial"),
        ("operator", "attrgetter"),
        ("collections", "OrderedDict.fromkeys"),
    ],
)
def test_a_file_that_calls_something_is_refused_by_name(tmp_path, kind, module, name):
    trap = tmp_path / "was_run"
    bomb = call(module, name, f"touch {trap}")
    path = tmp_path / "evil.pth"
    if kind == "pkl":
        path.write_bytes(pickle_of({"model": {"a": bomb}}))
    else:
        WRITERS[kind](path, ARRAYS, lambda w: {"model": w, "hook": bomb})
    with pytest.raises(
        WeightsError, match="refused and nothing of it was run"
    ) as error:
        read_checkpoint(str(path))
    assert f"{module}.{name}" in str(error.value) and str(path) in str(error.value)
    assert not trap.exists()


class Malice:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        import os

        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_os_system_through_reduce_is_refused(tmp_path, protocol):
    trap = tmp_path / "was_run"
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps({"model": Malice(f"touch {trap}")}, protocol))
    with pytest.raises(WeightsError, match=r"(os|posix|nt)\.system"):
        read_checkpoint(str(path))
    with zipfile.ZipFile(tmp_path / "evil.pth", "w") as file:
        file.write(path, "archive/data.pkl")
    with pytest.raises(WeightsError, match=r"(os|posix|nt)\.system"):
        read_checkpoint(str(tmp_path / "evil.pth"))
    assert not trap.exists()


_LIST = Raw(b"ccollections\nOrderedDict\n")
_DTYPE = Raw(b"cnumpy\ndtype\n(" + encode("f4") + b"tR")


@pytest.mark.parametrize(
    "state",
    [
        # State for a function, for a class, and for a tensor.
        b"cnumpy\ndtype\n}" + encode("call") + encode(1) + b"sb",
        b"ctorch\nFloatStorage\n}" + encode("dtype") + encode("f8") + b"sb",
        b"ctorch\nFloatStorage\nN}" + encode("dtype") + encode("f8") + b"s\x86b",
        bytes(_LIST) + b"N}" + encode("update") + encode(1) + b"s\x86b",
        bytes(_LIST) + b"}" + encode("update") + encode(1) + b"sb",
    ],
)
def test_stand_ins_cannot_be_changed_from_inside(tmp_path, state):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle_of({"model": {"a": Raw(state)}}))
    with pytest.raises(WeightsError, match="truncated or damaged"):
        read_checkpoint(str(path))


@pytest.mark.parametrize(
    "value",
    [
        # An array that claims more than its bytes, and one of Python objects.
        call(
            "numpy.core.numeric", "_frombuffer", Raw(b"C\x04abcd"), _DTYPE, (9, 9), "C"
        ),
        call("numpy.core.numeric", "_frombuffer", Raw(b"C\x00"), _DTYPE, (-1,), "C"),
        call("numpy", "dtype", "O8"),
        call("numpy", "dtype", "V1000000"),
        call("_codecs", "encode", "x", "rot13"),
        call("torch._utils", "_rebuild_tensor_v2", "no storage", 0, (1,), (1,)),
        Raw(b"(" + encode("storage") + b"tQ"),
    ],
)
def test_impossible_arrays_are_refused(tmp_path, value):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle_of({"model": {"a": value}}))
    with pytest.raises(WeightsError, match="truncated or damaged"):
        read_checkpoint(str(path))


@pytest.mark.parametrize("shape, strides", [((10**6, 10**6), (0, 0)), ((3,), (9,))])
def test_a_tensor_larger_than_its_storage_is_refused(tmp_path, shape, strides):
    plain = tensor("0", np.zeros((2, 2), np.float32))
    bad = plain.replace(
        encode((2, 2)) + encode((2, 1)), encode(shape) + encode(strides)
    )
    assert bad != plain
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickle_of({"a": Raw(bad)}))
        file.writestr("archive/data/0", bytes(16))
    with pytest.raises(WeightsError, match="exceeds its storage"):
        read_checkpoint(str(path))


def test_a_memo_slot_that_would_fill_the_memory_is_refused(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x02}r\xff\xff\xff\x7f.")
    with pytest.raises(WeightsError, match="memo slot"):
        read_checkpoint(str(path))


def test_zip_bombs_are_refused(tmp_path):
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", pickle_of({}))
        file.writestr("archive/data/0", bytes(1 << 24))
    with pytest.raises(WeightsError, match="zip bomb"):
        read_checkpoint(str(path))


@pytest.mark.parametrize("kind", WRITERS)
def test_every_truncation_is_one_clear_sentence(tmp_path, kind):
    whole = Path(WRITERS[kind](tmp_path / "whole.pth", ARRAYS)).read_bytes()
    for length in range(0, len(whole) - 1, max(len(whole) // 150, 1)):
        path = tmp_path / "cut.pth"
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match="cut.pth.*(truncated|empty|damaged)"):
            read_checkpoint(str(path))


@pytest.mark.parametrize("kind", WRITERS)
def test_damaged_bytes_raise_nothing_but_weights_errors(tmp_path, kind):
    whole = bytearray(Path(WRITERS[kind](tmp_path / "w.pth", ARRAYS)).read_bytes())
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            damaged[place] = rng.integers(0, 256)
        path = tmp_path / "damaged.pth"
        path.write_bytes(damaged)
        try:
            read_checkpoint(str(path))
        except WeightsError:
            pass


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (pickle_of([1, 2]), "holds list"),
        (pickle_of({"model": {}}), "holds no arrays"),
        (pickle_of({"lr": 1}), "holds no arrays"),
    ],
)
def test_other_content_is_named(tmp_path, content, message):
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        read_checkpoint(str(path))


def test_a_missing_file_and_another_zip_are_named(tmp_path):
    with pytest.raises(WeightsError, match="no such file"):
        read_checkpoint(str(tmp_path / "none.pth"))
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(WeightsError, match="without data.pkl"):
        read_checkpoint(str(tmp_path / "x.pth"))


def test_the_prefix_of_a_wrapped_model_is_dropped(tmp_path):
    path = write_zip(tmp_path / "x.pth", {f"module.{k}": v for k, v in ARRAYS.items()})
    assert set(read_checkpoint(path).arrays) == set(ARRAYS)
