"""What a finished MultiBox run says of itself: figures by hand, pictures that open, and what is said of nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from detect.image_decoding import decode_image, decode_image_bytes
from detect.training.multibox_report import coverage_figures, coverage_summary, draw_coverage, write_coverage_report
from detect.training.multibox_validation import UNCERTAIN, CoverageResult


def result(overlaps: list[list[float]]) -> CoverageResult:
    found = np.array(overlaps, np.float64).reshape(2, -1)
    return CoverageResult(
        budgets=(10, 200),
        overlaps=found,
        labels=np.full(found.shape[1], UNCERTAIN),
        num_classes=3,
        num_boxes=np.array([100, 200]),
        unreadable=((Path("a.jpg"), "the file is empty (0 bytes)"),),
    )


def test_figures_by_hand() -> None:
    summary = coverage_summary(result([[0.2, 0.6, 0.0, 0.0], [0.6, 0.8, 0.4, 0.5]]), 0.7)
    assert summary["coverage"] == 0.75  # 3 of 4 at 0.5 or more
    assert [(row["boxes"], row["coverage"]) for row in summary["budgets"]] == [(10, 0.25), (200, 0.75)]
    assert summary["budgets"][1]["MABO"] == pytest.approx((0.6 + 0.8 + 0.4 + 0.5) / 4)
    assert (summary["num_images"], summary["num_objects"], summary["boxes_per_image"]) == (2, 4, 150)
    assert summary["prior_coverage"] == 0.7
    assert summary["unreadable"] == ["a.jpg: the file is empty (0 bytes)"]
    figures = coverage_figures(None, summary)
    assert (figures["coverage_before"], figures["coverage_after"], figures["num_objects"]) == (None, 0.75, 4)


def test_of_no_objects_nothing_is_said() -> None:
    summary = coverage_summary(result([[], []]), 0.7)
    assert summary["coverage"] is None
    assert [row["coverage"] for row in summary["budgets"]] == [None, None]
    assert "NaN" not in json.dumps(summary)
    assert decode_image_bytes(draw_coverage(summary, summary)).ndim == 3


def test_the_report_is_there_and_whole(tmp_path: Path) -> None:
    summary = coverage_summary(result([[0.2, 0.6], [0.6, 0.8]]), 0.7)
    write_coverage_report(tmp_path, metrics=tmp_path / "metrics.csv", before=None, after=summary)
    assert {path.name for path in tmp_path.iterdir()} == {"curves.png", "after.json", "coverage.png"}
    assert json.loads((tmp_path / "after.json").read_text()) == summary
    assert decode_image(tmp_path / "coverage.png").shape[2] == 3
    assert draw_coverage(None, summary) == draw_coverage(None, summary)
    write_coverage_report(tmp_path / "b", metrics=tmp_path / "metrics.csv", before=None, after=None)
    assert {path.name for path in (tmp_path / "b").iterdir()} == {"curves.png"}
