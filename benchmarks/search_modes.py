"""Which colour spaces, scales and strategies make the best use of the time? How the mode "balanced" was chosen.

    python benchmarks/search_modes.py --data VOC DIR TREE --data LOC DIR TREE [--limit 100] [--seeds 3] [--json FILE]

Candidates beside the authors' "fast", and OpenCV's fast, on photos spaced evenly over each data set. Choose on
photos that no score is reported on: VOC and CLS-LOC, never ILSVRC DET. Coverage and ABO over all objects with the
first N boxes and with all, means over the seeds of the ranking; seconds are those of one thread, median of the
photos, all candidates taking turns.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from measuring import environment, markdown, write_json
from opencv_search import opencv_boxes
from superpixel_scale import BUDGETS
from truth_photos import TruthPhotos, figures, measure_boxes, read_photos, share

from detect.recall_report import budget_name
from proposals import Diversity, selective_search
from proposals.diversity import MODES

BOTH, TWO, FOUR = ("HSV", "Lab"), ("CTSF", "TSF"), ("CTSF", "TSF", "F", "S")
CANDIDATES = {
    "fast: k 50, 100": MODES["fast"],
    "balanced: k 50, 150, 450": MODES["balanced"],
    "k 70, 150, 300": Diversity(BOTH, TWO, (70, 150, 300)),
    "k 100, 200, 450": Diversity(BOTH, TWO, (100, 200, 450)),
    "k 150, 300, 450, as OpenCV": Diversity(BOTH, TWO, (150, 300, 450)),
    "k 70, 200, 600": Diversity(BOTH, TWO, (70, 200, 600)),
    "k 50, 150, 450, CTSF only": Diversity(BOTH, ("CTSF",), (50, 150, 450)),
    "k 50, 150, 450, all four": Diversity(BOTH, FOUR, (50, 150, 450)),
    "k 50, 150, 450, with rgI": Diversity((*BOTH, "rgI"), TWO, (50, 150, 450)),
    "k 50, 150, 450, I for HSV": Diversity(("I", "Lab"), TWO, (50, 150, 450)),
}


def measure(photos: TruthPhotos, seeds: int) -> dict[str, dict[str, Any]]:
    boxes: dict[str, list[list[np.ndarray]]] = {name: [[] for _ in range(seeds)] for name in CANDIDATES}
    seconds: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    theirs = []
    for position in range(len(photos)):
        image = photos.image(position)
        theirs.append(opencv_boxes(image, "fast"))
        for seed in range(seeds):
            for name, candidate in CANDIDATES.items():
                start = time.perf_counter()
                boxes[name][seed].append(selective_search(image, candidate, seed=seed).boxes)
                seconds[name].append(time.perf_counter() - start)
        print(f"\r{position + 1}/{len(photos)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    results = {name: {"seconds": float(np.median(seconds[name])), **row(photos, boxes[name])} for name in CANDIDATES}
    return {**results, "OpenCV fast": {"seconds": float("nan"), **row(photos, [theirs])}}


def row(photos: TruthPhotos, by_seed: list[list[np.ndarray]]) -> dict[str, Any]:
    measured = [measure_boxes(photos.truth, boxes, BUDGETS) for boxes in by_seed]
    found = {budget_name(budget): [figures(one, budget) for one in measured] for budget in BUDGETS}
    return {name: {key: float(np.mean([one[key] for one in ones])) for key in ones[0]} for name, ones in found.items()}


def table(results: dict[str, dict[str, Any]]) -> str:
    names = [budget_name(budget) for budget in BUDGETS]
    rows = []
    for name, found in results.items():
        seconds = "" if np.isnan(found["seconds"]) else f"{found['seconds']:.3f}"
        cells = [f"{share(found[budget]['coverage'])} / {share(found[budget]['ABO'])}" for budget in names]
        rows.append([name, seconds, f"{found['all']['boxes']:.0f}", *cells])
    return markdown(("coverage / ABO", "seconds", "boxes", *(f"N = {name}" for name in names)), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ("NAME", "IMAGES", "GROUND_TRUTH")
    parser.add_argument("--data", nargs=3, metavar=names, action="append", required=True, help="may be repeated")
    parser.add_argument("--limit", type=int, default=100, help="photos of each data set")
    parser.add_argument("--seeds", type=int, default=3, help="of the ranking, to average over")
    parser.add_argument("--json", type=Path, help="file to write the results to")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    sets = {}
    for name, images, ground_truth in arguments.data:
        photos = read_photos(Path(images), Path(ground_truth), arguments.limit)
        for candidate in CANDIDATES.values():  # compiles, or loads, every kernel
            selective_search(photos.image(0), candidate)
        sets[name] = measure(photos, arguments.seeds)
        print(f"{name}: {photos.describe()}\n\n{table(sets[name])}\n", flush=True)
    write_json(arguments.json, {"command": sys.argv, **environment(1), "data": sets})


if __name__ == "__main__":
    main()
