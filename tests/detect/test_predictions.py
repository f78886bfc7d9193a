"""The form of predictions, and which reader a file goes to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from empty_truths import empty_truth

from detect.prediction_images import PredictionImages
from detect.predictions import Predictions, read_predictions

IMAGES = PredictionImages(empty_truth({"a": 70}))
GOOD: dict[str, Any] = {
    "image_of": np.zeros(2, np.int64),
    "labels": np.zeros(2, np.int64),
    "scores": np.zeros(2),
    "boxes": np.zeros((2, 4)),
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_of": np.zeros(2, np.int32)}, r"image_of: expected int64 \(2,\), got int32 \(2,\)"),
        ({"scores": np.zeros(3)}, r"scores: expected float64 \(2,\), got float64 \(3,\)"),
        ({"boxes": np.zeros((2, 5))}, r"boxes: expected float64 \(2, 4\), got float64 \(2, 5\)"),
        ({"scores": np.array([0, np.nan])}, "scores and boxes: expected finite numbers"),
        ({"boxes": np.full((2, 4), np.inf)}, "scores and boxes: expected finite numbers"),
    ],
)
def test_checks(changes: dict[str, Any], message: str) -> None:
    assert len(Predictions(**GOOD)) == 2
    with pytest.raises(ValueError, match=message):
        Predictions(**{**GOOD, **changes})


@pytest.mark.parametrize(
    ("name", "content"), [("a.txt", ""), ("A.TXT", "70 1 .5 0 0 9 9"), ("a.jsonl", ""), ("a.json", "[]")]
)
def test_endings(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert len(read_predictions(tmp_path / name, IMAGES)) == bool("70" in content)


def test_refusals(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(ValueError, match=r"a.csv: expected a file ending in .txt, .gz, .jsonl or .json"):
        read_predictions(tmp_path / "a.csv", IMAGES)
    for name in ("none.txt", "none.gz", "none.jsonl", "none.json"):
        with pytest.raises(ValueError, match=f"cannot read .*{name}: No such file"):
            read_predictions(tmp_path / name, IMAGES)
