"""Photos with their boxes, for benchmarks: ILSVRC DET, CLS-LOC and VOC trees, or any folder of XML files."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SUFFIXES = {".jpeg", ".jpg", ".png"}


@dataclass(frozen=True)
class AnnotatedPhoto:
    """`boxes`: (M, 4) float64 continuous xyxy; `names`: M class names or wnids."""

    path: Path
    boxes: np.ndarray
    names: list[str]


def read_annotation(path: Path) -> tuple[np.ndarray, list[str]]:
    """Boxes and names of an annotation file; corners are read by name, their order differs between data sets."""
    root = ElementTree.parse(path).getroot()
    base = 1 if (root.findtext("source/database") or "").startswith("The VOC") else 0  # VOC counts pixels from 1
    objects = root.findall("object")
    corners = [[float(o.findtext(f"bndbox/{c}", "nan")) for c in ("xmin", "ymin", "xmax", "ymax")] for o in objects]
    return np.array(corners).reshape(-1, 4) - base + [0, 0, 1, 1], [o.findtext("name", "") for o in objects]


def annotated_photos(images: Path, ground_truth: Path) -> list[AnnotatedPhoto]:
    """All photos below `images`, by name, that have an annotation with at least one box below `ground_truth`."""
    annotations = {path.stem: path for path in sorted(ground_truth.rglob("*.xml"))}
    photos = sorted(path for path in images.rglob("*") if path.suffix.lower() in SUFFIXES)
    found = [AnnotatedPhoto(p, *read_annotation(annotations[p.stem])) for p in photos if p.stem in annotations]
    found = [photo for photo in found if len(photo.boxes)]
    if not found:
        raise SystemExit(f"--ground-truth: expected XML files named like the photos of {images}, found none")
    return found
