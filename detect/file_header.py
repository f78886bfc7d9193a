"""The description in a model file's header: one line of JSON, with the version of its format."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

FORMAT_VERSION = 1

Info = TypeVar("Info")


def write_header(fields: Mapping[str, Any]) -> str:
    """One line of JSON."""
    return json.dumps({"format_version": FORMAT_VERSION, **fields})


def read_header(text: str, build: Callable[[dict[str, Any]], Info], *, expected: str) -> Info:
    """What a header says.

    Args:
        text: of `write_header`.
        build: its fields → the description; it raises KeyError for a missing field, and AttributeError, TypeError or
            ValueError for a wrong one.
        expected: what this is, for errors.
    Raises:
        ValueError: if it is not such JSON, a newer format, or a field is missing, unknown or wrong.
    """
    try:
        fields = json.loads(text)
        version = fields.pop("format_version")
    except (json.JSONDecodeError, RecursionError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"header: expected {expected}, got {text[:60]!r}") from error
    if version != FORMAT_VERSION:
        raise ValueError(f"header: expected format {FORMAT_VERSION}, got {version}: a newer googlenet-rcnn wrote it")
    try:
        return build(fields)
    except KeyError as error:
        raise ValueError(f"header: no field {error}") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"header: {error}") from error
