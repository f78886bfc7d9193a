"""One annotation file of ILSVRC or VOC."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class AnnotatedObject:
    """`box`: xmin, ymin, xmax, ymax as in the file, both ends included; `difficult`: False where nobody says."""

    name: str
    box: tuple[float, float, float, float]
    difficult: bool


@dataclass(frozen=True)
class Annotation:
    """`size`: height and width; 0, 0 where the file says nothing. `objects`: in the file's order."""

    size: tuple[int, int]
    objects: tuple[AnnotatedObject, ...]


class _Builder(ElementTree.TreeBuilder):
    """Refuses a DOCTYPE before what it declares is read: entities can grow a small file to fill the memory."""

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise ValueError("a DOCTYPE is not accepted")


def read_annotation(path: Path) -> Annotation:
    """Read one file. Corners are found by name: ILSVRC and VOC differ in their order.

    Raises:
        ValueError: naming the file, and the object if it is one: a file that is missing or no XML or has a DOCTYPE; an
            object without a name; a corner that is missing or no finite number; a box with xmax < xmin or ymax < ymin;
            a "difficult" other than 0 and 1; a size that is no pair of whole numbers.
    """
    root = _parse(path)
    if root.tag != "annotation":
        raise ValueError(f"{path}: expected <annotation>, got <{root.tag}>")
    objects = [_object(element, f"{path}, object {i}") for i, element in enumerate(root.findall("object"), start=1)]
    return Annotation(_size(root, path), tuple(objects))


def _parse(path: Path) -> ElementTree.Element:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file") from error
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    try:
        return ElementTree.fromstring(content, parser=ElementTree.XMLParser(target=_Builder()))
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the last two of unknown encodings
        raise ValueError(f"{path}: expected XML: {error}") from error


def _object(element: ElementTree.Element, where: str) -> AnnotatedObject:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise ValueError(f"{where}: expected a <name>, found none")
    x1, y1, x2, y2 = (_corner(element, corner, f"{where} ({name})") for corner in CORNERS)
    if x2 < x1 or y2 < y1:
        raise ValueError(f"{where} ({name}): expected xmin <= xmax and ymin <= ymax, got {x1:g} {y1:g} {x2:g} {y2:g}")
    return AnnotatedObject(name, (x1, y1, x2, y2), _difficult(element, f"{where} ({name})"))


def _difficult(element: ElementTree.Element, where: str) -> bool:
    text = (element.findtext("difficult") or "").strip()
    if text not in ("", "0", "1"):
        raise ValueError(f"{where}: expected 0 or 1 as difficult, got {text[:40]!r}")
    return text == "1"


def _corner(element: ElementTree.Element, corner: str, where: str) -> float:
    text = element.findtext(f"bndbox/{corner}")
    if text is None:
        raise ValueError(f"{where}: expected <bndbox> with <{corner}>, found none")
    try:
        value = math.nan if "_" in text else float(text)  # Python reads 1_0 as 10
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{where}: expected a number of pixels as {corner}, got {text.strip()[:40]!r}")
    return value


def _size(root: ElementTree.Element, path: Path) -> tuple[int, int]:
    texts = [(root.findtext(f"size/{side}") or "0").strip() for side in ("height", "width")]
    if not all(text.isascii() and text.isdigit() and len(text) < 10 for text in texts):
        raise ValueError(
            f"{path}: expected whole numbers of pixels as height and width, got {texts[0]!r}, {texts[1]!r}"
        )
    return int(texts[0]), int(texts[1])
