"""COCO's rule against pycocotools used as its own users do: files, loadRes, summarize."""

from __future__ import annotations

import contextlib
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scoring_cases import Case, random_case

from detect.scoring import HIT, IGNORED, MISS, evaluate

BIG = (0, 0, 99, 99)


def official(case: Case, folder: Path) -> tuple[Any, list[float]]:
    """The summary (AP, AP50, AP75, ...) and per-class AP."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def row(number: int, label: int, box: tuple[float, ...]) -> dict[str, Any]:
        x1, y1, x2, y2 = box
        size = [x2 - x1 + 1, y2 - y1 + 1]
        return {"image_id": number, "category_id": 10 * label + 5, "bbox": [x1, y1, *size], "area": size[0] * size[1]}

    truth = {
        "images": [{"id": number} for number in case.numbers],
        "categories": [{"id": 10 * label + 5} for label in range(case.classes)],
        "annotations": [
            {**row(n, label, box), "id": i, "iscrowd": int(crowd)}
            for i, (n, label, box, crowd) in enumerate(case.objects, start=1)
        ],
    }
    (folder / "truth.json").write_text(json.dumps(truth))
    results = [{**row(n, label, box), "score": score} for n, label, score, box in case.rows]
    (folder / "results.json").write_text(json.dumps(results))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(folder / "truth.json"))
        evaluator = COCOeval(coco, coco.loadRes(str(folder / "results.json")), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    precision = evaluator.eval["precision"][:, :, :, 0, 2]
    averages = [precision[:, :, k] for k in range(case.classes)]
    return evaluator.stats, [p.mean() if p.max() > -1 else math.nan for p in averages]


def test_agrees_with_pycocotools(tmp_path: Path) -> None:
    compared = 0
    for seed in range(150):
        case = random_case(seed, difficult=True)
        upright = [row for row in case.rows if row[3][0] <= row[3][2] and row[3][1] <= row[3][3]]
        case = Case(case.numbers, case.objects, upright, classes=case.classes)
        if not case.rows:  # loadRes does not take an empty list
            continue
        stats, averages = official(case, tmp_path)
        evaluation = evaluate(case.truth(), case.predictions(), "coco")
        ours = [math.nan if c.average_precision is None else c.average_precision for c in evaluation.per_class]
        np.testing.assert_allclose(ours, averages, rtol=0, atol=1e-12, err_msg=str(seed))
        if evaluation.mean_average_precision is None:
            assert stats[0] == -1
            continue
        means = [evaluation.mean_average_precision, evaluation.more["AP50"], evaluation.more["AP75"]]
        np.testing.assert_allclose(means, stats[:3], rtol=0, atol=1e-12, err_msg=str(seed))
        compared += 1
    assert compared > 70


def test_by_hand() -> None:
    """IoU 0.8 finds the object at 0.5, 0.55, ..., 0.8: 7 of 10 thresholds."""
    case = Case([7], [(7, 1, BIG, False)], [(7, 1, 0.5, (0, 0, 99, 79))])
    evaluation = evaluate(case.truth(), case.predictions(), "coco")
    assert evaluation.mean_average_precision == pytest.approx(0.7)
    assert evaluation.more == {"AP50": pytest.approx(1), "AP75": pytest.approx(1)}
    assert (evaluation.num_classes, evaluation.num_ground_truths) == (1, 1)
    assert evaluation.per_class[1].recall.tolist() == pytest.approx([i / 100 for i in range(101)])
    assert evaluation.per_class[1].precision == pytest.approx(np.ones(101))
    assert evaluation.per_class[0].recall.size == 0


def test_outcomes() -> None:
    """A hit, one in a crowd, a reversed box, and of 101 more only those among the 100 best are looked at."""
    crowd = (300, 0, 399, 99)
    rows = [(1, 0, 0.9, BIG), (1, 0, 0.8, (300, 0, 309, 9)), (1, 0, 0.7, (20, 0, 10, 9))]
    rows += [(1, 0, 0.5, (500, 500, 509, 509))] * 98
    case = Case([1], [(1, 0, BIG, False), (1, 0, crowd, True)], rows)
    evaluation = evaluate(case.truth(), case.predictions(), "coco")
    assert evaluation.outcomes.tolist() == [HIT, IGNORED, MISS, *[MISS] * 97, IGNORED]
    assert evaluation.matched.tolist() == [0, 1, -1, *[-1] * 98]
    assert evaluation.truths_left_out.tolist() == [False, True]


@pytest.mark.parametrize("case", [Case([]), Case([5]), Case([5], rows=[(5, 0, 0.5, BIG)])])
def test_nothing(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    evaluation = evaluate(case.truth(), case.predictions(), "coco")
    assert evaluation.mean_average_precision is None
    assert evaluation.more == {}
    assert capsys.readouterr() == ("", "")


def test_objects_and_no_detections() -> None:
    case = Case([5], [(5, 0, BIG, False)])
    assert evaluate(case.truth(), case.predictions(), "coco").mean_average_precision == 0
