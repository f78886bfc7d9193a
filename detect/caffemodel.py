"""Weights out of a Caffe model file, with a protobuf wire reader of our own.

A `.caffemodel` is one protobuf message (`NetParameter` of BVLC's caffe.proto). Of its hundreds of fields this
reads the dozen that hold weights, and skips the rest unopened. Nothing in the file is executed.

    NetParameter  layers 2 (V1LayerParameter: name 4, blobs 6), layer 100 (LayerParameter: name 1, blobs 7)
    BlobProto     num 1, channels 2, height 3, width 4, data 5, shape 7 (BlobShape: dim 1), double_data 8
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_LENGTH = {_FIXED64: 8, _FIXED32: 4}

_LAYER_FIELDS = {2: (4, 6), 100: (1, 7)}  # field of NetParameter: (field of the name, field of the blobs)
_LEGACY_DIMS = (1, 2, 3, 4)
_DATA, _SHAPE, _DOUBLE_DATA = 5, 7, 8
_DIM = 1

# Bounds on the time and memory that a hostile file may cost. Caffe's own files stay far below: they pack the
# weights of a blob into one field.
_MAX_FILE = 2**30
_MAX_FIELDS = 2**20
_MAX_NAME = 2**10
_MAX_AXES = 32
_MAX_DIM = 2**31 - 1


class CaffeModelError(ValueError):
    """The file is not a Caffe model that can be read; the message is one line naming file and byte."""


@dataclass
class _Source:
    """The bytes of the file, and how many more fields may be met in them."""

    bytes: memoryview
    fields_left: int = _MAX_FIELDS


class _Field(NamedTuple):
    """One field of a message: a number for varints, a span of bytes for every other wire type."""

    number: int
    wire_type: int
    value: int
    start: int
    end: int


def read_caffemodel(path: str | os.PathLike[str]) -> dict[str, list[NDArray[np.float32]]]:
    """Read the weights of every layer that has any.

    Args:
        path: a binary `.caffemodel`, in the old form (`layers`, as bvlc_googlenet) or the new one (`layer`).
    Returns:
        Layer name → its blobs in stored order (weight, then bias), in the order of the file. Arrays are
        little-endian float32, contiguous, writable and share no memory. A blob whose shape is stored as num,
        channels, height, width comes back 4-D as stored, so a bias is (1, 1, 1, out) and an inner product
        (1, 1, out, in); a blob with a `shape` message has that shape. As in Caffe the former wins if a blob
        has both, and double_data wins over data.
    Raises:
        CaffeModelError: if the file cannot be read, is damaged or cut off inside a field, uses protobuf
            groups, has no weights, repeats the name of a layer that has weights, has a shape that does not
            match the data or a dimension below 1, holds NaN or infinity, or is larger than any model is
            (2^30 bytes, or 2^20 fields, where each number that is not packed is a field). A file cut off
            exactly between two layers is a valid shorter file: check size and hash first.
    """
    path = Path(path)
    try:
        return _read_net(_Source(memoryview(_read_bytes(path))))
    except OSError as error:
        raise CaffeModelError(f"{path}: cannot be read: {error.strerror or error}") from error
    except CaffeModelError as error:
        raise CaffeModelError(f"{path}: {error}") from None


def _read_bytes(path: Path) -> bytes:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise CaffeModelError("expected a file, got a folder or a device")
    if status.st_size > _MAX_FILE:
        raise CaffeModelError(f"expected a Caffe model of at most {_MAX_FILE} bytes, got {status.st_size}")
    return path.read_bytes()


def _read_net(source: _Source) -> dict[str, list[NDArray[np.float32]]]:
    layers: dict[str, list[NDArray[np.float32]]] = {}
    for field in _fields(source, _Field(0, _BYTES, 0, 0, len(source.bytes))):
        if field.number not in _LAYER_FIELDS:
            continue
        name, blobs = _read_layer(source, field, *_LAYER_FIELDS[field.number])
        if not blobs:
            continue  # data layers of the train and the test phase share a name, which is no harm
        if not name:
            raise CaffeModelError(f"a layer with weights but no name at byte {field.start}")
        if name in layers:
            raise CaffeModelError(f"a second layer named {name!r} with weights at byte {field.start}")
        layers[name] = blobs
    if not layers:
        raise CaffeModelError("no layer with weights: is this a binary .caffemodel?")
    return layers


def _read_layer(
    source: _Source, layer: _Field, name_field: int, blobs_field: int
) -> tuple[str, list[NDArray[np.float32]]]:
    name = ""
    blobs: list[NDArray[np.float32]] = []
    for field in _fields(source, layer):
        if field.number == name_field:
            name = _read_name(source, field)
        elif field.number == blobs_field:
            blobs.append(_read_blob(source, field))
    return name, blobs


def _read_name(source: _Source, field: _Field) -> str:
    _expect(field, _BYTES)
    if field.end - field.start > _MAX_NAME:
        raise CaffeModelError(f"a layer name longer than {_MAX_NAME} bytes at byte {field.start}")
    try:
        return bytes(source.bytes[field.start : field.end]).decode()
    except UnicodeDecodeError:
        raise CaffeModelError(f"a layer name that is not UTF-8 at byte {field.start}") from None


def _read_blob(source: _Source, blob: _Field) -> NDArray[np.float32]:
    legacy: dict[int, int] = {}
    shape: list[int] = []
    data = bytearray()
    double_data = bytearray()
    for field in _fields(source, blob):
        if field.number in _LEGACY_DIMS:
            _expect(field, _VARINT)
            legacy[field.number] = field.value
        elif field.number == _SHAPE:
            _append_dims(shape, source, field)
        elif field.number == _DATA:
            _append_numbers(data, source, field, _FIXED32)
        elif field.number == _DOUBLE_DATA:
            _append_numbers(double_data, source, field, _FIXED64)
    # A field that proto2 leaves out is 0, which the check of the dimensions then refuses.
    dims = [legacy.get(axis, 0) for axis in _LEGACY_DIMS] if legacy else shape
    numbers = np.frombuffer(data, "<f4")
    if double_data:
        with np.errstate(over="ignore"):  # too large for float32 becomes infinity, which is refused
            numbers = np.frombuffer(double_data, "<f8").astype("<f4")
    return _shaped(numbers, dims, blob.start)


def _shaped(numbers: NDArray[np.float32], dims: list[int], offset: int) -> NDArray[np.float32]:
    if not all(1 <= dim <= _MAX_DIM for dim in dims):
        raise CaffeModelError(f"a blob of impossible shape {_signed(dims)} at byte {offset}")
    if math.prod(dims) != numbers.size:
        wanted = f"{math.prod(dims)} numbers for its shape {tuple(dims)}"
        raise CaffeModelError(f"a blob needs {wanted}, got {numbers.size}, at byte {offset}")
    if not np.isfinite(numbers).all():
        raise CaffeModelError(f"a blob with NaN or infinity among its weights at byte {offset}")
    return numbers.reshape(dims)


def _signed(dims: list[int]) -> tuple[int, ...]:
    """What the writer meant: protobuf stores a negative number as its 64-bit two's complement."""
    return tuple(dim - 2**64 if dim >= 2**63 else dim for dim in dims)


def _append_dims(dims: list[int], source: _Source, message: _Field) -> None:
    for field in _fields(source, message):
        if field.number == _DIM and field.wire_type == _VARINT:
            dims.append(field.value)
        elif field.number == _DIM:
            dims += _read_packed_varints(source, field)
        if len(dims) > _MAX_AXES:
            raise CaffeModelError(f"a blob of more than {_MAX_AXES} axes at byte {message.start}")


def _read_packed_varints(source: _Source, field: _Field) -> list[int]:
    _expect(field, _BYTES)
    if field.end - field.start > 10 * _MAX_AXES:
        raise CaffeModelError(f"a blob of more than {_MAX_AXES} axes at byte {field.start}")
    numbers: list[int] = []
    position = field.start
    while position < field.end:
        number, position = _read_varint(source, position, field.end)
        numbers.append(number)
    return numbers


def _append_numbers(numbers: bytearray, source: _Source, field: _Field, wire_type: int) -> None:
    """Append the raw numbers of a repeated field: a packed run of them, or the one of an unpacked field."""
    if field.wire_type != _BYTES:
        _expect(field, wire_type)
    length, width = field.end - field.start, _FIXED_LENGTH[wire_type]
    if length % width:
        raise CaffeModelError(f"{length} bytes of {width}-byte numbers at byte {field.start}")
    numbers += source.bytes[field.start : field.end]


def _expect(field: _Field, wire_type: int) -> None:
    if field.wire_type != wire_type:
        types = f"expected wire type {wire_type}, got {field.wire_type}"
        raise CaffeModelError(f"field {field.number} before byte {field.start}: {types}")


def _fields(source: _Source, message: _Field) -> Iterator[_Field]:
    """The fields of one message, in order.

    Sub-messages are spans, entered only by the callers that know them, so that nesting in the file cannot
    deepen the call stack.
    """
    _expect(message, _BYTES)
    position, end = message.start, message.end
    while position < end:
        tag_at = position
        source.fields_left -= 1
        if source.fields_left < 0:
            raise CaffeModelError(f"more than {_MAX_FIELDS} fields at byte {tag_at}")
        tag, position = _read_varint(source, position, end)
        number, wire_type = tag >> 3, tag & 7
        if not 1 <= number < 2**29:
            raise CaffeModelError(f"impossible field number {number} at byte {tag_at}")
        if wire_type == _VARINT:
            value_at = position
            value, position = _read_varint(source, position, end)
            yield _Field(number, wire_type, value, value_at, position)
            continue
        if wire_type == _BYTES:
            length, position = _read_varint(source, position, end)
        elif wire_type in _FIXED_LENGTH:
            length = _FIXED_LENGTH[wire_type]
        else:
            raise CaffeModelError(f"wire type {wire_type} (group or unknown) at byte {tag_at}")
        if length > end - position:
            raise CaffeModelError(f"field {number} needs {length} bytes, {end - position} are left, at byte {position}")
        yield _Field(number, wire_type, 0, position, position + length)
        position += length


def _read_varint(source: _Source, position: int, end: int) -> tuple[int, int]:
    """The unsigned number (7 bits a byte, low bits first, at most 64) at `position`, and where it ends."""
    value = 0
    for index in range(10):
        if position + index >= end:
            raise CaffeModelError(f"cut off inside a number at byte {position}")
        byte = source.bytes[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if value >= 2**64:
                break
            return value, position + index + 1
    raise CaffeModelError(f"a number of more than 64 bits at byte {position}")
