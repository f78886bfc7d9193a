"""`googlenet-rcnn evaluate detections` from files to files."""

from __future__ import annotations

import csv
import gzip
import json
import math
import statistics
from pathlib import Path
from typing import Any

import pytest
from annotation_trees import write_json, write_voc_tree
from scored_files import CLASSES, generated_case, records, submission, write_truth
from scoring_cases import Case, oracle_ilsvrc, oracle_voc
from small_recall import write_small_set

from detect.detection_records import encode_record, error_record
from detect.exports import write_export
from tools.cli import main
from tools.evaluate_detections import PROTOCOLS

CASE = generated_case()


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return write_truth(tmp_path / "truth", CASE)


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    path = tmp_path / "submission.txt"
    path.write_text(submission(CASE))
    return path


def evaluate(predictions: Path, truth: Path, out: Path, *flags: str) -> dict[str, Any]:
    command = ["evaluate", "detections", "--predictions", str(predictions), "--ground-truth", str(truth)]
    assert main([*command, "--out", str(out), *flags]) == 0
    metrics: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return metrics


def refused(capsys: pytest.CaptureFixture[str], predictions: Path, truth: Path, out: Path, *flags: str) -> str:
    command = ["evaluate", "detections", "--predictions", str(predictions), "--ground-truth", str(truth)]
    assert main([*command, "--out", str(out), *flags]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("listed", [False, True])
def test_parity_on_generated_data(truth: Path, predictions: Path, tmp_path: Path, listed: bool) -> None:
    """The figures below come from the slow oracle; see tests/detect/scoring_cases.py."""
    blacklist = tmp_path / "blacklist.txt"
    blacklist.write_text("".join(f"{number} {CLASSES[label].wnid}\n" for number, label in CASE.blacklist))
    (tmp_path / "a.gz").write_bytes(gzip.compress(predictions.read_bytes()))
    case = CASE if listed else Case(CASE.numbers, CASE.objects, CASE.rows, classes=200)
    flags = ["--blacklist", str(blacklist)] if listed else []
    metrics = evaluate(tmp_path / "a.gz", truth, tmp_path / "out", *flags)
    outcomes, averages = oracle_ilsvrc(case)
    ours = [math.nan if row["AP"] is None else row["AP"] for row in metrics["per_class"]]
    assert ours == pytest.approx(averages, abs=1e-12, nan_ok=True)
    scored = [value for value in averages if not math.isnan(value)]
    assert metrics["mAP"] == pytest.approx(statistics.mean(scored), abs=1e-12)
    assert metrics["median_AP"] == pytest.approx(statistics.median(scored), abs=1e-12)
    assert metrics["num_classes_in_mean"] == len(scored)
    assert metrics["num_ignored"] == outcomes.count("ignored")
    assert sum(row["num_true_positives"] for row in metrics["per_class"]) == outcomes.count("hit")
    assert (metrics["mAP"], metrics["median_AP"]) == pytest.approx(EXPECTED[listed], abs=1e-12)


EXPECTED = {False: (0.320536178208214, 0.25), True: (0.315592884420309, 0.25)}  # blacklist: mean, median


def test_what_is_written(truth: Path, predictions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = evaluate(predictions, truth, tmp_path / "new" / "out")
    written = sorted(path.name for path in (tmp_path / "new" / "out").iterdir())
    assert written == ["index.html", "metrics.json", "per_class.csv"]
    assert metrics["protocol"] == "ilsvrc"
    assert metrics["num_images"] == 60
    assert metrics["num_ground_truths"] == 180
    assert metrics["num_detections"] == 3000
    assert metrics["per_class"][27]["name"] == "bow tie"
    assert metrics["per_class"][27]["det_id"] == 28
    assert metrics["settings"]["predictions"] == str(predictions)
    rows = list(csv.DictReader((tmp_path / "new" / "out" / "per_class.csv").open()))
    assert [float(row["AP"]) if row["AP"] else None for row in rows] == [row["AP"] for row in metrics["per_class"]]
    shown = capsys.readouterr()
    assert "protocol ilsvrc: 60 images, 180 objects, 3,000 detections" in shown.out
    assert f"mean AP {metrics['mAP']:.6f}, median {metrics['median_AP']:.6f}, over " in shown.out
    assert "of 200 classes" in shown.out
    assert "best" in shown.out
    assert "boxes have no area, the first on line" in shown.err


def test_all_prints_every_class(
    truth: Path, predictions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(predictions, truth, tmp_path / "out", "--all")
    shown = capsys.readouterr().out
    assert all(f"\n{one.name}" in shown for one in CLASSES)


def test_every_form_of_the_same_detections_gives_the_same(truth: Path, tmp_path: Path) -> None:
    """Whole pixels survive every format; upright boxes only, since detections.jsonl has no others."""
    rows = [row for row in CASE.rows if row[3][0] <= row[3][2] and row[3][1] <= row[3][3]]
    case = Case(CASE.numbers, CASE.objects, rows, classes=200)
    path = tmp_path / "detections.jsonl"
    path.write_bytes(b"".join(map(encode_record, records(case))))
    index = {f"image{number}": number for number in case.numbers}
    exported = [write_export(name, path, CLASSES, index) for name in ("coco", "ilsvrc")]
    (tmp_path / "own.txt").write_text(submission(case))
    listing = truth / "ImageSets" / "DET" / "val.txt"
    for protocol in PROTOCOLS:
        flags = ["--protocol", protocol, "--overwrite", "--image-index", str(listing)]
        found = [
            evaluate(file, truth, tmp_path / "out", *flags)["per_class"]
            for file in (path, *exported, tmp_path / "own.txt")
        ]
        assert found[0] == found[1] == found[2]
        if protocol in ("ilsvrc", "coco"):  # VOC breaks ties by the order of the file, which is by image in records
            assert found[3] == found[0]


def test_our_records_with_failures(truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = records(Case(CASE.numbers, rows=[(11, 3, 0.5, (1, 2, 3, 4))]))[:-2]
    path = tmp_path / "detections.jsonl"
    path.write_bytes(b"".join(map(encode_record, [*lines, error_record("image69.jpg", "broken")])))
    metrics = evaluate(path, truth, tmp_path / "out")
    assert metrics["predictions"]["failed_images"] == 1
    assert metrics["predictions"]["silent_images"] == 1
    error = capsys.readouterr().err
    assert "1 images could not be searched" in error
    assert "1 images of the ground truth have no record" in error


def test_lists(truth: Path, predictions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A part of the data set is scored as if the rest were not there."""
    chosen = [number for number in CASE.numbers if number % 3 == 0]
    (tmp_path / "val1.txt").write_text("".join(f"image{n} {i}\n" for i, n in enumerate(chosen)))
    metrics = evaluate(predictions, truth, tmp_path / "out", "--image-list", str(tmp_path / "val1.txt"))
    rows = [row for row in CASE.rows if row[0] in chosen]
    part = Case(chosen, [one for one in CASE.objects if one[0] in chosen], rows, classes=200)
    averages = oracle_ilsvrc(part)[1]
    assert [math.nan if row["AP"] is None else row["AP"] for row in metrics["per_class"]] == pytest.approx(
        averages, abs=1e-12, nan_ok=True
    )
    assert metrics["num_images"] == len(chosen)
    assert metrics["predictions"]["passed_over"] == len(CASE.rows) - len(rows)
    assert f"{len(CASE.rows) - len(rows)} detections are on images that are not scored" in capsys.readouterr().err


def test_an_index_of_more_images_than_are_annotated(truth: Path, predictions: Path, tmp_path: Path) -> None:
    index = tmp_path / "val.txt"
    index.write_text("".join(f"image{number} {number + 100}\n" for number in range(1, 200)))
    lines = [line.split(" ", 1) for line in predictions.read_text().splitlines(keepends=True)]
    predictions.write_text("".join(f"{int(number) + 100} {rest}" for number, rest in lines) + "102 1 .5 0 0 9 9\n")
    metrics = evaluate(predictions, truth, tmp_path / "out", "--image-index", str(index))
    assert metrics["mAP"] == pytest.approx(EXPECTED[False][0], abs=1e-12)
    assert metrics["predictions"]["passed_over"] == 1


def test_voc_and_coco_files(tmp_path: Path) -> None:
    """A VOC tree (1-based) with the same objects in COCO's form; results by category id."""
    objects = {"a": [("dog", (11, 11, 110, 110)), ("cat", (1, 1, 50, 50))], "b": [("dog", (5, 5, 90, 60))]}
    tree = write_voc_tree(tmp_path / "voc", objects, lists={"val": "a\nb\n"})
    (tmp_path / "found.txt").write_text("1 12 .9 10 10 109 109\n2 12 .8 0 0 9 9\n2 12 .7 4 4 89 59\n1 8 .6 0 0 49 49\n")
    metrics = evaluate(tmp_path / "found.txt", tree, tmp_path / "out1", "--protocol", "voc10")
    assert metrics["num_classes_in_mean"] == 2
    assert metrics["mAP"] == pytest.approx((1 + 1 / 2 + 1 / 2 * 2 / 3) / 2)  # 0-based boxes, 1-based annotation
    data = {
        "images": [{"id": 40, "file_name": "a.jpg"}, {"id": 7, "file_name": "b.jpg"}],
        "categories": [{"id": 18, "name": "dog"}, {"id": 17, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 40, "category_id": 18, "bbox": [10, 10, 100, 100]},
            {"id": 2, "image_id": 7, "category_id": 18, "bbox": [4, 4, 86, 56]},
            {"id": 3, "image_id": 40, "category_id": 17, "bbox": [0, 0, 50, 50]},
        ],
    }
    results = [
        {"image_id": 40, "category_id": 18, "score": 0.9, "bbox": [10, 10, 100, 100]},
        {"image_id": 7, "category_id": 18, "score": 0.8, "bbox": [0, 0, 10, 10]},
        {"image_id": 7, "category_id": 18, "score": 0.7, "bbox": [4, 4, 86, 56]},
        {"image_id": 40, "category_id": 17, "score": 0.6, "bbox": [0, 0, 50, 50]},
    ]
    write_json(tmp_path / "truth.json", data)
    (tmp_path / "results.json").write_text(json.dumps(results))
    voc = evaluate(tmp_path / "results.json", tmp_path / "truth.json", tmp_path / "out2", "--protocol", "voc10")
    assert voc["mAP"] == pytest.approx(metrics["mAP"])
    coco = evaluate(tmp_path / "results.json", tmp_path / "truth.json", tmp_path / "out3", "--protocol", "coco")
    assert coco["mAP"] == pytest.approx((1 + (51 + 50 * 2 / 3) / 101) / 2)  # recall 0, .01, ..., .5, then to 1
    assert coco["AP50"] == pytest.approx(coco["mAP"])


def test_a_config_file_says_the_same(truth: Path, predictions: Path, tmp_path: Path) -> None:
    config = tmp_path / "score.yaml"
    config.write_text("protocol: voc07\nall: true\n")
    metrics = evaluate(predictions, truth, tmp_path / "out", "--config", str(config))
    averages = oracle_voc(Case(CASE.numbers, CASE.objects, CASE.rows, classes=200), eleven=True)[1]
    assert metrics["protocol"] == "voc07"
    assert metrics["mAP"] == pytest.approx(statistics.mean(v for v in averages if not math.isnan(v)), abs=1e-12)


def test_results_are_not_replaced_unasked(
    truth: Path, predictions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("kept")
    evaluate(predictions, truth, out)
    before = (out / "metrics.json").read_bytes()
    capsys.readouterr()
    assert "already holds metrics.json: give --overwrite" in refused(capsys, predictions, truth, out)
    assert (out / "metrics.json").read_bytes() == before
    evaluate(predictions, truth, out, "--protocol", "voc10", "--overwrite")
    assert (out / "metrics.json").read_bytes() != before
    assert (out / "mine.txt").read_text() == "kept"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("11 1 .5 0 0 9", "line 3001: expected 7 numbers, got 6 fields"),
        ("11 1 nan 0 0 9 9", "line 3001: expected a finite score, got nan"),
        ("11 201 .5 0 0 9 9", "line 3001: expected a DET id of 1 to 200, got 201"),
        ("71 1 .5 0 0 9 9", "line 3001: expected an image index of the data set, got 71"),
    ],
)
def test_one_bad_line_and_nothing_is_scored(
    truth: Path, predictions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    predictions.write_text(predictions.read_text() + line)
    error = refused(capsys, predictions, truth, tmp_path / "out")
    assert f"{predictions}, {message}" in error
    assert not (tmp_path / "out").exists()


def test_refusals(truth: Path, predictions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, none = tmp_path / "out", tmp_path / "none.txt"
    assert "--predictions: no such file" in refused(capsys, none, truth, out)
    assert "--ground-truth: no such file or folder" in refused(capsys, predictions, none, out)
    assert "--out: expected a folder, got the file" in refused(capsys, predictions, truth, predictions)
    assert "--out: expected a folder, got nothing" in refused(capsys, predictions, truth, out, "--out", "")
    assert "--blacklist: cannot read" in refused(capsys, predictions, truth, out, "--blacklist", str(none))
    flags = ["--blacklist", str(none), "--protocol", "coco"]
    assert "--blacklist: expected --protocol ilsvrc with it" in refused(capsys, predictions, truth, out, *flags)
    assert "voc12" in refused(capsys, predictions, truth, out, "--protocol", "voc12")
    assert not out.exists()


def test_an_output_folder_that_cannot_be_made(
    truth: Path, predictions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "detections", "--predictions", str(predictions), "--ground-truth", str(truth)]
    assert main([*command, "--out", str(predictions / "out")]) == 1
    assert "cannot write" in capsys.readouterr().err.splitlines()[-1]


def test_the_flag_knows_every_protocol() -> None:
    from detect import scoring

    assert scoring.PROTOCOLS == PROTOCOLS


def mistaken_case() -> Case:
    """Every third detection has the class after its own."""
    rows = [(number, (label + (i % 3 == 0)) % 200, *rest) for i, (number, label, *rest) in enumerate(CASE.rows)]
    return Case(CASE.numbers, CASE.objects, rows, classes=200)


# Number and cost of each type in `mistaken_case`, from the slow oracle in tests/detect/scoring/analysis_oracle.py.
WHY = {
    "classification": (79, 0.059527234),
    "localisation": (10, 0.006109911),
    "both": (23, 5.2027e-05),
    "duplicate": (49, 0.000173076),
    "background": (2734, 0.333777555),
    "missed": (45, 0.018616246),
}


def test_why(truth: Path, predictions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predictions.write_text(submission(mistaken_case()))
    metrics = evaluate(predictions, truth, tmp_path / "out")
    wrong = sum(row["num_false_positives"] for row in metrics["per_class"])
    types = metrics["errors"]["types"]
    assert sum(one["count"] for name, one in types.items() if name != "missed") == wrong
    assert metrics["errors"]["false_positives"]["count"] == wrong
    assert metrics["errors"]["mAP"] == metrics["mAP"]
    assert {name: (one["count"], round(one["dAP"], 9)) for name, one in types.items()} == WHY
    for scheme in metrics["by_size"].values():
        assert sum(one["num_ground_truths"] for one in scheme.values()) == 180
    pairs = [(one["actual"]["name"], one["predicted"]["name"], one["num_detections"]) for one in metrics["confusions"]]
    assert len(pairs) == 20
    assert pairs[0] == ("accordion", "airplane", 13)
    assert "proposals" not in metrics
    shown = capsys.readouterr().out
    assert "errors (TIDE)" in shown
    assert "most confused" in shown
    assert "accordion taken for airplane" in shown


def test_no_analysis(truth: Path, predictions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_it = evaluate(predictions, truth, tmp_path / "out")
    capsys.readouterr()
    without = evaluate(predictions, truth, tmp_path / "other", "--no-analysis")
    assert set(with_it) - set(without) == {"errors", "by_size", "confusions"}
    assert without["per_class"] == with_it["per_class"]
    assert "TIDE" not in capsys.readouterr().out


def test_proposals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree, proposals = write_small_set(tmp_path)
    (tmp_path / "found.txt").write_text("11 59 .5 0 0 9 9\n")
    metrics = evaluate(tmp_path / "found.txt", tree, tmp_path / "out", "--proposals", str(proposals))
    assert metrics["proposals"]["coverage"]["all"] == pytest.approx(2 / 3)
    assert metrics["settings"]["proposals"] == str(proposals)
    shown = capsys.readouterr()
    assert "proposals cover 0.6667 of the objects" in shown.out
    assert "1 images could not be searched and count as having no proposals, such as" in shown.err


def test_proposals_that_cannot_be_used(
    truth: Path, predictions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, none = tmp_path / "out", tmp_path / "none"
    flags = ["--proposals", str(none)]
    assert "--proposals: no such folder" in refused(capsys, predictions, truth, out, *flags)
    flags = ["--proposals", str(tmp_path), "--no-analysis"]
    assert "--proposals: expected without --no-analysis" in refused(capsys, predictions, truth, out, *flags)
    flags = ["--proposals", str(tmp_path)]
    mat = tmp_path / "truth.mat"
    assert "--image-index: expected ILSVRC's val.txt" in refused(capsys, predictions, mat, out, *flags)
    assert not out.exists()
