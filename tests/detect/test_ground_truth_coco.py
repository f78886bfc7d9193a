"""COCO's json: ids with gaps, crowds, and rows that are wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotation_trees import coco_data, write_json

from detect.ground_truth_coco import read_coco


def test_a_file_by_hand(tmp_path: Path) -> None:
    truth = read_coco(write_json(tmp_path / "a.json", coco_data()))
    assert truth.images == ("sub/b", "a.b")
    assert truth.numbers.tolist() == [9, 4]
    assert truth.sizes.tolist() == [[40, 30], [20, 10]]
    assert [one.name for one in truth.classes] == ["person", "toothbrush"]
    assert truth.image_of.tolist() == [0, 1, 1]  # the last object of the file lies in the first image
    assert truth.boxes.tolist() == [[5, 6, 5, 13], [1.5, 2, 4.5, 6.25], [0, 0, 10, 20]]
    assert truth.labels.tolist() == [0, 1, 0]
    assert truth.ignored.tolist() == [False, False, True]


def test_no_images(tmp_path: Path) -> None:
    truth = read_coco(write_json(tmp_path / "a.json", {"images": [], "categories": [{"id": 7}], "annotations": []}))
    assert (truth.images, len(truth.labels), len(truth.classes)) == ((), 0, 1)


def changed(table: str, position: int, **values: Any) -> dict[str, Any]:
    data = coco_data()
    data[table][position] |= values
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], r"a\.json: expected a COCO object"),
        ({"images": [], "annotations": []}, r"expected a list of objects named 'categories'"),
        ({"images": [1], "categories": [], "annotations": []}, r"expected a list of objects named 'images'"),
        ({"images": [], "categories": [], "annotations": []}, r"a\.json: expected at least one category"),
        (changed("images", 0, id="9"), r"image 1: expected a whole number as 'id', got '9'"),
        (changed("images", 1, id=9), r"image 2: id 9 stands twice, first as number 1"),
        (changed("images", 1, file_name="sub/b.png"), r"image 2: the name sub/b stands twice, first as image 1"),
        (changed("images", 1, file_name=None), r"image 2: expected a 'file_name', got None"),
        (changed("images", 0, width=-1), r"image 1: expected whole numbers of pixels as height and width, got 40, -1"),
        (changed("categories", 0, id=1), r"category 2: id 1 stands twice"),
        (changed("annotations", 0, image_id=5), r"annotation 1: expected a known image_id, got 5"),
        (changed("annotations", 2, category_id=None), r"annotation 3: expected a known category_id, got None"),
        (changed("annotations", 0, bbox=[1, 2, 3]), r"annotation 1: expected four numbers .* got \[1, 2, 3\]"),
        (changed("annotations", 0, bbox=[1, 2, 3, float("nan")]), r"annotation 1: expected four numbers"),
        (changed("annotations", 0, bbox=[1, 2, 3, 10**400]), r"annotation 1: expected four numbers"),
        (changed("annotations", 0, bbox=[1, 2, 3, True]), r"annotation 1: expected four numbers"),
        (changed("annotations", 0, bbox=[1, 2, -3, 4]), r"annotation 1: expected a width and height .*, got -3, 4"),
    ],
)
def test_rows_that_are_wrong(tmp_path: Path, data: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_coco(write_json(tmp_path / "a.json", data))
    assert "\n" not in str(caught.value)


def test_files_that_are_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"images": [')
    with pytest.raises(ValueError, match=r"a\.json: expected JSON: "):
        read_coco(tmp_path / "a.json")
    (tmp_path / "a.json").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"a\.json: expected JSON: "):
        read_coco(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"a\.json: expected JSON: "):
        read_coco(tmp_path / "a.json")
    with pytest.raises(ValueError, match=r"cannot read .*none\.json: No such file"):
        read_coco(tmp_path / "none.json")


@pytest.mark.shared
def test_the_real_file_as_pycocotools_reads_it(shared_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pycocotools.coco import COCO

    path = shared_folder / "images" / "coco128" / "instances.json"
    truth, reference = read_coco(path), COCO(str(path))
    assert (len(truth.images), len(truth.labels), len(set(truth.labels.tolist()))) == (128, 929, 71)
    categories = sorted(reference.getCatIds())
    for position, number in enumerate(truth.numbers.tolist()):
        rows = reference.imgToAnns[number]
        objects = truth.image_of == position
        assert [categories[label] for label in truth.labels[objects]] == [row["category_id"] for row in rows]
        x, y, width, height = np.array([row["bbox"] for row in rows]).reshape(-1, 4).T
        assert np.array_equal(truth.boxes[objects], np.stack([x, y, x + width, y + height], axis=1))
    names = {row["id"]: row["name"] for row in json.loads(path.read_text())["categories"]}
    assert [one.name for one in truth.classes] == [names[one] for one in categories]
