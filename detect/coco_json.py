"""A COCO json as it is in its file: lists of objects, of which nothing more is checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def load_coco(path: Path) -> dict[str, Any]:
    """The object that the file holds.

    Raises:
        ValueError: naming the file, if it cannot be read, is no JSON, or another form of it.
    """
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected JSON: {error}") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path}: expected a COCO object with images, annotations and categories, got another form")
    return data


def coco_rows(data: dict[str, Any], name: str, path: Path) -> list[dict[str, Any]]:
    """One of its lists: images, categories or annotations.

    Raises:
        ValueError: naming the file, if there is no such list of objects.
    """
    rows = data.get(name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{path}: expected a list of objects named {name!r}")
    return rows
