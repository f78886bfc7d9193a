"""What do enlarged superpixels save, and what do they cost? GoogLeNet's claim: twice as large ones halve the boxes.

    python benchmarks/superpixel_scale.py --data DET DIR TREE --data LOC DIR TREE --data VOC DIR TREE
        [--limit 100] [--workers 2] [--opencv-quality] [--json FILE]

Every mode of ours but single at superpixel scales 1, 1.5, 2 and 3, beside OpenCV's modes, on photos spaced evenly over
each data set. Boxes: mean of a photo. Coverage, ABO and MABO as `googlenet-rcnn evaluate proposals` has them, with all
boxes (the order does not matter), and coverage with the first 1000 (ours by seed 0; OpenCV's in its own order, which
differs from run to run, see opencv_search.py). "Change" is coverage less that of the same mode at scale 1, with its
95 % interval from 2000 resamplings of the photos. Nothing is timed, so photos are searched by --workers threads;
asserted on the first photo of each data set: two threads inside the search give the same boxes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from measuring import environment, markdown, write_json
from opencv_search import opencv_boxes
from truth_photos import TruthPhotos, figures, measure_boxes, read_photos, share

from detect.proposal_recall import MeasuredProposals
from detect.recall_report import budget_name
from proposals import selective_search
from proposals.diversity import MODES
from proposals.recall import Budget

BUDGETS: tuple[Budget, ...] = (100, 500, 1000, 2000, None)
SCALES = (1.0, 1.5, 2.0, 3.0)
RESAMPLINGS = 2000

Name = tuple[str, float | None]  # mode and superpixel scale; of OpenCV: None
Search = Callable[[np.ndarray], np.ndarray]


def build_methods(modes: Sequence[str], opencv_modes: Sequence[str]) -> dict[Name, Search]:
    def ours(image: np.ndarray, mode: str, scale: float) -> np.ndarray:
        return selective_search(image, mode, superpixel_scale=scale).boxes

    found: dict[Name, Search] = {(m, s): partial(ours, mode=m, scale=s) for m in modes for s in SCALES}
    return {**found, **{(f"OpenCV {mode}", None): partial(opencv_boxes, mode=mode) for mode in opencv_modes}}


def check_agreement(image: np.ndarray, modes: Sequence[str]) -> None:
    """Also compiles, or loads, every kernel before several threads want to."""
    for mode in modes:
        boxes = [selective_search(image, mode, superpixel_scale=2, workers=workers).boxes for workers in (1, 2)]
        np.testing.assert_array_equal(*boxes)


def search_all(photos: TruthPhotos, methods: dict[Name, Search], workers: int) -> dict[Name, MeasuredProposals]:
    def search(position: int) -> list[np.ndarray]:
        image = photos.image(position)
        return [method(image) for method in methods.values()]

    rows = []
    with ThreadPoolExecutor(workers) as pool:
        for row in pool.map(search, range(len(photos))):
            rows.append(row)
            print(f"\r{len(rows)}/{len(photos)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    columns = zip(*rows, strict=True)
    return {name: measure_boxes(photos.truth, boxes, BUDGETS) for name, boxes in zip(methods, columns, strict=True)}


def coverage_change(one: MeasuredProposals, other: MeasuredProposals) -> list[float]:
    """Coverage of `one` less that of `other` on the same photos: [low, value, high] with the 95 % interval."""
    image_of = one.ground_truth.image_of[one.counted]
    photos = len(one.ground_truth.images)
    gained = (one.at(None) >= 0.5).astype(float) - (other.at(None) >= 0.5)
    sums = np.bincount(image_of, gained, photos), np.bincount(image_of, minlength=photos)
    draws = np.random.default_rng(0).multinomial(photos, np.full(photos, 1 / photos), RESAMPLINGS)
    low, high = np.percentile(draws @ sums[0] / np.maximum(draws @ sums[1], 1), (2.5, 97.5))
    return [float(low), float(gained.mean()), float(high)]


def summary(measured: dict[Name, MeasuredProposals]) -> list[dict[str, Any]]:
    results = []
    for (mode, scale), one in measured.items():
        row: dict[str, Any] = {"mode": mode, "superpixel_scale": scale}
        row["budgets"] = {budget_name(budget): figures(one, budget) for budget in BUDGETS}
        if scale is not None:
            usual = measured[mode, 1.0]
            ratios = one.num_boxes / usual.num_boxes
            row["boxes_of_scale_1"] = float(one.num_boxes.sum() / usual.num_boxes.sum())
            row["boxes_of_scale_1_a_photo"] = [float(value) for value in np.percentile(ratios, (25, 50, 75))]
            row["coverage_change"] = coverage_change(one, usual)
        results.append(row)
    return results


def table(results: Sequence[dict[str, Any]]) -> str:
    rows = []
    for row in results:
        found, scale = row["budgets"]["all"], row["superpixel_scale"]
        fewer = change = ""
        if scale not in (None, 1.0):
            low, middle, high = row["coverage_change"]
            fewer, change = f"{row['boxes_of_scale_1']:.2f}", f"{middle:+.3f} ({low:+.3f} to {high:+.3f})"
        metrics = [share(found[metric]) for metric in ("coverage", "ABO", "MABO")]
        first = share(row["budgets"]["1000"]["coverage"])
        name = row["mode"] if scale is None else f"{row['mode']} ×{scale:g}"
        rows.append([name, f"{found['boxes']:.0f}", fewer, metrics[0], change, *metrics[1:], first])
    head = ("", "boxes", "of ×1's", "coverage", "change (95 %)", "ABO", "MABO", "coverage, N = 1000")
    return markdown(head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ("NAME", "IMAGES", "GROUND_TRUTH")
    parser.add_argument("--data", nargs=3, metavar=names, action="append", required=True, help="may be repeated")
    parser.add_argument("--limit", type=int, default=100, help="photos of each data set")
    parser.add_argument("--workers", type=int, default=2, help="photos that are searched at a time")
    default = tuple(mode for mode in MODES if mode != "single")
    parser.add_argument("--modes", nargs="+", choices=tuple(MODES), default=default, help="of ours")
    parser.add_argument("--opencv-quality", action="store_true", help="also OpenCV's quality: 3 to 5 s a photo")
    parser.add_argument("--json", type=Path, help="file to write the results to")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    methods = build_methods(arguments.modes, ("fast", "quality") if arguments.opencv_quality else ("fast",))
    sets = {}
    for name, images, ground_truth in arguments.data:
        photos = read_photos(Path(images), Path(ground_truth), arguments.limit)
        check_agreement(photos.image(0), arguments.modes)
        results = summary(search_all(photos, methods, arguments.workers))
        print(f"{name}: {photos.describe()}\n\n{table(results)}\n", flush=True)
        sets[name] = {"photos": list(photos.truth.images), "results": results}
    write_json(arguments.json, {"command": sys.argv, **environment(arguments.workers), "data": sets})


if __name__ == "__main__":
    main()
