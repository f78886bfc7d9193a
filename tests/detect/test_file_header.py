"""The description in a model file's header, and what is said of one that is damaged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from detect.file_header import FORMAT_VERSION, read_header, write_header


def build(fields: dict[str, Any]) -> tuple[str, int]:
    """A description of a name and a size."""
    name, size = fields.pop("name"), fields.pop("size")
    if fields:
        raise TypeError(f"unknown {sorted(fields)}")
    return name.lower(), int(size)


def test_one_line_there_and_back() -> None:
    text = write_header({"name": "A\nb", "size": 3})
    assert "\n" not in text
    assert json.loads(text)["format_version"] == FORMAT_VERSION
    assert read_header(text, build, expected="a box") == ("a\nb", 3)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "{}"])
def test_other_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"^header: expected a box, got '"):
        read_header(text, build, expected="a box")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "a", "size": 1, "format_version": 2}, "header: expected format 1, got 2: a newer googlenet-rcnn"),
        ({"name": "a"}, "header: no field 'size'"),
        ({"name": "a", "size": "b"}, "header: invalid literal"),
        ({"name": 1, "size": 1}, "header: 'int' object has no attribute 'lower'"),
        ({"name": "a", "size": 1, "more": 1}, r"header: unknown \['more'\]"),
    ],
)
def test_wrong_fields(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        read_header(write_header(fields), build, expected="a box")


def test_text_nested_too_deep() -> None:
    with pytest.raises(ValueError, match=r"^header: expected a box, got '\[\[\["):
        read_header("[" * 200_000, build, expected="a box")
