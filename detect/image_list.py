"""Lists of images: `ImageSets/*/*.txt`, and what `--image-list` names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ListedImage:
    """One line of a list.

    Attributes:
        name: path without ending.
        line: from 1.
        number: the second column; None: the line has none.
    """

    name: str
    line: int
    number: int | None


def read_image_list(path: Path) -> list[ListedImage]:
    """Lines `NAME` or `NAME NUMBER`, in order; empty lines are skipped.

    Lists use the second column as they like: ILSVRC's `val.txt` for the index of the image, VOC's `dog_train.txt`
    for -1, 0 or 1, R-CNN's `val1.txt` for the line. A name may hold spaces.

    Raises:
        ValueError: naming the file, if it cannot be read or is empty, and the line, if a name stands twice.
    """
    try:
        text = os.fsdecode(path.read_bytes())
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    listed: dict[str, ListedImage] = {}
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        name, number = _columns(content.strip())
        if name in listed:
            raise ValueError(f"{path}, line {line}: {name} stands twice, first on line {listed[name].line}")
        listed[name] = ListedImage(name, line, number)
    if not listed:
        raise ValueError(f"{path}: expected names of images, got an empty file")
    return list(listed.values())


def choose_images(names: Sequence[str], image_list: Path, source: Path) -> list[str]:
    """Those of `names` that stand in a list, in the order of `names`.

    Raises:
        ValueError: as `read_image_list`, and naming the line of an image that is not among the names of `source`.
    """
    known = set(names)
    wanted = set()
    for image in read_image_list(image_list):
        if image.name not in known:
            raise ValueError(f"{image_list}, line {image.line}: {image.name} is not among the images of {source}")
        wanted.add(image.name)
    return [name for name in names if name in wanted]


def _columns(content: str) -> tuple[str, int | None]:
    name, *last = content.rsplit(maxsplit=1)
    digits = last[0].removeprefix("-") if last else ""
    is_number = digits.isascii() and digits.isdigit() and len(digits) < 19  # fits 64 bits
    return (name, int(last[0])) if is_number else (content, None)
