"""CRC-32C against the values of RFC 3720 and against a loop over bits."""

import numpy as np
import pytest

from tfmask.data.tfrecord.crc import crc32c, masked_crc, masked_crcs_of_8


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_values_of_the_standard(data, value):
    assert crc32c(data) == value


def bit_by_bit(data: bytes) -> int:
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = (state >> 1) ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


@pytest.mark.parametrize("length", [1, 3, 4, 5, 63, 64, 65, 128, 191, 193, 1000, 4097])
def test_every_length_is_as_the_definition(length):
    data = np.random.default_rng(length).integers(0, 256, length, np.uint8).tobytes()
    assert crc32c(data) == bit_by_bit(data)


def test_the_checksums_of_all_eight_bytes_are_those_of_each():
    data = np.random.default_rng(0).integers(0, 256, 60, np.uint8)
    expected = [masked_crc(data[i : i + 8].tobytes()) for i in range(53)]
    assert masked_crcs_of_8(data).tolist() == expected
