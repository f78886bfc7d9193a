"""Records: what a line of detections.jsonl holds, and that damaged lines are found."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detect.class_tables import DetectionClass, ilsvrc_detection_classes
from detect.detection_records import (
    detection_record,
    encode_record,
    error_record,
    numbered_records,
    proposal_record,
    read_records,
    whole_records,
)
from detect.detections import Detections


def detections(*rows: tuple[list[float], float, int]) -> Detections:
    boxes = np.array([row[0] for row in rows], np.float32).reshape(-1, 4)
    return Detections(boxes, np.array([r[1] for r in rows], np.float32), np.array([r[2] for r in rows], np.int64))


def test_a_record_by_hand() -> None:
    # Label 57 is DET id 58, n02084071, dog. 10.126 → 10.13, and 0.1 as float32 is 0.100000001490..., 0.1 in 7 digits.
    record = detection_record(
        "sub/a.jpg",
        (375, 500),
        detections(([0, 10.126, 500, 375], 0.93, 57), ([1, 2, 3, 4], 0.1, 0)),
        ilsvrc_detection_classes(),
        num_proposals=612,
        seconds={"decode": 0.012345, "propose": 0.11},
    )
    assert record == {
        "image": "sub/a.jpg",
        "width": 500,
        "height": 375,
        "detections": [
            {
                "label": 57,
                "det_id": 58,
                "wnid": "n02084071",
                "name": "dog",
                "score": 0.93,
                "box": [0.0, 10.13, 500.0, 375.0],
            },
            {
                "label": 0,
                "det_id": 1,
                "wnid": "n02672831",
                "name": "accordion",
                "score": 0.1,
                "box": [1.0, 2.0, 3.0, 4.0],
            },
        ],
        "num_proposals": 612,
        "seconds": {"decode": 0.0123, "propose": 0.11},
    }


def test_an_image_without_detections_has_an_empty_list() -> None:
    record = detection_record("a", (1, 1), detections(), ilsvrc_detection_classes(), num_proposals=0, seconds={})
    assert record["detections"] == []


def test_a_record_of_proposals_by_hand() -> None:
    record = proposal_record("sub/a.jpg", (375, 500), num_proposals=612, seconds={"decode": 0.012345, "propose": 0.11})
    assert record == {
        "image": "sub/a.jpg",
        "width": 500,
        "height": 375,
        "num_proposals": 612,
        "seconds": {"decode": 0.0123, "propose": 0.11},
    }


def test_a_class_that_is_none_of_the_200_has_no_det_id() -> None:
    own = (DetectionClass("", "my cat"),)
    (found,) = detection_record("a", (9, 9), detections(([0, 0, 1, 1], 1, 0)), own, num_proposals=1, seconds={})[
        "detections"
    ]
    assert (found["det_id"], found["wnid"], found["name"]) == (None, "", "my cat")


def test_scores_keep_seven_digits_and_their_order() -> None:
    scores = np.sort(np.random.default_rng(0).random(200).astype(np.float32) ** 4)[::-1]
    rows = [([0.0, 0.0, 1.0, 1.0], float(score), 0) for score in scores]
    record = detection_record("a", (1, 1), detections(*rows), ilsvrc_detection_classes(), num_proposals=1, seconds={})
    back = [found["score"] for found in record["detections"]]
    np.testing.assert_allclose(back, scores, rtol=5.1e-7)
    assert np.all(np.diff(back) <= 0)


@pytest.mark.parametrize("name", ["a b.jpg", "new\nline.jpg", "snö ❄.jpg", os.fsdecode(b"sn\xf6.jpg"), 'quo"te\\.jpg'])
def test_any_name_comes_back_from_one_ascii_line(name: str, tmp_path: Path) -> None:
    line = encode_record(error_record(name, "reason"))
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    (tmp_path / "d.jsonl").write_bytes(line)
    assert list(read_records(tmp_path / "d.jsonl")) == [{"image": name, "error": "reason"}]


@pytest.mark.parametrize(
    "damage",
    [
        b'{"image": "c"',
        b"[]\n",
        b'{"picture": "c"}\n',
        b'{"image": 3}\n',
        b"\xff\xfe\n",
        b"\0" * 9,
    ],
)
def test_what_follows_the_first_damaged_line_is_not_whole(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    whole = encode_record(error_record("a", "x")) + encode_record(error_record("b", "x"))
    path.write_bytes(whole + damage)
    records = list(whole_records(path))
    assert [record["image"] for record, _ in records] == ["a", "b"]
    assert [length for _, length in records] == [len(whole) // 2, len(whole)]
    with pytest.raises(ValueError, match=r"d\.jsonl, line 3: expected a detection record"):
        list(read_records(path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(cut=st.integers(0, 120))
def test_a_file_cut_anywhere_keeps_the_records_before_the_cut(cut: int, tmp_path: Path) -> None:
    lines = [encode_record(error_record(name, "reason")) for name in ("a", "b\n", "ö")]
    data = b"".join(lines)[:cut]
    (tmp_path / "d.jsonl").write_bytes(data)
    records = list(whole_records(tmp_path / "d.jsonl"))
    assert data.count(b"\n") == len(records)
    assert (records[-1][1] if records else 0) == data.rfind(b"\n") + 1


def test_an_empty_file_has_no_records(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_bytes(b"")
    assert list(whole_records(tmp_path / "d.jsonl")) == list(read_records(tmp_path / "d.jsonl")) == []


def test_records_are_json_of_the_standard() -> None:
    assert json.loads(encode_record(error_record("a", "x"))) == {"image": "a", "error": "x"}


@pytest.mark.parametrize(
    ("more", "lines"), [(b'{"image": "c"}', [1, 2, 3]), (b"\n", [1, 2]), (b' \n{"image": "c"}\n', [1, 2, 4])]
)
def test_a_file_that_another_program_wrote_may_end_without_a_newline_and_have_empty_lines(
    more: bytes, lines: list[int], tmp_path: Path
) -> None:
    """A run's own file may not: what it goes on from ends in a newline."""
    path = tmp_path / "d.jsonl"
    whole = encode_record(error_record("a", "x")) + encode_record(error_record("b", "x"))
    path.write_bytes(whole + more)
    assert [number for number, _ in numbered_records(path)] == lines
    assert [record["image"] for record in read_records(path)] == ["a", "b", "c"][: len(lines)]
    assert [length for _, length in whole_records(path)] == [len(whole) // 2, len(whole)]


def test_a_file_cut_off_in_a_record_says_how_to_go_on(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(encode_record(error_record("a", "x"))[:-4])
    with pytest.raises(
        ValueError, match=r"line 1: expected a detection record, found the file cut off in it; .*--resume"
    ):
        list(read_records(path))


def test_a_line_nested_too_deep_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(b"[" * 200_000 + b"\n")
    with pytest.raises(ValueError, match=r"d\.jsonl, line 1: expected a detection record, got "):
        list(read_records(path))
