"""What the readers of data sets hand over: images as annotated, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

IMAGE_SUFFIXES = (".JPEG", ".jpg", ".jpeg", ".JPG", ".png", ".PNG")
ROUNDING = 1.0  # pixels: files count from 0 or from 1 and do not always do as they say
KINDS = ("annotation", "image", "unmapped", "zero area", "outside")

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Problem:
    """Something in a data set that is not as it should be; the run goes on without it.

    Attributes:
        file: the annotation or the image.
        what: one sentence without the file's name: what is wrong and what becomes of it.
        kind: annotation (a file or entry that cannot be read: the image is left out), image (missing or unreadable:
            left out), unmapped (a name outside every map: the object counts neither way), zero area (the object is
            left out), outside (a box beyond the image: clipped, or left out if nothing remains).
    """

    file: Path
    what: str
    kind: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {self.kind!r}")


@dataclass(frozen=True)
class FoundObject:
    """`box`: xyxy pixels with continuous edges, as annotated; `ignored`: a crowd, or difficult."""

    name: str
    box: Box
    ignored: bool = False


@dataclass(frozen=True)
class FoundImage:
    """One image as annotated.

    Attributes:
        file: of the image; it exists.
        source: the file that annotates it.
        name: in the data set, without ending.
        size: height and width as annotated; 0, 0 where nobody says.
        objects: in the file's order.
        annotated_for: names of which every object in this image is annotated.
    """

    file: Path
    source: Path
    name: str
    size: tuple[int, int]
    objects: tuple[FoundObject, ...]
    annotated_for: frozenset[str]


def find_image(folder: Path, name: str) -> Path | None:
    """The image file of a name without ending; None: there is none."""
    candidates = (folder / f"{name}{suffix}" for suffix in IMAGE_SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def clip(box: Box, size: tuple[int, int]) -> tuple[Box | None, str | None]:
    """A box pulled back onto its image.

    Args:
        box: xyxy pixels. size: height and width; a side of 0 is unknown and does not clip.
    Returns:
        The clipped box, None if no area remains; and the kind of problem that it is, None if it is none: up to one
        pixel beyond the image is rounding.
    """
    x1, y1, x2, y2 = box
    if x2 <= x1 or y2 <= y1:
        return None, "zero area"
    height, width = (side or float("inf") for side in size)
    clipped = (max(x1, 0.0), max(y1, 0.0), min(x2, width), min(y2, height))
    is_outside = max(-x1, -y1, x2 - width, y2 - height) > ROUNDING
    if clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
        return None, "outside"
    return clipped, "outside" if is_outside else None
