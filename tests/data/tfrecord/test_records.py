"""Damage of TFRecord files: found, named, and no more lost than what was hit."""

import struct

import numpy as np
import pytest

from tfmask.data.tfrecord.crc import masked_crc
from tfmask.data.tfrecord.records import Damage, Record, read_records, scan

LENGTHS = [300, 5, 1200, 0, 64, 700, 41, 2000]


def contents() -> list[bytes]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, n, np.uint8).tobytes() for n in LENGTHS]


def framed(data: bytes) -> bytes:
    head = struct.pack("<Q", len(data))
    head += struct.pack("<I", masked_crc(head))
    return head + data + struct.pack("<I", masked_crc(data))


@pytest.fixture
def whole(tmp_path):
    """A file of eight records, and where each begins."""
    path = tmp_path / "a.tfrecord"
    pieces = [framed(data) for data in contents()]
    path.write_bytes(b"".join(pieces))
    return path, np.cumsum([0, *map(len, pieces)])


def split(found):
    items = list(found)
    sound = {item.number: item.data for item in items if isinstance(item, Record)}
    return sound, [item for item in items if isinstance(item, Damage)]


@pytest.mark.parametrize("read", [read_records, scan])
def test_a_sound_file_gives_numbers_places_and_data(read, whole):
    path, _ = whole
    items = list(read(str(path)))
    assert [item.data for item in items] == contents()
    assert [item.number for item in items] == list(range(1, 9))
    content = path.read_bytes()
    for item in items:
        assert content[item.offset : item.offset + len(item.data)] == item.data


def test_tensorflow_writes_what_is_read(tmp_path):
    import tensorflow as tf

    path = str(tmp_path / "b.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for data in contents():
            writer.write(data)
    assert [item.data for item in scan(path)] == contents()


@pytest.mark.parametrize("seed", range(20))
def test_a_flipped_byte_costs_its_record_alone(seed, whole):
    path, starts = whole
    rng = np.random.default_rng(seed)
    content = bytearray(path.read_bytes())
    place = int(rng.integers(len(content)))
    content[place] ^= int(rng.integers(1, 256))
    path.write_bytes(content)
    hit = int(np.searchsorted(starts, place, "right"))
    sound, damaged = split(read_records(str(path)))
    assert [d.number for d in damaged] == [hit]
    assert sound == {n: d for n, d in enumerate(contents(), 1) if n != hit}


@pytest.mark.parametrize("seed", range(20))
def test_a_truncated_file_keeps_what_stands_before(seed, whole):
    path, starts = whole
    length = int(np.random.default_rng(seed).integers(1, starts[-1]))
    path.write_bytes(path.read_bytes()[:length])
    cut = int(np.searchsorted(starts, length, "right"))
    sound, damaged = split(read_records(str(path)))
    kept = cut - 1
    assert sound == dict(enumerate(contents()[:kept], 1))
    # At the very end of a record nothing shows: the set's numbers of records do.
    assert [d.number for d in damaged] == ([] if length in starts else [cut])


def test_two_damaged_lengths_one_after_the_other_are_one_gap(whole):
    path, starts = whole
    content = bytearray(path.read_bytes())
    content[starts[2]] ^= 1
    content[starts[3]] ^= 1
    path.write_bytes(content)
    sound, (damage,) = split(read_records(str(path)))
    assert damage.number == 3 and f"at byte {starts[4]}" in damage.message
    assert list(sound.values()) == [*contents()[:2], *contents()[4:]]


def test_a_compressed_file_is_refused_with_the_way_out(tmp_path):
    path = tmp_path / "c.tfrecord"
    path.write_bytes(b"\x1f\x8b\x08" + bytes(30))
    (damage,) = read_records(str(path))
    assert "gunzip" in damage.message
