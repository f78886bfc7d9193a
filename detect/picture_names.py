"""What the annotated picture of an image is called."""

from __future__ import annotations

import hashlib
import os
from pathlib import PurePosixPath

from detect.image_sources import IMAGE_SUFFIXES

_LONGEST = 255  # bytes in a file's name, on every common file system
_JPEG = (".jpg", ".jpeg")


def picture_name(image: str) -> str:
    """The image's name, made to end as a JPEG's does; no two images of a folder share one.

    `a.jpg` stays; `a.png` → `a.png.jpg`; therefore `a.png.jpg` → `a.png.jpg.jpg`; `a` → `a.picture.jpg`, to leave
    `a.jpg` alone. A name that gets too long for a file is cut, with a digest of the whole in place of the end.
    """
    path = PurePosixPath(image)
    suffix = path.suffix.lower()
    if suffix in _JPEG and PurePosixPath(path.stem).suffix.lower() not in (*IMAGE_SUFFIXES, ".picture"):
        return image
    file = path.name + (".jpg" if suffix in IMAGE_SUFFIXES else ".picture.jpg")
    return str(path.with_name(fitted(file, ".jpg")))


def fitted(file: str, suffix: str) -> str:
    """A file's name, cut if it is too long for a file system: a digest of the whole, and the suffix, end it then."""
    if len(os.fsencode(file)) <= _LONGEST:
        return file
    digest = hashlib.sha256(os.fsencode(file)).hexdigest()[:16]
    return f"{_cut(file, _LONGEST - 30)}~{digest}{suffix}"


def _cut(text: str, most: int) -> str:
    """The beginning of a text that takes at most so many bytes."""
    while len(os.fsencode(text)) > most:
        text = text[:-1]
    return text
