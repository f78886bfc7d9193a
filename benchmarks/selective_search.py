"""Is our selective search faster than OpenCV's, and does it find as much?

    python benchmarks/selective_search.py --images DIR --ground-truth DIR [--limit 15] [--json FILE]

For every photo, in one process and on one thread: seconds of ours and of OpenCV's "fast" (on the same
picture, resized to the same width), the number of boxes, coverage (ground truth found at IoU >= 0.5) and
average best overlap (ABO, over all ground-truth boxes; no class means), with all boxes and with the first N.
Ground truth is a folder of PASCAL-style XML files (ILSVRC DET, VOC), found by the photo's name without its
ending; objects marked "difficult" count too. Two methods that find different boxes cannot be asserted equal;
what is asserted is that ours repeats itself, and the quality stands beside the time.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from annotated_photos import AnnotatedPhoto, annotated_photos
from measuring import environment, quartiles, write_json

from proposals import selective_search
from proposals.search_scale import boxes_at_size, resized, search_size

WIDTH = 500
FIRST = (100, 500, 1000, 2000)


def ours(superpixel_scale: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda image: selective_search(image, superpixel_scale=superpixel_scale, search_width=WIDTH).boxes


def opencv_fast(image: np.ndarray) -> np.ndarray:
    """OpenCV's boxes in its own order, as a user gets them: none is dropped for being small, unlike ours."""
    size = (image.shape[0], image.shape[1])
    searched = search_size(size, WIDTH)
    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(np.ascontiguousarray(resized(image, searched)[:, :, ::-1]))
    search.switchToSelectiveSearchFast()
    x, y, width, height = np.asarray(search.process(), np.int32).reshape(-1, 4).T
    boxes = np.stack((x, y, x + width - 1, y + height - 1), axis=1)
    return boxes_at_size(boxes, searched, size)


METHODS = {"ours x1": ours(1.0), "ours x2": ours(2.0), "OpenCV fast": opencv_fast}


def best_overlaps(truth: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(M,) each ground-truth box's best IoU; 0 without boxes."""
    low = np.maximum(truth[:, None, :2], boxes[None, :, :2])
    high = np.minimum(truth[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = [(b[:, 2:] - b[:, :2]).prod(axis=1) for b in (truth, boxes)]
    overlaps = shared / (areas[0][:, None] + areas[1][None] - shared)
    return overlaps.max(axis=1, initial=0)


def measure(photos: list[AnnotatedPhoto], repeats: int) -> dict[str, dict]:
    """Per method, lists over photos; seconds are the fastest of the repeats, methods taking turns."""
    rows: dict[str, dict] = {name: {"seconds": [], "boxes": [], "overlaps": {}} for name in METHODS}
    warm_up = read_image(photos[0].path)
    for name, method in METHODS.items():
        boxes = method(warm_up)
        assert name.startswith("OpenCV") or np.array_equal(boxes, method(warm_up)), name
    for photo in photos:
        image, truth = read_image(photo.path), photo.boxes
        seconds: dict[str, list[float]] = {name: [] for name in METHODS}
        for _ in range(repeats):
            for name, method in METHODS.items():
                start = time.perf_counter()
                boxes = method(image)
                seconds[name].append(time.perf_counter() - start)
                rows[name]["last"] = boxes
        for name, row in rows.items():
            boxes = row.pop("last")
            row["seconds"].append(min(seconds[name]))
            row["boxes"].append(len(boxes))
            for first in (*FIRST, None):
                key = str(first or "all")
                row["overlaps"].setdefault(key, []).extend(best_overlaps(truth, boxes[:first]).tolist())
    return rows


def read_image(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise SystemExit(f"--images: cannot read {path}")
    return np.ascontiguousarray(image[:, :, ::-1])


def summary(rows: dict[str, dict]) -> dict[str, dict]:
    reference = np.array(rows["OpenCV fast"]["seconds"])
    results = {}
    for name, row in rows.items():
        overlaps = {key: np.array(values) for key, values in row["overlaps"].items()}
        results[name] = {
            "seconds": quartiles(row["seconds"]),
            "times_faster_than_opencv": quartiles(reference / np.array(row["seconds"])),
            "mean_boxes": float(np.mean(row["boxes"])),
            "coverage": {key: float(np.mean(values >= 0.5)) for key, values in overlaps.items()},
            "ABO": {key: float(np.mean(values)) for key, values in overlaps.items()},
        }
    return results


def print_tables(results: dict[str, dict]) -> None:
    print(f"{'':12} {'seconds: median (quartiles)':>28} {'times OpenCV':>22} {'boxes':>6}")
    for name, row in results.items():
        low, middle, high = row["seconds"]
        slow, ratio, fast = row["times_faster_than_opencv"]
        seconds, times = f"{middle:.3f} ({low:.3f}-{high:.3f})", f"{ratio:.2f} ({slow:.2f}-{fast:.2f})"
        print(f"{name:12} {seconds:>28} {times:>22} {row['mean_boxes']:>6.0f}")
    keys = list(next(iter(results.values()))["ABO"])
    print(f"\n{'coverage/ABO':12}" + "".join(f"{'N = ' + key:>14}" for key in keys))
    for name, row in results.items():
        cells = [f"{row['coverage'][key]:.3f}/{row['ABO'][key]:.3f}" for key in keys]
        print(f"{name:12}" + "".join(f"{cell:>14}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="folder of photos, searched recursively")
    parser.add_argument("--ground-truth", type=Path, required=True, help="folder of XML files, recursively")
    parser.add_argument("--limit", type=int, default=15, help="number of photos")
    parser.add_argument("--repeats", type=int, default=3, help="runs per photo; the fastest counts")
    parser.add_argument("--json", type=Path, help="file to write the results to")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    photos = annotated_photos(arguments.images, arguments.ground_truth)[: arguments.limit]
    rows = measure(photos, arguments.repeats)
    results = summary(rows)
    objects = len(rows["OpenCV fast"]["overlaps"]["all"])
    print(f"{len(photos)} photos, {objects} objects, one thread, width {WIDTH}\n")
    print_tables(results)
    report = {"command": sys.argv, "photos": len(photos), "objects": objects, **environment(1), "results": results}
    write_json(arguments.json, report)


if __name__ == "__main__":
    main()
