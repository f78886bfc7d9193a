"""MATLAB files that are whole, cut short, damaged, or of another kind."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from scipy.io import savemat

from detect.mat_integrity import HEADER, check_mat_file


def mat(**options: object) -> bytes:
    file = io.BytesIO()
    savemat(file, {"x": np.arange(50), "y": np.arange(3)}, **options)
    return file.getvalue()


WHOLE = mat(do_compression=True)


def test_a_whole_file_passes_in_either_byte_order() -> None:
    check_mat_file(WHOLE)
    data = zlib.compress(b"anything")
    check_mat_file(b"\0" * (HEADER - 2) + b"MI" + struct.pack(">II", 15, len(data)) + data)


def fault(content: bytes) -> str:
    """What is wrong, or nothing."""
    try:
        check_mat_file(content)
    except ValueError as error:
        return str(error)
    return ""


def first_variable(content: bytes) -> slice:
    (length,) = struct.unpack("<I", content[HEADER + 4 : HEADER + 8])
    return slice(HEADER + 8, HEADER + 8 + length)


def test_every_cut_but_between_variables_is_found() -> None:
    passed = [length for length in range(len(WHOLE)) if not fault(WHOLE[:length])]
    assert passed == [HEADER, first_variable(WHOLE).stop]


def test_a_changed_byte_of_a_variable_is_found_or_changes_nothing() -> None:
    place = first_variable(WHOLE)
    content, faults = zlib.decompress(WHOLE[place]), []
    for position in range(place.start, place.stop):
        changed = bytearray(WHOLE)
        changed[position] ^= 0x10
        faults.append(fault(bytes(changed)))
        assert faults[-1] or zlib.decompress(changed[place]) == content
    assert faults.count("") < len(faults) / 10  # some bits nobody reads, such as those behind the end of the data


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no header of MATLAB 5 to 7"),
        (mat(format="4"), "no header of MATLAB 5 to 7"),
        (mat(do_compression=False), "a variable is not compressed, as `save -v7` makes it"),
        (WHOLE + b"\x0f\0", "cut short, or damaged"),
    ],
)
def test_other_kinds(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_mat_file(content)


def test_a_variable_that_would_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detect.mat_integrity.MOST", 1000)
    data = zlib.compress(b"\0" * 1001)
    with pytest.raises(ValueError, match="a variable takes more than 1 GiB"):
        check_mat_file(WHOLE[:HEADER] + struct.pack("<II", 15, len(data)) + data)
