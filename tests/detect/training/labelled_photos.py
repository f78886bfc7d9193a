"""Pictures of three classes that a small network can tell apart: by their colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from detect.training.labelled_set import LabelledSet
from detect.training.labelled_sets import read_labelled_set

COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (200, 50, 40)}


def write_labelled_photos(folder: Path, per_class: int, *, seed: int = 0, size: tuple[int, int] = (36, 48)) -> Path:
    """A folder for each class with pictures of its colour and noise."""
    rng = np.random.default_rng(seed)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            noisy = np.array(colour) + rng.normal(0, 25, (*size, 3))
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def labelled_photos(folder: Path, per_class: int) -> LabelledSet:
    """The same, as a set."""
    return read_labelled_set("folders", write_labelled_photos(folder, per_class))[0]
