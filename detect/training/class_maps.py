"""What the class names of VOC, COCO and ILSVRC's classification say in terms of the 200 detection classes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import NamedTuple

from detect.class_tables import ilsvrc_classification_classes, ilsvrc_detection_classes
from detect.training.class_maps_cls import OTHERS_NOT_ANNOTATED, OUTSIDE_LEAVES
from detect.training.class_maps_coco import COCO, COCO_COVERS
from detect.training.class_maps_voc import VOC, VOC_COVERS

BACKGROUND = "background"
_NAMES: Mapping[str, Mapping[str, str]] = {"voc": VOC, "coco": COCO}
_COVERS: Mapping[str, Mapping[str, str]] = {"voc": VOC_COVERS, "coco": COCO_COVERS}


class Outcomes(NamedTuple):
    """What an object of some name may be called.

    Attributes:
        labels: of detection classes, rising; none for an object outside them.
        may_be_background: whether it may be none of the 200. True where there are no labels.
    """

    labels: tuple[int, ...]
    may_be_background: bool


def outcomes_of(name: str, kind: str) -> Outcomes | None:
    """What an object of this name may be called; None: a name that nobody maps.

    Args:
        name: VOC's or COCO's class name; ILSVRC's wnid.
        kind: of the data set: voc, coco, ilsvrc_det or ilsvrc_loc.
    Raises:
        ValueError: if there is no map for the kind.
    """
    if kind in _NAMES:
        return _tables(kind).get(name)
    if kind == "ilsvrc_det":
        label = _label_of_wnid().get(name)
        return None if label is None else Outcomes((label,), False)
    if kind == "ilsvrc_loc":
        return _leaves().get(name)
    raise ValueError(f"kind: expected voc, coco, ilsvrc_det or ilsvrc_loc, got {kind!r}")


def covered_classes(kind: str, names: Collection[str]) -> tuple[int, ...]:
    """Detection classes, rising, of which every object in an image would carry one of the data set's names.

    Args:
        kind: voc or coco.
        names: that the data set annotates; a class that needs one of the others is left out.
    Raises:
        ValueError: for another kind.
    """
    if kind not in _COVERS:
        raise ValueError(f"kind: expected voc or coco, got {kind!r}")
    labels = _label_of_name()
    needed = {labels[one]: parts(of) for one, of in _COVERS[kind].items()}
    return tuple(sorted(label for label, of in needed.items() if of <= set(names)))


def classes_covered_by_leaf(wnid: str) -> tuple[int, ...]:
    """The detection class that a CLS-LOC image of this leaf is annotated for: one or none.

    CLS-LOC boxes every instance of the image's own leaf. Where other kinds of the same detection class are rare beside
    it (another breed of dog), that is as good as every object of the class.
    """
    found = outcomes_of(wnid, "ilsvrc_loc")
    if found is None or found.may_be_background or len(found.labels) != 1:
        return ()
    name = ilsvrc_detection_classes()[found.labels[0]].name
    return () if name in OTHERS_NOT_ANNOTATED else found.labels


def parts(outcomes: str) -> set[str]:
    """The names in `a | b | background`."""
    return {one.strip() for one in outcomes.split("|")}


@cache
def _label_of_name() -> Mapping[str, int]:
    return {one.name: label for label, one in enumerate(ilsvrc_detection_classes())}


@cache
def _label_of_wnid() -> Mapping[str, int]:
    return {one.wnid: label for label, one in enumerate(ilsvrc_detection_classes())}


@cache
def _tables(kind: str) -> Mapping[str, Outcomes]:
    return {name: _parsed(outcomes) for name, outcomes in _NAMES[kind].items()}


@cache
def _leaves() -> Mapping[str, Outcomes]:
    """Of the 1000 leaves: the class they are members of, or what `OUTSIDE_LEAVES` says, or background."""
    class_of = {leaf: label for label, one in enumerate(ilsvrc_detection_classes()) for leaf in one.members}
    special = {leaf: outcomes for outcomes, leaves in OUTSIDE_LEAVES.items() for leaf in leaves}
    found = {}
    for leaf, one in enumerate(ilsvrc_classification_classes()):
        inside = leaf in class_of
        found[one.wnid] = Outcomes((class_of[leaf],), False) if inside else _parsed(special.get(leaf, BACKGROUND))
    return found


def _parsed(outcomes: str) -> Outcomes:
    names = parts(outcomes)
    labels = _label_of_name()
    return Outcomes(tuple(sorted(labels[one] for one in names - {BACKGROUND})), BACKGROUND in names)
