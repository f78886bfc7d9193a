"""Exports: other people's readers read them, and they say what the records say."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from detect.class_tables import DetectionClass, ilsvrc_detection_classes
from detect.detection_records import encode_record, error_record
from detect.exports import check_det_classes, csv_lines, ilsvrc_lines, parse_formats, write_export

ODD = os.fsdecode(b'sn\xf6, "new\nline".png')


def found(label: int, score: float, box: list[float], **changes: Any) -> dict[str, Any]:
    one = ilsvrc_detection_classes()[label]
    return {
        "label": label,
        "det_id": label + 1,
        "wnid": one.wnid,
        "name": one.name,
        "score": score,
        "box": box,
        **changes,
    }


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Three images, of which the second failed and the third has an odd name and no detection; then a wide one."""
    lines = [
        {
            "image": "a/x.jpg",
            "width": 500,
            "height": 375,
            "detections": [found(57, 0.93, [0.0, 10.25, 500.0, 375.0]), found(0, 0.1, [1.5, 2.5, 2.0, 3.0])],
        },
        error_record("b.jpg", "broken"),
        {"image": ODD, "width": 1, "height": 1, "detections": []},
        {"image": ODD + "2", "width": 60000, "height": 9, "detections": [found(199, 0.5, [12345.67, 0, 60000.0, 9.0])]},
    ]
    path = tmp_path / "detections.jsonl"
    path.write_bytes(b"".join(map(encode_record, lines)))
    return path


def test_formats() -> None:
    assert parse_formats("") == ()
    assert parse_formats(" csv, coco,csv,") == ("csv", "coco")
    with pytest.raises(ValueError, match=r"--export: expected any of coco,ilsvrc,csv, got 'voc'"):
        parse_formats("coco,voc")


def test_coco_opens_in_pycocotools_with_the_same_boxes(records: Path) -> None:
    from pycocotools.coco import COCO

    path = write_export("coco", records, ilsvrc_detection_classes())
    assert path.name == "coco.json"
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
    assert [coco.imgs[i]["file_name"] for i in coco.getImgIds()] == ["a/x.jpg", ODD, ODD + "2"]
    assert {c["id"]: c["name"] for c in coco.loadCats(coco.getCatIds())}[58] == "dog"
    first = coco.loadAnns(coco.getAnnIds(imgIds=[1]))
    assert [(a["category_id"], a["score"], a["bbox"]) for a in first] == [
        (58, 0.93, [0.0, 10.25, 500.0, 364.75]),
        (1, 0.1, [1.5, 2.5, 0.5, 0.5]),
    ]
    assert first[0]["area"] == 500 * 364.75
    assert coco.getAnnIds(imgIds=[3]) == []
    assert [a["bbox"][0] for a in coco.loadAnns(coco.getAnnIds(imgIds=[4]))] == [12345.67]


def test_coco_results_can_be_scored_against_themselves(records: Path) -> None:
    """The annotations are also a COCO result list: pycocotools takes them and finds them perfect."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    path = write_export("coco", records, ilsvrc_detection_classes())
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
        results = coco.loadRes(json.loads(path.read_text())["annotations"])
        evaluation = COCOeval(coco, results, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)


def test_ilsvrc_lines_by_hand(records: Path) -> None:
    # x2 = 500 is the edge behind pixel 499; a half-pixel box has xmax - xmin + 1 = 1.0 - 1.5 + 1 = 0.5.
    assert list(ilsvrc_lines(records, None)) == [
        "1 58 0.93 0 10.25 499 374\n",
        "1 1 0.1 1.5 2.5 1 2\n",
        "4 200 0.5 12345.67 0 59999 8\n",
    ]


def test_ilsvrc_lines_with_an_index(records: Path) -> None:
    odd = os.fsdecode(b'sn\xf6, "new\nline"')
    index = {"x": 31, odd: 7}
    assert [line.split()[0] for line in ilsvrc_lines(records, index)] == ["31", "31", "7"]
    with pytest.raises(ValueError, match=r"--image-index: no line for a/x\.jpg"):
        list(ilsvrc_lines(records, {odd: 7}))


def test_classes_that_have_no_det_id_cannot_be_submitted(tmp_path: Path) -> None:
    check_det_classes(ilsvrc_detection_classes())
    with pytest.raises(ValueError, match="the model's 'my cat' is none of the 200"):
        check_det_classes([*ilsvrc_detection_classes(), DetectionClass("", "my cat")])


def test_csv_parses_back(records: Path) -> None:
    path = write_export("csv", records, ilsvrc_detection_classes())
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert rows[0] == {
        "image": "a/x.jpg",
        "name": "dog",
        "wnid": "n02084071",
        "det_id": "58",
        "score": "0.93",
        "x1": "0.0",
        "y1": "10.25",
        "x2": "500.0",
        "y2": "375.0",
    }
    assert rows[2]["image"] == 'sn\\udcf6, "new\nline".png2'


def test_names_that_differ_in_one_byte_that_is_not_utf8_differ_in_the_csv(tmp_path: Path) -> None:
    path = tmp_path / "detections.jsonl"
    images = [os.fsdecode(b"\xf6.png"), os.fsdecode(b"\xe4.png")]
    records = [{"image": i, "width": 1, "height": 1, "detections": [found(0, 1.0, [0, 0, 1, 1])]} for i in images]
    path.write_bytes(b"".join(map(encode_record, records)))
    rows = list(csv.reader("".join(csv_lines(path)).splitlines()))
    assert rows[1][0] != rows[2][0]


def test_a_run_in_which_everything_failed_exports_empty_files(tmp_path: Path) -> None:
    path = tmp_path / "detections.jsonl"
    path.write_bytes(encode_record(error_record("a", "x")))
    texts = {
        name: write_export(name, path, ilsvrc_detection_classes()).read_text() for name in ("coco", "ilsvrc", "csv")
    }
    assert json.loads(texts["coco"])["images"] == json.loads(texts["coco"])["annotations"] == []
    assert texts["ilsvrc"] == ""
    assert texts["csv"].splitlines() == ["image,name,wnid,det_id,score,x1,y1,x2,y2"]
