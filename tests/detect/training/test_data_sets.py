"""Every kind of data set, whole, and what is wrong with some."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotation_trees import write_json
from data_set_files import exhaustive, outcomes, write_ilsvrc, write_list, write_picture, write_voc

from detect.class_tables import ilsvrc_classification_classes
from detect.training.data_check import data_report
from detect.training.data_sets import Problem, read_data_set
from detect.training.generated_images import SHAPES, write_generated
from detect.training.training_set import IGNORED

CHIHUAHUA = ilsvrc_classification_classes()[151].wnid
TENCH = ilsvrc_classification_classes()[0].wnid
DOG, PERSON = "n02084071", "n00007846"


def kinds(problems: tuple[Problem, ...]) -> list[str]:
    return [one.kind for one in problems]


def test_voc_by_hand(tmp_path: Path) -> None:
    tree = write_voc(tmp_path / "voc", {"a": [("dog", (1, 2, 10, 20)), ("bottle", (5, 5, 5, 5))], "b": []})
    found, problems = read_data_set("voc", tree, weight=2.5)
    assert problems == ()
    assert (found.name, found.names, len(found.classes)) == ("voc", ("a", "b"), 200)
    assert found.images == (tree / "JPEGImages/a.jpg", tree / "JPEGImages/b.jpg")
    assert found.weights.tolist() == [2.5, 2.5]
    # Pixels 1..10, 2..20 counted from 1 cover 0 to 10, 1 to 20; the single pixel 5 covers 4 to 5.
    assert found.boxes.tolist() == [[0, 1, 10, 20], [4, 4, 5, 5]]
    assert [outcomes(found, row) for row in found.targets] == [
        {"dog"},
        {"water bottle", "wine bottle", "perfume", "soap dispenser", "cream", "hair spray", "background"},
    ]
    assert found.is_foreground[found.targets].tolist() == [True, False]
    for image in range(2):
        assert len(exhaustive(found, image)) == 19
        assert "background" in outcomes(found, int(found.background[image]))


def test_voc_in_its_own_classes(tmp_path: Path) -> None:
    tree = write_voc(tmp_path, {"a": [("dog", (1, 2, 10, 20)), ("bottle", (5, 5, 9, 9))]})
    found, _ = read_data_set("voc", tree, class_space="own")
    assert len(found.classes) == 20
    assert [outcomes(found, row) for row in found.targets] == [{"dog"}, {"bottle"}]
    assert outcomes(found, int(found.background[0])) == {"background"}


def test_det_val_is_annotated_for_all(tmp_path: Path) -> None:
    tree = write_ilsvrc(tmp_path, {"a": [(DOG, (0, 2, 10, 20))]})
    found, problems = read_data_set("ilsvrc_det", tree)
    assert problems == ()
    assert found.boxes.tolist() == [[0, 2, 11, 21]]  # 0-based, both ends included
    assert outcomes(found, int(found.targets[0])) == {"dog"}
    assert outcomes(found, int(found.background[0])) == {"background"}


def test_cls_loc_is_annotated_for_its_one_class(tmp_path: Path) -> None:
    images = {"a": [(CHIHUAHUA, (0, 2, 10, 20))], "b": [(TENCH, (0, 0, 5, 5))], "c": []}
    tree = write_ilsvrc(tmp_path, images, kind="CLS-LOC", suffix="png")
    found, problems = read_data_set("ilsvrc_loc", tree)
    assert problems == ()
    assert [outcomes(found, row) for row in found.targets] == [{"dog"}, {"background"}]
    assert [exhaustive(found, image) for image in range(3)] == [{"dog"}, set(), set()]
    own, _ = read_data_set("ilsvrc_loc", tree, class_space="own")
    assert len(own.classes) == 1000
    assert exhaustive(own, 0) == {"Chihuahua"}


def test_cls_loc_train_has_a_list_of_another_name(tmp_path: Path) -> None:
    name = f"{CHIHUAHUA}/{CHIHUAHUA}_1"
    tree = write_ilsvrc(tmp_path, {name: [(CHIHUAHUA, (0, 0, 5, 5))]}, kind="CLS-LOC", split="train")
    (tree / "ImageSets/CLS-LOC/train.txt").rename(tree / "ImageSets/CLS-LOC/train_loc.txt")
    found, _ = read_data_set("ilsvrc_loc", tree, split="train")
    assert (found.names, found.name) == ((name,), f"{tmp_path.name} train")


def coco(
    folder: Path, annotations: list[dict[str, Any]], *, categories: tuple[str, ...] = ("person", "toilet")
) -> Path:
    for name in ("x.jpg", "y.jpg"):
        write_picture(folder / "images" / name)
    images = [{"id": i, "file_name": name, "height": 50, "width": 60} for i, name in ((7, "x.jpg"), (3, "y.jpg"))]
    rows = [{"id": 90 - i, "name": name} for i, name in enumerate(categories)]
    return write_json(folder / "a.json", {"images": images, "categories": rows, "annotations": annotations})


def test_coco_by_hand(tmp_path: Path) -> None:
    annotations = [
        {"image_id": 3, "category_id": 90, "bbox": [1.5, 2, 10, 20.25]},
        {"image_id": 7, "category_id": 89, "bbox": [0, 0, 5, 5]},
        {"image_id": 3, "category_id": 90, "bbox": [0, 0, 60, 50], "iscrowd": 1},
    ]
    path = coco(tmp_path, annotations)
    found, problems = read_data_set("coco", path, images=tmp_path / "images")
    assert problems == ()
    assert found.names == ("x", "y")
    assert found.image_of.tolist() == [0, 1, 1]
    assert found.boxes.tolist() == [[0, 0, 5, 5], [1.5, 2, 11.5, 22.25], [0, 0, 60, 50]]
    assert [outcomes(found, row) for row in found.targets[:2]] == [{"background"}, {"person"}]
    assert found.targets[2] == IGNORED
    assert exhaustive(found, 0) == {"person"}  # of what COCO could say, this file says no more
    own, _ = read_data_set("coco", path, images=tmp_path / "images", class_space="own")
    assert [one.name for one in own.classes] == ["toilet", "person"]  # by id


def test_generated_pictures(tmp_path: Path) -> None:
    write_generated(tmp_path / "drawn", 2, seed=0)
    found, problems = read_data_set("generated", tmp_path / "drawn", class_space="own")
    assert (len(found), problems, tuple(one.name for one in found.classes)) == (2, (), SHAPES)
    with pytest.raises(ValueError, match=r"class_space: expected own with generated images"):
        read_data_set("generated", tmp_path / "drawn")


def test_lists_choose_images(tmp_path: Path) -> None:
    tree = write_voc(tmp_path / "voc", {"a": [], "b": [], "c": []}, lists=("train", "trainval"))
    wanted = write_list(tmp_path / "mine.txt", ["c", "a"])
    assert read_data_set("voc", tree, image_list=wanted)[0].names == ("a", "c")
    assert read_data_set("voc", tree, split="train")[0].names == ("a", "b", "c")
    with pytest.raises(
        ValueError, match=r"expected split or image_list, as ImageSets/Main has train.txt, trainval.txt"
    ):
        read_data_set("voc", tree)
    with pytest.raises(ValueError, match=r"mine.txt, line 1: d is not among the images of"):
        read_data_set("voc", tree, image_list=write_list(tmp_path / "mine.txt", ["d"]))
    path = coco(tmp_path, [])
    listed = write_list(tmp_path / "mine.txt", ["y"])
    assert read_data_set("coco", path, images=tmp_path / "images", image_list=listed)[0].names == ("y",)


def test_problems_are_listed_and_the_rest_is_used(tmp_path: Path) -> None:
    objects = {
        "unmapped": [("unicorn", (1, 1, 9, 9)), ("dog", (1, 1, 9, 9))],
        "outside": [("dog", (50, 40, 70, 45)), ("cat", (80, 1, 90, 9))],
        "broken": [],
        "backwards": [("dog", (9, 1, 5, 9))],
        "nowhere": [("dog", (1, 1, 9, 9))],
        "no_xml": [],
    }
    tree = write_voc(tmp_path, objects)
    (tree / "Annotations/broken.xml").write_text("<annotation><object>")
    (tree / "Annotations/no_xml.xml").unlink()
    (tree / "JPEGImages/nowhere.jpg").unlink()
    found, problems = read_data_set("voc", tree)
    assert found.names == ("unmapped", "outside")
    assert found.targets.tolist()[0] == IGNORED
    assert found.boxes.tolist() == [[0, 0, 9, 9], [0, 0, 9, 9], [49, 39, 60, 45]]  # the image is 60 wide, 50 high
    said = {(one.file.name, one.kind): one.what for one in problems if one.kind != "outside"}
    assert set(said) == {
        ("unmapped.xml", "unmapped"),
        ("broken.xml", "annotation"),
        ("backwards.xml", "annotation"),
        ("nowhere", "image"),
        ("no_xml.xml", "annotation"),
    }
    assert said["unmapped.xml", "unmapped"] == "unmapped, object 1 (unicorn): nobody maps the name, not counted"
    assert said["backwards.xml", "annotation"] == (
        "image left out: object 1 (dog): expected xmin <= xmax and ymin <= ymax, got 9 1 5 9"
    )
    assert said["no_xml.xml", "annotation"] == "image left out: no such file"
    assert [one.what for one in problems if one.kind == "outside"] == [
        "outside, object 1 (dog): box 49 39 70 45 reaches beyond the image of 60 x 50, clipped",
        "outside, object 2 (cat): box 79 0 90 9 reaches beyond the image of 60 x 50, left out",
    ]


def test_problems_of_a_json(tmp_path: Path) -> None:
    annotations = [
        {"image_id": 3, "category_id": 90, "bbox": [1, 2, 0, 9]},
        {"image_id": 3, "category_id": 90, "bbox": [1, 2, 5, -9]},
        {"image_id": 7, "category_id": 5, "bbox": [1, 2, 3, 4]},
        {"image_id": 8, "category_id": 90, "bbox": [1, 2, 3, 4]},
        {"image_id": 3, "category_id": 90, "bbox": [1e6, 2, 1e-3, 4]},
    ]
    found, problems = read_data_set("coco", coco(tmp_path, annotations), images=tmp_path / "images")
    assert found.names == ("y",)  # x holds an object of a category that the file does not have
    assert len(found.targets) == 0
    assert kinds(problems) == ["annotation", "annotation", "zero area", "zero area", "outside"]
    assert problems[0].what == "annotation 3, its image left out: expected a known category_id, got 5"
    assert problems[1].what == "annotation 4, its image left out: expected a known image_id, got 8"


def test_categories_that_nobody_maps(tmp_path: Path) -> None:
    path = coco(tmp_path, [{"image_id": 3, "category_id": 90, "bbox": [1, 2, 3, 4]}], categories=("unicorn",))
    found, problems = read_data_set("coco", path, images=tmp_path / "images")
    assert found.targets.tolist() == [IGNORED]
    assert kinds(problems) == ["unmapped"]
    assert exhaustive(found, 0) == set()


def test_an_empty_data_set(tmp_path: Path) -> None:
    tree = write_voc(tmp_path, {"a": []})
    (tree / "JPEGImages/a.jpg").unlink()
    with pytest.raises(ValueError, match=r"expected annotated images, found none \(1 cannot be used; .*image missing"):
        read_data_set("voc", tree)
    empty = write_json(tmp_path / "b.json", {"images": [], "categories": [{"id": 1, "name": "dog"}], "annotations": []})
    with pytest.raises(ValueError, match=r"b\.json: expected annotated images, found none$"):
        read_data_set("coco", empty)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], r"a\.json: expected a COCO object"),
        ({"images": [], "annotations": []}, r"expected a list of objects named 'categories'"),
        ({"images": [], "categories": [], "annotations": []}, r"a\.json: expected at least one category"),
        ({"images": [], "categories": [{"id": "1"}], "annotations": []}, r"category 1: expected a whole number .*'1'"),
        ({"images": [], "categories": [{"id": 1}], "annotations": []}, r"category 1: expected a 'name', got None"),
        (
            {"images": [], "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}], "annotations": []},
            r"category: the name a stands twice",
        ),
    ],
)
def test_a_json_of_another_form(tmp_path: Path, data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_data_set("coco", write_json(tmp_path / "a.json", data))


def test_what_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"kind: expected one of ilsvrc_det, .*, got 'pascal'"):
        read_data_set("pascal", tmp_path)
    with pytest.raises(ValueError, match=r"class_space: expected det or own, got 'mine'"):
        read_data_set("voc", tmp_path, class_space="mine")
    with pytest.raises(ValueError, match=r"Annotations: no such folder"):
        read_data_set("voc", tmp_path)
    with pytest.raises(ValueError, match=r"Annotations/DET: no such folder"):
        read_data_set("ilsvrc_det", tmp_path)
    with pytest.raises(ValueError, match=r"cannot read .*a\.json: No such file"):
        read_data_set("coco", tmp_path / "a.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(ValueError, match=r"a\.json: expected JSON"):
        read_data_set("coco", tmp_path / "a.json")
    for split in ("a", "b"):
        (tmp_path / "Annotations/DET" / split).mkdir(parents=True)
    with pytest.raises(ValueError, match=r"expected a folder val, or one folder, or split, found a, b"):
        read_data_set("ilsvrc_det", tmp_path)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("kind", "path", "images", "counts"),
    [  # images, objects, of one class, of several, outside, classes with boxes
        ("voc", "voc2012_subset", None, (1626, 4011, 3818, 193, 0, 17)),
        ("ilsvrc_loc", "ilsvrc_loc", None, (717, 1052, 216, 197, 639, 52)),
        ("coco", "coco128/instances.json", "coco128/images", (128, 929, 539, 178, 212, 33)),
    ],
)
def test_real_data(shared_folder: Path, kind: str, path: str, images: str | None, counts: tuple[int, ...]) -> None:
    folder = shared_folder / "images"
    found, problems = read_data_set(kind, folder / path, images=None if images is None else folder / images)
    report = data_report(found, problems)
    assert problems == ()
    assert counts == (
        *(report.images, report.objects, report.certain, report.ambiguous, report.outside),
        report.classes_with_boxes,
    )
    assert np.isfinite(found.boxes).all()
    json.loads(report.to_json())


def test_a_det_tree_with_nothing_but_train_is_read_by_its_lists(tmp_path: Path) -> None:
    name = "ILSVRC2013_train/n02084071/n02084071_1"
    tree = write_ilsvrc(tmp_path, {name: [("n02084071", (0, 0, 5, 5))]}, kind="DET", split="train")
    (tree / "ImageSets/DET/train.txt").unlink()
    lists = tree / "ImageSets/DET"
    for number in range(1, 201):
        lists.joinpath(f"train_{number}.txt").write_text(f"{name} 1\n" if number == 58 else "")
    for split in (None, "train"):
        found, _ = read_data_set("ilsvrc_det", tree, split=split)
        assert len(exhaustive(found, 0)) == 1
