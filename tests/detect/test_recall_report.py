"""The table, `metrics.json` and `per_class.csv` of a small set, by hand."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from small_recall import CAT, write_small_set

from detect.ground_truth_files import read_ground_truth
from detect.proposal_recall import MeasuredProposals, measure_proposals
from detect.recall_report import THRESHOLDS, per_class_csv, report, table


@pytest.fixture
def measured(tmp_path: Path) -> MeasuredProposals:
    tree, folder = write_small_set(tmp_path)
    return measure_proposals(read_ground_truth(tree), folder)


def test_the_report_by_hand(measured: MeasuredProposals) -> None:
    content = json.loads(json.dumps(report(measured), allow_nan=False))
    assert (content["num_images"], content["num_ground_truths"], content["num_ignored"]) == (3, 3, 0)
    assert (content["num_classes"], content["num_classes_with_ground_truth"]) == (200, 2)
    assert content["failed_images"] == ["b"]
    assert list(content["budgets"]) == ["10", "100", "300", "1000", "2000", "all"]
    # At 100, cats have 0.5 and 0, the dog 0.
    assert content["budgets"]["100"] == {
        "boxes_per_image": 33.67,
        "coverage": 0.333333,
        "recall_at_0.7": 0.0,
        "ABO": 0.166667,
        "MABO": 0.125,
        "AR": 0.0,
    }
    # Of all, cats have 0.5 and 0, the dog 1: MABO (0.25 + 1) / 2, AR 2/3 · 0.5.
    assert content["budgets"]["all"] == {
        "boxes_per_image": 34.0,
        "coverage": 0.666667,
        "recall_at_0.7": 0.333333,
        "ABO": 0.5,
        "MABO": 0.625,
        "AR": 0.333333,
    }
    assert content["recall_against_iou"]["iou"] == list(THRESHOLDS)
    assert content["recall_against_iou"]["all"] == [0.666667] + [0.333333] * 50
    curve = dict(zip(content["against_n"]["n"], content["against_n"]["recall_at_0.5"], strict=True))
    assert list(curve) == sorted(curve)
    assert (curve[10], curve[20], curve[100], curve[300]) == (0, 0.333333, 0.333333, 0.666667)
    rows = {row["wnid"]: row for row in content["per_class"]}
    assert len(rows) == 200
    assert rows[CAT]["name"] == "domestic cat"
    assert (rows[CAT]["det_id"], rows[CAT]["label"], rows[CAT]["num_ground_truths"]) == (59, 58, 2)
    assert rows[CAT]["ABO"]["all"] == 0.25
    assert rows[CAT]["coverage"]["all"] == 0.5
    assert content["per_class"][0]["ABO"]["all"] is None


def test_the_table_names_the_protocol_and_has_a_line_per_budget(measured: MeasuredProposals) -> None:
    lines = table(measured).splitlines()
    assert lines[0] == "3 images with 3 objects of 2 of 200 classes"
    assert lines[1].startswith("Best IoU (continuous edges) of each ground-truth box with the first N proposals")
    assert max(map(len, lines)) <= 100
    rows = {line.split()[0]: line.split()[1:] for line in lines[6:13]}
    assert rows["N"] == ["boxes/image", "coverage", "IoU>=0.7", "ABO", "MABO", "AR"]
    assert rows["100"] == ["33.7", "0.333", "0.000", "0.167", "0.125", "0.000"]
    assert rows["all"] == ["34.0", "0.667", "0.333", "0.500", "0.625", "0.333"]
    assert lines[14:] == ["1 images could not be searched and count as having no proposals: b."]


def test_remarks(measured: MeasuredProposals) -> None:
    odd = dataclasses.replace(
        measured,
        ground_truth=dataclasses.replace(measured.ground_truth, ignored=np.array([True, False, False])),
        counted=np.array([1, 2]),
        overlaps=measured.overlaps[:, 1:],
        failed=("b", "c", "d", "e"),
        other_size=("a",),
        unused=7,
    )
    assert table(odd).splitlines()[-4:] == [
        "1 difficult or crowd objects left out.",
        "4 images could not be searched and count as having no proposals: b, c, d, ....",
        "1 images have another size than the ground truth says: a.",
        "7 other files were not used.",
    ]


def test_the_csv_has_classes_with_objects_only(measured: MeasuredProposals) -> None:
    rows = list(csv.DictReader(io.StringIO(per_class_csv(measured))))
    assert [(row["label"], row["name"], row["num_ground_truths"]) for row in rows] == [
        ("57", "dog", "1"),
        ("58", "domestic cat", "2"),
    ]
    assert [rows[1]["ABO@10"], rows[1]["ABO@all"], rows[0]["coverage@100"], rows[0]["coverage@300"]] == [
        "0.0",
        "0.25",
        "0.0",
        "1.0",
    ]


def test_without_objects_there_are_no_figures(measured: MeasuredProposals) -> None:
    none = dataclasses.replace(measured, counted=measured.counted[:0], overlaps=measured.overlaps[:, :0])
    content = json.loads(json.dumps(report(none), allow_nan=False))
    assert content["budgets"]["all"]["coverage"] is None
    assert content["num_classes_with_ground_truth"] == 0
    assert "  all         34.0         -         -       -       -       -" in table(none)
    assert len(per_class_csv(none).splitlines()) == 1


@pytest.mark.parametrize("budgets", [(5, None), (None,), (101, 11, 101), ()])
def test_the_budgets_asked_for_are_reported_in_their_order(tmp_path: Path, budgets: tuple[int | None, ...]) -> None:
    tree, folder = write_small_set(tmp_path)
    measured = measure_proposals(read_ground_truth(tree), folder, budgets)
    names = ["all" if budget is None else str(budget) for budget in dict.fromkeys(budgets)]
    content = report(measured)
    assert list(content["budgets"]) == names
    assert list(content["recall_against_iou"]) == ["iou", *names]
    assert list(content["per_class"][0]["ABO"]) == names
    coverage = {"5": 0, "11": 0.333333, "101": 0.666667, "all": 0.666667}
    assert {name: content["budgets"][name]["coverage"] for name in names} == {name: coverage[name] for name in names}
    assert [line.split()[0] for line in table(measured).splitlines()[7 : 7 + len(names)]] == names
    assert per_class_csv(measured).splitlines()[0].count("coverage@") == len(names)


def test_without_proposals_there_is_no_curve(tmp_path: Path) -> None:
    tree, folder = write_small_set(tmp_path)
    for file in folder.rglob("*.npz"):
        record = {"image": file.relative_to(folder).as_posix().removesuffix(".npz"), "error": "truncated"}
        with (folder / "proposals.jsonl").open("a") as records:
            records.write(json.dumps(record) + "\n")
        file.unlink()
    content = report(measure_proposals(read_ground_truth(tree), folder, (None,)))
    assert content["against_n"] == {"n": [], "recall_at_0.5": [], "recall_at_0.7": [], "AR": []}
    assert content["budgets"]["all"]["coverage"] == 0
