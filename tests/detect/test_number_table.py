"""The table reader: Python's float is the oracle, and every fault is named with its line."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect import number_table
from detect.number_table import number_rows


def read(text: str | bytes, columns: int) -> tuple[list[list[float]], list[int]]:
    data = text.encode() if isinstance(text, str) else text
    parts = list(number_rows(io.BytesIO(data), columns, "f.txt"))
    return [row for values, _ in parts for row in values.tolist()], [n for _, lines in parts for n in lines.tolist()]


def test_by_hand() -> None:
    rows, lines = read("1 -2.5\n\n  +.5\t7. \r\n \n0 1e3", 2)
    assert rows == [[1, -2.5], [0.5, 7], [0, 1000]]
    assert lines == [1, 3, 5]


@pytest.mark.parametrize("text", ["", "\n", " \n\r\n\n", "\n\n \t"])
def test_nothing(text: str) -> None:
    assert read(text, 3) == ([], [])


WRITTEN = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1e4, 1e4).map(repr),
    st.floats(0, 1).map(lambda value: f"{value:.6f}"),
    st.floats(0, 1).map(lambda value: f"{value:.7g}"),
    st.floats(0, 1e-3).map(lambda value: f"{value:.17g}"),
    st.decimals(allow_nan=False, allow_infinity=False, places=20).map(str),
    st.integers(-(10**25), 10**25).map(str),
    st.tuples(st.integers(0, 10**18), st.integers(0, 25)).map(lambda pair: f"{pair[0]}e-{pair[1]:02}"),
)


@given(st.lists(WRITTEN, min_size=1, max_size=40))
def test_every_bit_is_floats(written: list[str]) -> None:
    rows, _ = read("\n".join(written), 1)
    assert [row[0] for row in rows] == [float(one) for one in written]


def test_every_bit_of_many() -> None:
    """Numbers of 15 to 18 digits, among them the halfway cases that need more than one rounding."""
    rng = np.random.default_rng(0)
    for form in ("%.17g", "%.16g", "%.15f", "%.3e", "%r"):
        for scale in (1e-3, 1, 500, 1e9):
            written = [form % value for value in (rng.random(2000) * scale).tolist()]
            assert [row[0] for row in read("\n".join(written), 1)[0]] == [float(one) for one in written]
    whole = [2**53 + 1, 2**53 + 3, 2**54 + 2, 2**54 + 6, 999999999999999999]  # the first four lie halfway
    assert [row[0] for row in read("\n".join(map(str, whole)), 1)[0]] == [float(one) for one in whole]


def test_what_float_knows_besides() -> None:
    rows, _ = read("nan inf\n-Infinity 1E5", 2)
    np.testing.assert_array_equal(rows, [[np.nan, np.inf], [-np.inf, 1e5]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2\n3\n", "f.txt, line 2: expected 2 numbers, got 1 fields: '3'"),
        ("1 2\n\n3 4 5\n", "f.txt, line 3: expected 2 numbers, got 3 fields: '3 4 5'"),
        ("1 2\n3 four\n", "f.txt, line 2: expected a number, got 'four'"),
        ("1 2\n3 1_000\n", "f.txt, line 2: expected a number, got '1_000'"),
        ("1 2\n3 1,5\n", "f.txt, line 2: expected a number, got '1,5'"),
        ("1 2\n3 1.2.3\n", "f.txt, line 2: expected a number, got '1.2.3'"),
        ("1 .\n", "f.txt, line 1: expected a number, got '.'"),
        ("1 -\n", "f.txt, line 1: expected a number, got '-'"),
        ("1 1e\n", "f.txt, line 1: expected a number, got '1e'"),
        ("1 e-05\n", "f.txt, line 1: expected a number, got 'e-05'"),
        ("x 2\n3 y\n1\n", "f.txt, line 1: expected a number, got 'x'"),  # the first of several
    ],
)
def test_faults(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read(text, 2)
    assert str(caught.value) == message


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(ValueError, match=r"f.txt, line 1: expected 2 numbers, got 1 fields: '\\x00\\xff"):
        read(b"\x00\xff\xfe\n", 2)


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"{i} {i / 7!r}\n" * (i % 3) + "\n" * (i % 2) for i in range(300))
    whole = read(text, 2)
    for block in (40, 41, 97):
        monkeypatch.setattr(number_table, "BLOCK", block)
        assert read(text, 2) == whole
        with pytest.raises(ValueError, match=f"line {text.count(chr(10)) + 1}: expected a number, got 'z'"):
            read(text + "1 z", 2)


def test_a_file_without_newlines_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_table, "BLOCK", 64)
    with pytest.raises(ValueError, match=r"f.txt, line 2: expected 2 numbers, got '55555555.* and more"):
        read("1 2\n" + "5" * 1000, 2)
