"""CRC-32C (Castagnoli, RFC 3720 appendix B.4) and the form of it in TFRecord files.

In NumPy, about 100 MB a second: it serves for what TensorFlow's own reader refuses.
"""

import functools

import numpy as np

_POLYNOMIAL = np.uint32(0x82F63B78)  # reflected
_LANE = 64  # bytes whose state is carried on one after the other
_ONES = np.uint32(0xFFFFFFFF)


def _byte_table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ _POLYNOMIAL, table >> 1)
    return table


_TABLE = _byte_table()


def crc32c(data: bytes) -> int:
    """The checksum of some bytes."""
    return int(_state(np.frombuffer(data, np.uint8)) ^ _ONES)


def masked_crc(data: bytes) -> int:
    """As a TFRecord file stores it: rotated, and a constant added."""
    return int(_mask(np.array([crc32c(data)], np.uint32))[0])


def masked_crcs_of_8(data: np.ndarray) -> np.ndarray:
    """The masked checksum of every 8 bytes that follow each other.

    Args:
      data: [n] uint8, n at least 8.

    Returns:
      [n - 7] uint32; entry i is that of `data[i : i + 8]`.
    """
    count = len(data) - 7
    state = np.full(count, _ONES)
    for k in range(8):
        state = _step(state, data[k : k + count])
    return _mask(state ^ _ONES)


def _step(state: np.ndarray, byte: np.ndarray) -> np.ndarray:
    return _TABLE[(state ^ byte) & 0xFF] ^ (state >> 8)


def _mask(crc: np.ndarray) -> np.ndarray:
    return ((crc >> 15) | (crc << 17)) + np.uint32(0xA282EAD8)


def _state(data: np.ndarray) -> np.uint32:
    """The register after all bytes.

    The register is linear over GF(2): the bytes are cut into lanes that run side by
    side from 0, and the states of neighbours are joined, by pairs, like a tree.
    """
    if len(data) < 4:
        state = np.array([_ONES])
        for k in range(len(data)):
            state = _step(state, data[k : k + 1])
        return state[0]
    lanes = -(-len(data) // _LANE)
    padded = np.zeros(lanes * _LANE, np.uint8)  # zeros before all keep the state 0
    padded[-len(data) :] = data
    # A register of ones at the start is the same as 4 inverted bytes.
    padded[len(padded) - len(data) :][:4] ^= 0xFF
    columns = np.ascontiguousarray(padded.reshape(lanes, _LANE).T)
    states = np.zeros(lanes, np.uint32)
    for column in columns:
        states = _step(states, column)
    level = 0
    while len(states) > 1:
        if len(states) % 2:
            states = np.concatenate([[np.uint32(0)], states])
        states = _shift(states[0::2], _shift_tables(level)) ^ states[1::2]
        level += 1
    return states[0]


def _shift(states: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """States after as many zero bytes as the tables are for."""
    out = tables[0][states & 0xFF]
    for k in range(1, 4):
        out = out ^ tables[k][(states >> np.uint32(8 * k)) & 0xFF]
    return out


@functools.cache
def _shift_tables(level: int) -> np.ndarray:
    """[4, 256] uint32: of each byte of a state, for `_LANE << level` zero bytes."""
    if level:
        half = _shift_tables(level - 1)
        return np.stack([_shift(row, half) for row in half])
    places = np.arange(4, dtype=np.uint32)[:, None] * np.uint32(8)
    tables = np.arange(256, dtype=np.uint32)[None] << places
    for _ in range(_LANE):
        tables = _TABLE[tables & 0xFF] ^ (tables >> 8)
    return tables
