"""Names of VOC, COCO and the classification classes as detection classes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from detect.class_tables import ilsvrc_classification_classes, ilsvrc_detection_classes
from detect.training.class_maps import (
    BACKGROUND,
    Outcomes,
    classes_covered_by_leaf,
    covered_classes,
    outcomes_of,
    parts,
)
from detect.training.class_maps_cls import KINDRED, OTHERS_NOT_ANNOTATED, OUTSIDE_LEAVES, WORN, with_kindred
from detect.training.class_maps_coco import COCO, COCO_COVERS
from detect.training.class_maps_voc import VOC, VOC_COVERS
from detect.voc_classes import NAMES

DETECTION = {one.name for one in ilsvrc_detection_classes()}
LEAVES = ilsvrc_classification_classes()


def named(name: str, kind: str) -> set[str]:
    """Outcomes by name."""
    found = outcomes_of(name, kind)
    assert found is not None
    names = {ilsvrc_detection_classes()[label].name for label in found.labels}
    return names | ({BACKGROUND} if found.may_be_background else set())


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("voc", "motorbike", {"motorcycle"}),
        ("voc", "boat", {"watercraft"}),
        ("voc", "cow", {"cattle"}),
        ("voc", "tvmonitor", {"tv or monitor"}),
        ("voc", "diningtable", {"table"}),
        ("voc", "aeroplane", {"airplane"}),
        ("voc", "pottedplant", {"flower pot", BACKGROUND}),
        (
            "voc",
            "bottle",
            {"water bottle", "wine bottle", "perfume", "soap dispenser", "cream", "hair spray", BACKGROUND},
        ),
        ("coco", "bear", {"bear", "giant panda"}),
        ("coco", "couch", {"sofa"}),
        ("coco", "tie", {"tie", "bow tie"}),
        ("coco", "hair drier", {"hair dryer"}),
        ("coco", "toilet", {BACKGROUND}),
        ("coco", "toothbrush", {BACKGROUND}),
        ("coco", "truck", {"car", "snowplow", BACKGROUND}),
        ("ilsvrc_det", "n02084071", {"dog"}),
        ("ilsvrc_loc", LEAVES[151].wnid, {"dog"}),  # Chihuahua
        ("ilsvrc_loc", LEAVES[851].wnid, {"tv or monitor"}),  # television
        ("ilsvrc_loc", LEAVES[834].wnid, {"person", BACKGROUND}),  # suit
        ("ilsvrc_loc", LEAVES[0].wnid, {BACKGROUND}),  # tench
    ],
)
def test_by_hand(kind: str, name: str, expected: set[str]) -> None:
    assert named(name, kind) == expected


def test_labels_rise() -> None:
    found = outcomes_of("bottle", "voc")
    assert found is not None
    assert list(found.labels) == sorted(found.labels)
    assert outcomes_of("dog", "voc") == Outcomes((57,), False)  # DET id 58


@pytest.mark.parametrize(
    ("name", "kind"), [("unicorn", "voc"), ("Dog", "coco"), ("n00000001", "ilsvrc_det"), ("", "ilsvrc_loc")]
)
def test_a_name_that_nobody_maps(name: str, kind: str) -> None:
    assert outcomes_of(name, kind) is None


def test_every_name_is_mapped() -> None:
    assert set(VOC) == set(NAMES)
    assert len(COCO) == 80
    for kind, names in (("voc", VOC), ("coco", COCO)):
        for name in names:
            assert named(name, kind) <= DETECTION | {BACKGROUND}
    for leaf in LEAVES:
        assert named(leaf.wnid, "ilsvrc_loc")


@pytest.mark.shared
def test_names_are_cocos(shared_folder: Path) -> None:
    data = json.loads((shared_folder / "images" / "coco128" / "instances.json").read_bytes())
    assert [one["name"] for one in data["categories"]] == list(COCO)


def test_leaves_inside_a_class_are_not_listed_as_outside() -> None:
    inside = {leaf for one in ilsvrc_detection_classes() for leaf in one.members}
    outside = [leaf for leaves in OUTSIDE_LEAVES.values() for leaf in leaves]
    assert not inside & set(outside)
    assert len(outside) == len(set(outside))
    for leaf, one in enumerate(LEAVES):
        if leaf in inside:
            found = outcomes_of(one.wnid, "ilsvrc_loc")
            assert found is not None
            assert not found.may_be_background
            assert leaf in ilsvrc_detection_classes()[found.labels[0]].members


@pytest.mark.parametrize(("table", "covers"), [(VOC, VOC_COVERS), (COCO, COCO_COVERS)])
def test_what_covers_a_class_may_be_that_class(table: dict[str, str], covers: dict[str, str]) -> None:
    for name, needed in covers.items():
        assert name in DETECTION
        for one in parts(needed):
            assert name in parts(table[one]), (name, one)


def test_coverage_by_hand() -> None:
    names = [one.name for one in ilsvrc_detection_classes()]
    voc = {names[label] for label in covered_classes("voc", NAMES)}
    assert len(voc) == 19
    assert "dog" in voc
    assert "wine bottle" in voc  # each is a bottle, though a bottle need not be one
    assert not {"table", "flower pot", "elephant"} & voc


def test_a_class_is_covered_only_by_all_the_names_it_needs() -> None:
    car = [one.name for one in ilsvrc_detection_classes()].index("car")
    assert covered_classes("coco", ["car"]) == ()  # a pickup may be a "truck", of which nobody speaks
    assert covered_classes("coco", ["car", "truck"]) == (car,)
    assert covered_classes("coco", []) == ()


def test_what_a_leaf_covers() -> None:
    assert classes_covered_by_leaf(LEAVES[151].wnid) == (57,)
    assert classes_covered_by_leaf(LEAVES[982].wnid) == ()  # groom: the bride is a person too
    assert classes_covered_by_leaf(LEAVES[834].wnid) == ()  # suit
    assert classes_covered_by_leaf(LEAVES[348].wnid) == ()  # ram: ewes are sheep too
    assert classes_covered_by_leaf("n00000001") == ()
    assert OTHERS_NOT_ANNOTATED <= DETECTION


def test_unknown_kinds() -> None:
    with pytest.raises(ValueError, match=r"kind: expected voc, coco, ilsvrc_det or ilsvrc_loc, got 'pascal'"):
        outcomes_of("dog", "pascal")
    with pytest.raises(ValueError, match=r"kind: expected voc or coco, got 'ilsvrc_det'"):
        covered_classes("ilsvrc_det", [])


def test_kindred_classes_by_hand() -> None:
    """Warplane, espresso, tusker, sunglass, television, and four kinds of locomotives and cars of trains."""
    assert KINDRED == {
        "airplane": (895,),
        "cup or mug": (967,),
        "elephant": (101,),
        "sunglasses": (836,),
        "train": (547, 565, 705, 820),
        "tv or monitor": (851,),
    }
    before = ilsvrc_detection_classes()
    after = with_kindred(before)
    assert [(one.wnid, one.name) for one in after] == [(one.wnid, one.name) for one in before]
    added = {b.name: tuple(sorted(set(b.members) - set(a.members))) for a, b in zip(before, after, strict=True)}
    assert {name: leaves for name, leaves in added.items() if leaves} == KINDRED
    assert all(set(a.members) <= set(b.members) for a, b in zip(before, after, strict=True))
    every = [leaf for one in after for leaf in one.members]
    assert len(every) == len(set(every)), "no output belongs to two classes"


def test_what_a_person_wears() -> None:
    """Only for who is trained so, and beside the kindred classes: a suit, a gown, a jersey, but no bikini."""
    before, kindred = ilsvrc_detection_classes(), with_kindred(ilsvrc_detection_classes())
    worn = with_kindred(before, worn=True)
    added = {b.name: set(b.members) - set(a.members) for a, b in zip(kindred, worn, strict=True)}
    assert {name for name, leaves in added.items() if leaves} == {"person"} == set(WORN)
    assert added["person"] == set(WORN["person"])
    names = {LEAVES[leaf].name.split(",")[0] for leaf in WORN["person"]}
    assert len(names) == 37
    assert {"suit", "gown", "jersey", "military uniform", "abaya", "sweatshirt"} <= names
    assert not {"bikini", "sunglass", "bow tie", "crash helmet", "miniskirt"} & names
    every = [leaf for one in worn for leaf in one.members]
    assert len(every) == len(set(every)), "no output belongs to two classes"
    assert with_kindred(worn) == worn
