"""ILSVRC's numbers of images: `val.txt` and its kind."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath


def read_image_index(path: Path) -> dict[str, int]:
    """Lines `NAME INDEX` of ILSVRC's `val.txt` → {name: index}.

    Raises:
        ValueError: naming the file, if it cannot be read, and the line, if it is of another form, its number does not
            fit 64 bits, or a name stands twice.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"--image-index: cannot read {path}: {error.strerror}") from error
    index: dict[str, int] = {}
    for number, line in enumerate(os.fsdecode(data).split("\n"), start=1):
        if not line.strip():
            continue
        name, *value = line.rsplit(maxsplit=1)
        if not value or not (value[0].isascii() and value[0].isdigit() and len(value[0]) < 19):
            raise ValueError(f"--image-index: {path}, line {number}: expected 'NAME INDEX', got {line[:60]!r}")
        if name in index:
            raise ValueError(f"--image-index: {path}, line {number}: {name} stands twice")
        index[name] = int(value[0])
    return index


def image_number(image: str, index: Mapping[str, int]) -> int | None:
    """Index of an image, looked up as its path without ending, then as its bare file name; None: not listed."""
    path = PurePosixPath(image)
    return index.get(str(path.with_suffix("")), index.get(path.stem))


def check_image_index(images: Iterable[str], index: Mapping[str, int]) -> None:
    """Make sure that every image has a number of its own.

    Raises:
        ValueError: naming the image that has none, or the two that share one.
    """
    seen: dict[int, str] = {}
    for image in images:
        number = image_number(image, index)
        if number is None:
            raise ValueError(f"--image-index: expected a line for every image, found none for {image}")
        if number in seen:
            raise ValueError(f"--image-index: {seen[number]} and {image} are both number {number}")
        seen[number] = image
