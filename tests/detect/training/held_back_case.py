"""A small held-back set, whose score can be worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from detect.class_tables import DetectionClass
from detect.training.training_set import IGNORED, TrainingSet

DOG, CAT, BIRD = range(3)
CLASSES = tuple(DetectionClass(f"n{label}", name, (label,)) for label, name in enumerate(("dog", "cat", "bird")))
# Rows: 0–2 one class; 3 dog, cat or background; 4 background; 5 background or bird (birds were not annotated).
ALLOWED = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 1, 0, 1], [0, 0, 0, 1], [0, 0, 1, 1]], np.bool_)


def held_back(folder: Path = Path(), **changes: object) -> TrainingSet:
    """Image 0: a dog, an ambiguous animal, a thing outside the classes; all annotated. Image 1: a cat, an ignored
    object, a bird although birds were not annotated. Image 2: nothing, all annotated."""
    fields: dict[str, object] = {
        "name": "case",
        "images": tuple(folder / f"{name}.png" for name in ("a", "b", "c")),
        "names": ("a", "b", "c"),
        "weights": np.ones(3),
        "classes": CLASSES,
        "allowed": ALLOWED,
        "image_of": np.array([0, 0, 0, 1, 1, 1], np.int64),
        "boxes": np.array(
            [
                [0, 0, 40, 40],
                [50, 0, 90, 40],
                [0, 50, 40, 90],
                [0, 0, 40, 40],
                [50, 0, 90, 40],
                [0, 50, 40, 90],
            ],
            np.float32,
        ),
        "targets": np.array([DOG, 3, 4, CAT, IGNORED, BIRD], np.int64),
        "background": np.array([4, 5, 4], np.int64),
    }
    return TrainingSet(**{**fields, **changes})  # type: ignore[arg-type]
