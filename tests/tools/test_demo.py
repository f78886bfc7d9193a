"""`make demo`, with a detector that needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from detect.detection_records import read_records
from tools import demo


def test_the_sample_photos_are_installed() -> None:
    assert [path.stem for path in demo.sample_photos()] == list(demo.PHOTOS)
    assert all(path.is_file() for path in demo.sample_photos())


def test_the_demo_prints_a_table_and_can_be_run_again(
    fake: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert demo.main(["--out", str(tmp_path / "out"), "--model", "x"]) == 0
        table = capsys.readouterr().out
        for photo in demo.PHOTOS:
            assert table.count(photo) == 2
        assert "0.90" in table
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == len(demo.PHOTOS)


def test_a_wrong_flag_and_a_missing_model_are_status_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert demo.main(["--modl", "x"]) == 2
    assert "(did you mean --model?)" in capsys.readouterr().err
    assert demo.main(["--out", str(tmp_path / "out"), "--model", "nope"]) == 2
    assert "no model file nope" in capsys.readouterr().err


def test_it_finds_what_is_in_the_photos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the model and the settings of `make demo`."""
    assert demo.main(["--out", str(tmp_path / "out")]) == 0
    found = {
        Path(record["image"]).stem: {one["name"] for one in record["detections"]}
        for record in read_records(tmp_path / "out" / "detections.jsonl")
    }
    there = {"chelsea": "domestic cat", "coffee": "cup or mug", "astronaut": "person", "motorcycle_left": "motorcycle"}
    for photo, name in there.items():
        assert name in found[photo], found
    assert found["rocket"] == set(), "it is of none of the classes"
    assert "domestic cat" in capsys.readouterr().out
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == len(demo.PHOTOS)
