"""A writer of Caffe's model files: the protobuf wire format in as many lines as its specification has sentences."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def varint(number: int) -> bytes:
    out = bytearray()
    number %= 2**64  # a negative number is written as its 64-bit two's complement
    while number >= 128:
        out.append(number % 128 + 128)
        number //= 128
    return bytes([*out, number])


def number_field(number: int, value: int) -> bytes:
    return varint(number * 8 + 0) + varint(value)


def bytes_field(number: int, value: bytes) -> bytes:
    return varint(number * 8 + 2) + varint(len(value)) + value


def floats_field(number: int, values: Sequence[float] | NDArray[np.float32], packed: bool = True) -> bytes:
    if packed:
        return bytes_field(number, np.asarray(values, "<f4").tobytes())
    return b"".join(varint(number * 8 + 5) + struct.pack("<f", value) for value in values)


def legacy_blob(
    shape: tuple[int, int, int, int], values: Sequence[float] | NDArray[np.float32], packed: bool = True
) -> bytes:
    dims = b"".join(number_field(axis + 1, dim) for axis, dim in enumerate(shape))
    return dims + floats_field(5, values, packed)


def named_blob(shape: tuple[int, ...], values: Sequence[float] | NDArray[np.float32], packed: bool = True) -> bytes:
    dims = b"".join(varint(dim) for dim in shape)
    dims = bytes_field(1, dims) if packed else b"".join(number_field(1, dim) for dim in shape)
    return bytes_field(7, dims) + floats_field(5, values, packed)


def old_layer(name: str, *blobs: bytes) -> bytes:
    body = bytes_field(2, b"bottom") + bytes_field(3, b"top") + bytes_field(4, name.encode()) + number_field(5, 4)
    return bytes_field(2, body + b"".join(bytes_field(6, blob) for blob in blobs))


def new_layer(name: str, *blobs: bytes) -> bytes:
    body = bytes_field(1, name.encode()) + bytes_field(2, b"Convolution")
    return bytes_field(100, body + b"".join(bytes_field(7, blob) for blob in blobs))
