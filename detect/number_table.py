"""Text of numbers in columns, read by a compiled loop."""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedIOBase

import numpy as np
from numpy.typing import NDArray

from proposals.compiled import kernel

BLOCK = 1 << 23  # bytes read at a time
_POWERS = np.array([float(f"1e{n}") for n in range(23)])  # powers of ten that are exact in float64
_EXACT = 1 << 53  # whole numbers up to here are exact in float64
_LONGEST = 10**17  # another digit still fits 64 bits
_SPLITTER = float((1 << 27) + 1)  # halves the 53 bits of a float64
_DOUBT = 2.0**-40  # far above the rounding errors of a correction, relative to it
_SPACE, _TAB, _RETURN, _NEWLINE = 32, 9, 13, 10
_PLUS, _MINUS, _POINT, _ZERO, _E, _SMALL_E = 43, 45, 46, 48, 69, 101


Rows = tuple[NDArray[np.float64], NDArray[np.int64]]  # (R, columns) numbers; (R,) the lines they stand in, from 1


def number_rows(file: BufferedIOBase, columns: int, name: str) -> Iterator[Rows]:
    """Rows of a table, a block at a time; blank lines are none.

    Numbers are parted by spaces or tabs and read as Python's `float` reads them, to the last bit.

    Args:
        name: of the file, for messages.
    Raises:
        ValueError: naming file and line, after the rows before it were given, if a line has another number of
            columns or something else than a number.
    """
    lines_before, rest = 0, b""
    while True:
        block = file.read(BLOCK)
        text = rest + block
        if len(text) > 2 * BLOCK:
            raise ValueError(
                f"{name}, line {lines_before + 1}: expected {columns} numbers, got {_shown(text)} and more"
            )
        end = text.rfind(b"\n") + 1 if block else len(text)
        text, rest = text[:end], text[end:]
        if text:
            values, lines, fault = _block_rows(text, columns)
            yield values, lines + lines_before
            if fault is not None:
                raise ValueError(f"{name}, line {fault[0] + lines_before}: {fault[1]}")
            lines_before += text.count(b"\n")
        if not block:
            return


def _block_rows(text: bytes, columns: int) -> tuple[NDArray[np.float64], NDArray[np.int64], tuple[int, str] | None]:
    """Rows before the first fault, their lines, and the fault: its line and what is wrong."""
    most = text.count(b"\n") + 1
    values, lines = np.empty((most, columns)), np.empty(most, np.int64)
    spans = np.zeros((most, columns, 2), np.int32)
    rows, fault_line, fields = _parse(np.frombuffer(text, np.uint8), values, lines, spans)
    fault = None
    if fault_line:
        line = text.split(b"\n", fault_line)[fault_line - 1]
        fault = fault_line, f"expected {columns} numbers, got {fields} fields: {_shown(line)}"
    places = np.nonzero(spans[:rows, :, 1])
    tokens = [text[start:end] for start, end in spans[places].tolist()]
    try:
        values[places] = [_number(token) for token in tokens]
    except ValueError:
        bad = next(i for i, token in enumerate(tokens) if not _is_number(token))
        rows = int(places[0][bad])
        fault = int(lines[rows]), f"expected a number, got {_shown(tokens[bad])}"
    return values[:rows], lines[:rows], fault


def _number(token: bytes) -> float:
    """As `float`, which would take "1_000" too."""
    return float(token.replace(b"_", b"x"))


def _is_number(token: bytes) -> bool:
    try:
        _number(token)
    except ValueError:
        return False
    return True


def _shown(text: bytes) -> str:
    return repr(text[:60])[1:]  # without the b


@kernel
def _parse(
    data: NDArray[np.uint8], values: NDArray[np.float64], lines: NDArray[np.int64], spans: NDArray[np.int32]
) -> tuple[int, int, int]:
    """Fill rows until the first line with another number of columns.

    Returns the rows, and of a line that ended them its number and fields, else 0 and 0. What is of another form than
    `_decimal` takes is left to the caller: `spans` has its start and end, which are 0 for the others.
    """
    columns = values.shape[1]
    row, line, at = 0, 1, 0
    while at < data.size:
        field = 0
        while at < data.size and data[at] != _NEWLINE:
            if _is_blank(data[at]):
                at += 1
                continue
            start = at
            while at < data.size and data[at] != _NEWLINE and not _is_blank(data[at]):
                at += 1
            if field < columns:
                value, exact = _decimal(data, start, at)
                values[row, field] = value
                if not exact:
                    spans[row, field, 0], spans[row, field, 1] = start, at
            field += 1
        if field == columns:
            lines[row] = line
            row += 1
        elif field > 0:
            return row, line, field
        at += 1
        line += 1
    return row, 0, 0


@kernel
def _is_blank(byte: int) -> bool:
    return byte in (_SPACE, _TAB, _RETURN)


@kernel
def _decimal(data: NDArray[np.uint8], start: int, end: int) -> tuple[float, bool]:
    """The number written in data[start:end], and whether it is certain: up to 18 digits and 22 decimals are."""
    negative = data[start] == _MINUS
    at = start + 1 if negative or data[start] == _PLUS else start
    digits, decimals, point, whole = 0, 0, False, np.int64(0)
    while at < end and data[at] != _E and data[at] != _SMALL_E:
        if data[at] == _POINT and not point:
            point = True
        elif _ZERO <= data[at] <= _ZERO + 9 and whole < _LONGEST:
            whole = whole * 10 + (data[at] - _ZERO)
            digits += 1
            decimals += point
        else:
            return 0.0, False
        at += 1
    if at < end:
        if end - at != 4 or data[at + 1] != _MINUS:  # e-05: what C and Python print; more is rare
            return 0.0, False
        tens, ones = data[at + 2] - _ZERO, data[at + 3] - _ZERO
        if not (0 <= tens <= 9 and 0 <= ones <= 9):
            return 0.0, False
        decimals += 10 * tens + ones
    if digits == 0 or decimals >= _POWERS.size:
        return 0.0, False
    value, certain = _quotient(whole, _POWERS[decimals])
    return (-value if negative else value), certain


@kernel
def _quotient(whole: int, power: float) -> tuple[float, bool]:
    """The float64 nearest to whole / power, and whether that is certain.

    If both are exact in float64, their quotient is the nearest (Clinger, How to read floating point numbers
    accurately, 1990). Else it is corrected by the exact remainder (Dekker, A floating-point technique for extending the
    available precision, 1971), and certain if a slightly smaller and a slightly larger correction give the same.
    """
    high = float(whole)
    quotient = high / power
    if whole <= _EXACT:
        return quotient, True
    product, error = _product(quotient, power)
    correction = ((high - product) - error + float(whole - np.int64(high))) / power
    low, up = quotient + correction * (1.0 - _DOUBT), quotient + correction * (1.0 + _DOUBT)
    return low, low == up


@kernel
def _product(a: float, b: float) -> tuple[float, float]:
    """a * b as the rounded product and its error, whose sum is exact."""
    a_high = a * _SPLITTER - (a * _SPLITTER - a)
    b_high = b * _SPLITTER - (b * _SPLITTER - b)
    a_low, b_low = a - a_high, b - b_high
    product = a * b
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
