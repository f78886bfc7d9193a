"""How long does ILSVRC scoring take, and against pycocotools?

    python benchmarks/scoring.py [--ground-truth FILE] [--images 1000] [--json FILE]

2 million generated detections on 20,121 images of 200 classes, clustered on the objects: those of --ground-truth, or
generated ones of the same number. A process of its own reads the ILSVRC text (one thread) and scores it (two), and
reports its peak memory. Then, on the detections of the first --images images, both at IoU 0.5 and without objects so
small that ILSVRC asks less of them: pycocotools' COCOeval, with one threshold, one area range and all detections,
against ours. There the two rules match alike, so before anything is timed every detection's outcome is asserted to be
the same, and the precision at COCO's 101 recalls within 1e-9.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import multiprocessing
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from generated_detections import generated_predictions, generated_truth, write_submission
from measuring import environment, peak_bytes, quartiles, spread, write_json

from detect.ground_truth import GroundTruth
from detect.ground_truth_files import read_ground_truth
from detect.ground_truth_subset import restrict
from detect.prediction_images import PredictionImages
from detect.predictions import Predictions, read_predictions
from detect.scoring import HIT, Evaluation, evaluate
from detect.scoring.average_precision import envelope
from detect.scoring.ilsvrc import LEAST_OVERLAP, thresholds

THREADS = 2


def measure_all(text: Path, truth: GroundTruth, repeats: int, answer: Connection) -> None:
    """In a fresh process: seconds to read and to score, and the most memory this process has held."""
    images = PredictionImages(truth)
    evaluate(truth, first_of(read_predictions(text, images), 1000), threads=THREADS)  # compiles
    reading, scoring = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        predictions = read_predictions(text, images)
        reading.append(time.perf_counter() - start)
    for _ in range(repeats):
        start = time.perf_counter()
        evaluation = evaluate(truth, predictions, threads=THREADS)
        scoring.append(time.perf_counter() - start)
    answer.send(
        {
            "detections": len(predictions),
            "text_bytes": text.stat().st_size,
            "reading_seconds": reading,
            "scoring_seconds": scoring,
            "peak_bytes": peak_bytes(),
            "mAP": evaluation.mean_average_precision,
            "hits": int(np.sum(evaluation.outcomes == HIT)),
        }
    )


def first_of(predictions: Predictions, count: int) -> Predictions:
    return Predictions(
        predictions.image_of[:count], predictions.labels[:count], predictions.scores[:count], predictions.boxes[:count]
    )


def in_fresh_process(text: Path, truth: GroundTruth, repeats: int) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=measure_all, args=(text, truth, repeats, sender))
    process.start()
    sender.close()
    result: dict[str, Any] = receiver.recv()
    process.join()
    return result


def subsample(truth: GroundTruth, predictions: Predictions, images: int) -> tuple[GroundTruth, Predictions]:
    """The first images, without objects whose threshold is below 0.5."""
    truth = restrict(truth, truth.images[:images])
    large = thresholds(truth.boxes) == LEAST_OVERLAP
    objects = {name: getattr(truth, name)[large] for name in ("image_of", "boxes", "labels", "ignored")}
    return dataclasses.replace(truth, **objects), first_of(predictions, int(np.sum(predictions.image_of < images)))


def pycocotools_inputs(truth: GroundTruth, predictions: Predictions) -> tuple[Any, Any]:
    from pycocotools.coco import COCO

    sides = [boxes[:, 2:] - boxes[:, :2] for boxes in (truth.boxes, predictions.boxes)]
    columns = [
        (truth.numbers[truth.image_of], truth.labels + 1, np.hstack((truth.boxes[:, :2], sides[0]))),
        (truth.numbers[predictions.image_of], predictions.labels + 1, np.hstack((predictions.boxes[:, :2], sides[1]))),
    ]
    rows = [
        [
            {"id": i, "image_id": image, "category_id": one, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for i, (image, one, box) in enumerate(zip(*(c.tolist() for c in part), strict=True), start=1)
        ]
        for part in columns
    ]
    for row, score in zip(rows[1], predictions.scores.tolist(), strict=True):
        row["score"] = score
    inputs = []
    for part in rows:
        coco = COCO()
        coco.dataset = {
            "images": [{"id": number} for number in truth.numbers.tolist()],
            "categories": [{"id": label + 1} for label in range(len(truth.classes))],
            "annotations": part,
        }
        with contextlib.redirect_stdout(io.StringIO()):
            coco.createIndex()
        inputs.append(coco)
    return inputs[0], inputs[1]


def pycocotools_score(inputs: tuple[Any, Any]) -> Any:
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        evaluator = COCOeval(*inputs, "bbox")
        evaluator.params.iouThrs = np.array([LEAST_OVERLAP])
        evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluator.params.maxDets = [10**6]
        evaluator.evaluate()
        evaluator.accumulate()
    return evaluator


def assert_agreement(evaluator: Any, ours: Evaluation) -> None:
    found = np.zeros(ours.num_detections, np.bool_)
    for one in evaluator.evalImgs:
        if one is not None and one["dtIds"]:
            found[np.array(one["dtIds"]) - 1] = one["dtMatches"][0] > 0
    np.testing.assert_array_equal(found, ours.outcomes == HIT)
    for one in ours.per_class:
        if one.num_ground_truths:
            at = np.searchsorted(one.recall, evaluator.params.recThrs)
            at_levels = np.concatenate((envelope(one.precision), [0.0]))[at]
            theirs = evaluator.eval["precision"][0, :, one.label, 0, 0]
            np.testing.assert_allclose(at_levels, theirs, rtol=0, atol=1e-9)


def compare(truth: GroundTruth, predictions: Predictions, repeats: int) -> dict[str, Any]:
    """Seconds of both on the subsample, taking turns; neither reads a file or builds its index in that time."""
    inputs = pycocotools_inputs(truth, predictions)
    assert_agreement(pycocotools_score(inputs), evaluate(truth, predictions, threads=THREADS))
    theirs, ours = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        pycocotools_score(inputs)
        middle = time.perf_counter()
        evaluate(truth, predictions, threads=THREADS)
        theirs.append(middle - start)
        ours.append(time.perf_counter() - middle)
    return {
        "images": len(truth.images),
        "objects": len(truth.labels),
        "detections": len(predictions),
        "pycocotools_seconds": theirs,
        "ours_seconds": ours,
        "times_faster": quartiles(np.array(theirs) / np.array(ours)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ground-truth", type=Path, help="an ILSVRC tree, or the devkit's .mat")
    parser.add_argument("--detections", type=int, default=2_000_000)
    parser.add_argument("--images", type=int, default=1000, help="of the comparison with pycocotools")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file to write the results to")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    truth = read_ground_truth(arguments.ground_truth) if arguments.ground_truth else generated_truth(rng)
    predictions = generated_predictions(rng, truth, arguments.detections)
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "submission.txt")
        write_submission(text, truth, predictions)
        whole = in_fresh_process(text, truth, arguments.repeats)
    print(f"{len(truth.images):,} images, {len(truth.labels):,} objects, {whole['detections']:,} detections")
    print(f"mAP {whole['mAP']:.4f}; {whole['hits']:,} detections find an object; seconds: median (quartiles)")
    print(f"reading {whole['text_bytes'] / 1e6:.0f} MB of text, one thread   {spread(whole['reading_seconds'])}")
    print(f"scoring, {THREADS} threads                   {spread(whole['scoring_seconds'])}")
    print(f"peak memory of the process           {whole['peak_bytes'] / 1e9:.2f} GB")
    part = compare(*subsample(truth, predictions, arguments.images), arguments.repeats)
    print(f"\n{part['images']:,} images, {part['objects']:,} objects, {part['detections']:,} detections, IoU 0.5")
    print(f"pycocotools {spread(part['pycocotools_seconds'])}, ours {spread(part['ours_seconds'])}")
    low, middle, high = part["times_faster"]
    print(f"{middle:.0f} ({low:.0f}-{high:.0f}) times as fast")
    write_json(arguments.json, {"command": sys.argv, **environment(THREADS), "whole": whole, "part": part})


if __name__ == "__main__":
    main()
