from __future__ import annotations

import csv
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from detect.class_tables import DetectionClass, ilsvrc_classification_classes, ilsvrc_detection_classes


def test_sizes() -> None:
    assert len(ilsvrc_detection_classes()) == 200
    assert len(ilsvrc_classification_classes()) == 1000


def test_bow_tie_before_bow() -> None:
    """DET ids, counted from 1; the two are swapped in other tables."""
    by_det_id = dict(enumerate(ilsvrc_detection_classes(), start=1))
    assert (by_det_id[28].wnid, by_det_id[28].name) == ("n02883205", "bow tie")
    assert (by_det_id[29].wnid, by_det_id[29].name) == ("n02879718", "bow")
    assert (by_det_id[1].name, by_det_id[58].name, by_det_id[200].name) == ("accordion", "dog", "zebra")


def test_members_cover_495_classes_none_twice_none_empty() -> None:
    members = Counter(member for one in ilsvrc_detection_classes() for member in one.members)
    assert len(members) == 495
    assert set(members.values()) == {1}
    assert set(members) <= set(range(1000))
    assert all(one.members for one in ilsvrc_detection_classes())


def test_members_are_what_their_names_say() -> None:
    detection = {one.name: one for one in ilsvrc_detection_classes()}
    names = [one.name for one in ilsvrc_classification_classes()]
    assert [names[member] for member in detection["zebra"].members] == ["zebra"]
    assert len(detection["dog"].members) > 100
    assert {"tabby", "Egyptian cat"} <= {names[member].split(",")[0] for member in detection["domestic cat"].members}


def test_a_class_that_both_tables_have_is_its_own_member() -> None:
    index = {one.wnid: i for i, one in enumerate(ilsvrc_classification_classes())}
    both = [one for one in ilsvrc_detection_classes() if one.wnid in index]
    assert len(both) > 100
    assert all(index[one.wnid] in one.members for one in both)


def test_classification_classes_are_in_the_order_of_their_wnids() -> None:
    classes = ilsvrc_classification_classes()
    assert [one.wnid for one in classes] == sorted(one.wnid for one in classes)
    assert [one.members for one in classes] == [(index,) for index in range(1000)]
    assert (classes[0].wnid, classes[999].wnid) == ("n01440764", "n15075141")


@pytest.mark.parametrize("classes", [ilsvrc_detection_classes(), ilsvrc_classification_classes()])
def test_wnids_are_unique_and_names_are_there(classes: tuple[DetectionClass, ...]) -> None:
    assert len({one.wnid for one in classes}) == len(classes)
    assert all(re.fullmatch(r"n\d{8}", one.wnid) for one in classes)
    assert all(one.name.strip() == one.name != "" for one in classes)


@pytest.mark.shared
def test_the_tables_are_those_of_the_shared_folder(shared_folder: Path) -> None:
    folder = shared_folder / "ilsvrc"
    with (folder / "det_classes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["det_id"]), row["wnid"], row["name"]) for row in rows] == [
        (label + 1, one.wnid, one.name) for label, one in enumerate(ilsvrc_detection_classes())
    ]
    members = json.loads((folder / "det_to_cls.json").read_text(encoding="utf-8"))
    assert {one.wnid: list(one.members) for one in ilsvrc_detection_classes()} == members
    with (folder / "cls_classes.csv").open(encoding="utf-8", newline="") as file:
        wnids = [row["wnid"] for row in csv.DictReader(file)]
    assert [one.wnid for one in ilsvrc_classification_classes()] == wnids
