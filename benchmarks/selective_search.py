"""Is our selective search faster than OpenCV's, and does it find as much?

    python benchmarks/selective_search.py --images DIR --ground-truth TREE [--limit 60] [--repeats 3] [--json FILE]

Both on one thread, in one process, on the same pictures at width 500; photos evenly spaced over the folder. On every
photo all methods take turns, as often as --repeats says (OpenCV's quality --opencv-quality-repeats times), and who goes
first moves on. A photo's seconds are the median of its repeats; a ratio is OpenCV's over ours on the same photo; both
are given as the median over photos and its quartiles. OpenCV has no superpixel scale and no balanced mode: quality is
compared with its quality, fast and the default mode with its fast, single with nothing.

Coverage (share of objects with IoU >= 0.5), ABO (mean IoU over all objects) and MABO (mean over classes of their ABO)
are those of `googlenet-rcnn evaluate proposals`, with the first N boxes, averaged over the repeats: a repeat is another
random order of the same boxes, ours by its seed, OpenCV's by the state of the C library (see opencv_search.py). OpenCV
puts small boxes first, so its order is also given backwards. It drops no box for being small; ours has those of at
least 20 pixels.

Asserted: the same call gives the same boxes in the same order, on one thread or two; repeats give the same set.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from measuring import environment, markdown, quartiles, spread, write_json
from opencv_search import opencv_boxes
from truth_photos import TruthPhotos, figures, measure_boxes, read_photos, share

from configs.proposing import ProposeConfig, search_mode
from detect.recall_report import budget_name
from proposals import selective_search
from proposals.diversity import MODES
from proposals.recall import Budget

BUDGETS: tuple[Budget, ...] = (100, 500, 1000, 2000, None)
METRICS = ("coverage", "ABO", "MABO")
BACKWARDS = ", order reversed"
QUOTED = {  # IJCV, on VOC 2007 test: boxes, coverage, MABO
    "paper, fast": (2134, 0.980, 0.804),
    "paper, quality": (10097, 0.991, 0.879),
}


@dataclass(frozen=True)
class Method:
    """`search`: image and number of the repeat → boxes, best first; `reference`: the method it is compared with."""

    name: str
    search: Callable[[np.ndarray, int], np.ndarray]
    repeats: int
    reference: str | None = None


def ours(mode: str, scale: float, repeats: int) -> Method:
    def search(image: np.ndarray, repeat: int) -> np.ndarray:
        return selective_search(image, mode, superpixel_scale=scale, seed=repeat).boxes

    reference = {"single": None, "quality": "OpenCV quality"}.get(mode, "OpenCV fast")
    return Method(f"{mode} ×{scale:g}", search, repeats, reference)


def opencvs(mode: str, repeats: int) -> Method:
    return Method(f"OpenCV {mode}", lambda image, repeat: opencv_boxes(image, mode), repeats)


def build_methods(modes: Sequence[str], repeats: int, quality_repeats: int) -> list[Method]:
    found = [ours(mode, 1, repeats) for mode in modes]
    found.append(ours(search_mode(ProposeConfig()), 2, repeats))
    found.append(opencvs("fast", repeats))
    if quality_repeats:
        found.append(opencvs("quality", quality_repeats))
    return found


def check_agreement(image: np.ndarray, modes: Sequence[str]) -> None:
    """Also compiles, or loads, every kernel."""
    for mode in modes:
        boxes = selective_search(image, mode).boxes
        for workers in (1, 2):
            np.testing.assert_array_equal(boxes, selective_search(image, mode, workers=workers).boxes)


def measure(photos: TruthPhotos, methods: Sequence[Method]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Seconds: by method, photo and repeat. Boxes: by method, repeat and photo."""
    seconds: dict[str, Any] = {one.name: [] for one in methods}
    boxes: dict[str, Any] = {one.name: [[] for _ in range(one.repeats)] for one in methods}
    for number in range(len(photos)):
        image = photos.image(number)
        for one in methods:
            seconds[one.name].append([])
        for repeat in range(max(one.repeats for one in methods)):
            first = (number + repeat) % len(methods)
            for one in (*methods[first:], *methods[:first]):
                if repeat < one.repeats:
                    start = time.perf_counter()
                    found = one.search(image, repeat)
                    seconds[one.name][-1].append(time.perf_counter() - start)
                    boxes[one.name][repeat].append(found)
        for one in methods:
            assert len({sorted_bytes(found[-1]) for found in boxes[one.name]}) == 1, (one.name, photos.paths[number])
        print(f"\r{number + 1}/{len(photos)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return seconds, boxes


def sorted_bytes(boxes: np.ndarray) -> bytes:
    """Equal for the same boxes in any order."""
    return boxes[np.lexsort(boxes.T)].tobytes()


def time_results(seconds: Mapping[str, Any], methods: Sequence[Method]) -> dict[str, dict[str, Any]]:
    of_photo = {name: np.array([np.median(repeats) for repeats in rows]) for name, rows in seconds.items()}
    results: dict[str, dict[str, Any]] = {}
    for one in methods:
        results[one.name] = {"repeats": one.repeats, "seconds": quartiles(of_photo[one.name])}
        if one.reference in of_photo:
            ratio = of_photo[one.reference] / of_photo[one.name]
            results[one.name] |= {"reference": one.reference, "times_faster": quartiles(ratio)}
    return results


def recall_results(photos: TruthPhotos, boxes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Per method and N: means over the repeats, and `spread`: highest less lowest of them."""
    orders = dict(boxes)
    for name in [name for name in boxes if name.startswith("OpenCV")]:
        orders[name + BACKWARDS] = [[one[::-1] for one in boxes_list] for boxes_list in boxes[name]]
    results: dict[str, dict[str, Any]] = {}
    for name, repeats in orders.items():
        measured = [measure_boxes(photos.truth, boxes_list, BUDGETS) for boxes_list in repeats]
        results[name] = {}
        for budget in BUDGETS:
            rows = [figures(one, budget) for one in measured]
            columns = {metric: np.array([row[metric] for row in rows]) for metric in rows[0]}
            means = {metric: float(values.mean()) for metric, values in columns.items()}
            ranges = {metric: float(np.ptp(columns[metric])) for metric in METRICS}
            results[name][budget_name(budget)] = {**means, "spread": ranges}
    return results


def time_table(times: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    rows = []
    for name, row in times.items():
        ratio = ""
        if "times_faster" in row:
            low, middle, high = row["times_faster"]
            ratio = f"**{middle:.1f} ×** ({low:.1f}–{high:.1f}) {row['reference']}"
        seconds = spread(row["seconds"]).replace("-", "–")
        rows.append([name, f"{seconds} s", ratio, f"{found[name]['all']['boxes']:.0f}"])
    rows += [[f"{name} (quoted: VOC 2007 test)", "", "", str(row[0])] for name, row in QUOTED.items()]
    return markdown(("one thread, width 500", "a photo", "times as fast as", "boxes"), rows)


def recall_table(found: Mapping[str, Any]) -> str:
    budgets = [budget_name(budget) for budget in BUDGETS]
    rows = [
        [name, *(" / ".join(share(row[budget][metric]) for metric in METRICS) for budget in budgets)]
        for name, row in found.items()
    ]
    blank = [""] * (len(budgets) - 1)
    for name, (_, coverage, mabo) in QUOTED.items():
        rows.append([f"{name} (quoted: VOC 2007 test)", *blank, f"{share(coverage)} / – / {share(mabo)}"])
    return markdown((" / ".join(METRICS), *(f"N = {budget}" for budget in budgets)), rows)


def losses(found: Mapping[str, Any], methods: Sequence[Method]) -> list[str]:
    """Where ours is below the method that it is compared with, in either order of its boxes."""
    lines = []
    for one in methods:
        for theirs in (one.reference, f"{one.reference}{BACKWARDS}"):
            if theirs in found:
                pairs = [(metric, budget) for budget in found[one.name] for metric in METRICS]
                gaps = [(m, n, found[theirs][n][m] - found[one.name][n][m]) for m, n in pairs]
                lower = ", ".join(f"{metric}@{budget} by {gap:.3f}" for metric, budget, gap in gaps if gap > 0)
                lines.append(f"{one.name} below {theirs}: {lower or 'nowhere'}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="folder of photos, searched recursively")
    parser.add_argument("--ground-truth", type=Path, required=True, help="an ILSVRC or VOC tree, or a COCO json")
    parser.add_argument("--limit", type=int, default=60, help="number of photos")
    parser.add_argument("--repeats", type=int, default=3, help="of all methods but OpenCV's quality")
    parser.add_argument("--opencv-quality-repeats", type=int, default=1, help="3 to 5 s a photo; 0: leave it out")
    parser.add_argument("--modes", nargs="+", choices=tuple(MODES), default=tuple(MODES), help="of ours")
    parser.add_argument("--json", type=Path, help="file to write the results to")
    arguments = parser.parse_args()
    if min(arguments.limit, arguments.repeats) < 1 or arguments.opencv_quality_repeats < 0:
        parser.error("--limit and --repeats: expected at least 1 each")
    cv2.setNumThreads(1)
    photos = read_photos(arguments.images, arguments.ground_truth, arguments.limit)
    methods = build_methods(arguments.modes, arguments.repeats, arguments.opencv_quality_repeats)
    check_agreement(photos.image(0), tuple(dict.fromkeys([*arguments.modes, search_mode(ProposeConfig())])))
    seconds, boxes = measure(photos, methods)
    times, found = time_results(seconds, methods), recall_results(photos, boxes)
    print(f"{photos.describe()}; OpenCV {cv2.__version__}\n")
    print(time_table(times, found), recall_table(found), "\n".join(losses(found, methods)), sep="\n\n")
    report = {"photos": list(photos.truth.images), "seconds": seconds, "times": times, "recall": found}
    write_json(arguments.json, {"command": sys.argv, **environment(1), **report})


if __name__ == "__main__":
    main()
