"""The lists of ILSVRC DET's train images."""

from __future__ import annotations

from pathlib import Path

import pytest
from annotation_trees import Object, write_annotation
from data_set_files import exhaustive, outcomes, write_list, write_picture

from detect.training.data_sets import read_data_set
from detect.training.ilsvrc_train import read_statements

DOG, PERSON, CHAIR = "n02084071", "n00007846", "n03001627"  # DET ids 58, 124, 43
NAMES = {
    "positive": f"ILSVRC2013_train/{DOG}/{DOG}_1",
    "partial": f"ILSVRC2013_train/{PERSON}/{PERSON}_2",
    "negative": "ILSVRC2013_train_extra0/ILSVRC2013_train_00000003",
    "new": "ILSVRC2014_train_0000/ILSVRC2014_train_00000004",
}


def write_train(tree: Path) -> Path:
    objects: dict[str, list[Object]] = {
        "positive": [(DOG, (0, 0, 9, 9)), (CHAIR, (5, 5, 20, 20))],
        "partial": [(PERSON, (0, 0, 9, 9))],
        "new": [(PERSON, (1, 1, 9, 9))],
    }
    for key, name in NAMES.items():
        write_picture(tree / "Data/DET/train" / f"{name}.JPEG")
        if key in objects:
            write_annotation(tree / "Annotations/DET/train" / f"{name}.xml", objects[key])
    lists = tree / "ImageSets/DET"
    write_list(lists / "train_58.txt", [f"{NAMES['positive']} 1", f"{NAMES['negative']} -1", f"{NAMES['partial']} -1"])
    write_list(lists / "train_124.txt", [f"{NAMES['partial']} 0", f"{NAMES['new']} 1"])
    write_list(lists / "train_43.txt", [f"{NAMES['negative']} -1"])
    return tree


def test_by_hand(tmp_path: Path) -> None:
    found, problems = read_data_set("ilsvrc_det", write_train(tmp_path), split="train")
    assert problems == ()  # an image of negative lists alone needs no XML
    said = {key: exhaustive(found, found.names.index(name)) for key, name in NAMES.items()}
    assert said["positive"] == {"dog"}  # the chair is there, but other chairs may be too
    assert said["partial"] == {"dog"}  # there is none; there may be more people
    assert said["negative"] == {"dog", "chair"}
    assert len(said["new"]) == 200
    _, targets = found.objects(found.names.index(NAMES["positive"]))
    assert [outcomes(found, row) for row in targets] == [{"dog"}, {"chair"}]
    assert len(found.objects(found.names.index(NAMES["negative"]))[0]) == 0


def test_a_list_chooses(tmp_path: Path) -> None:
    tree = write_train(tmp_path / "tree")
    mine = write_list(tmp_path / "mine.txt", [NAMES["new"], NAMES["positive"]])
    found, _ = read_data_set("ilsvrc_det", tree, split="train", image_list=mine)
    assert set(found.names) == {NAMES["new"], NAMES["positive"]}
    with pytest.raises(ValueError, match=r"mine\.txt, line 1: other is in none of the lists of train"):
        read_data_set("ilsvrc_det", tree, split="train", image_list=write_list(tmp_path / "mine.txt", ["other"]))


def test_a_missing_xml_is_a_problem_unless_there_is_nothing_to_say(tmp_path: Path) -> None:
    tree = write_train(tmp_path)
    (tree / "Annotations/DET/train" / f"{NAMES['partial']}.xml").unlink()
    (tree / "Data/DET/train" / f"{NAMES['negative']}.JPEG").unlink()
    found, problems = read_data_set("ilsvrc_det", tree, split="train")
    assert len(found) == 2
    assert sorted((one.kind, one.what) for one in problems) == [
        ("annotation", "image left out: no such file"),
        ("image", "image missing: left out"),
    ]


@pytest.mark.parametrize("line", ["a 2", "a", "1", "a b"])
def test_lines_of_another_form(tmp_path: Path, line: str) -> None:
    write_list(tmp_path / "train_7.txt", ["x 1", "", line])
    with pytest.raises(ValueError, match=r"train_7\.txt, line 3: expected 'NAME LABEL' with 1, 0 or -1"):
        read_statements(tmp_path)


def test_no_lists(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected lists train_1.txt … train_200.txt, found none"):
        read_statements(tmp_path)


def test_statements_keep_the_order_of_the_lists(tmp_path: Path) -> None:
    write_list(tmp_path / "train_2.txt", ["b 1", "a  0"])
    write_list(tmp_path / "train_1.txt", ["c -1", "b 0"])
    assert list(read_statements(tmp_path).items()) == [("c", {0: -1}), ("b", {0: 0, 1: 1}), ("a", {1: 0})]
