"""The fixed tables of ILSVRC: 200 detection classes, 1000 classification classes, and the map between them."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class DetectionClass:
    """One class a detector can answer with.

    Attributes:
        wnid: WordNet id; empty for classes outside WordNet.
        name: for people.
        members: outputs of the classification network at or below this class in WordNet.
    """

    wnid: str
    name: str
    members: tuple[int, ...] = ()


@cache
def ilsvrc_detection_classes() -> tuple[DetectionClass, ...]:
    """The 200 ILSVRC detection classes; index = label = DET id − 1.

    Members come from WordNet and the devkit's twelve hand-made links; they cover 495 of the 1000 classes, none twice.
    """
    members = json.loads(_table("det_to_cls.json"))
    rows = csv.DictReader(_table("det_classes.csv").splitlines())
    return tuple(DetectionClass(row["wnid"], row["name"], tuple(members[row["wnid"]])) for row in rows)


@cache
def ilsvrc_classification_classes() -> tuple[DetectionClass, ...]:
    """The 1000 classes of ILSVRC 2012 classification in the order of the networks' outputs."""
    rows = csv.DictReader(_table("cls_classes.csv").splitlines())
    return tuple(DetectionClass(row["wnid"], row["name"], (int(row["index"]),)) for row in rows)


def _table(name: str) -> str:
    return files("detect").joinpath("tables").joinpath(name).read_text(encoding="utf-8")
