"""How do time and memory of selective search grow with the picture, searched as it is?

    python benchmarks/selective_search_scaling.py [--image FILE ...] [--mode MODE] [--megapixels 0.05 ... 12]
        [--repeats 3] [--json FILE]

One thread, `search_width=None`. Each picture is resized (pixel areas averaged) to the sizes below its own; larger ones
are tiled with mirror images of it, cut to its shape: blown up, it would be smoother than a photo of that size. Without
--image: three photos that scikit-image ships. Every size has a process of its own, which compiles, or loads, the
kernels on 64 x 64 pixels of noise; its memory so far (Python, libraries, kernels) is the baseline; peaks are given as
they are and less the baseline, the picture itself included. Asserted: repeats, and two threads, give the same boxes.

The exponent is the slope of a straight line through log seconds against log megapixels: over all sizes, and from 0.5
megapixels on, where what every search costs whatever its size weighs less. Targets: at most 1.15, and 12 megapixels in
less than 2 GB.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from measuring import environment, markdown, peak_bytes, quartiles, spread, write_json

from configs.proposing import ProposeConfig, search_mode
from detect.image_decoding import ImageError, decode_image
from proposals import selective_search
from proposals.diversity import MODES
from proposals.search_scale import resized

MEGAPIXELS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0)
LARGE = 0.5  # megapixels
SAMPLES = ("coffee", "chelsea", "rocket")


def at_megapixels(photo: np.ndarray, megapixels: float) -> tuple[np.ndarray, str]:
    """The photo at a number of pixels in its own shape, and how that was done."""
    factor = np.sqrt(megapixels * 1e6 / (photo.shape[0] * photo.shape[1]))
    height, width = (round(side * factor) for side in photo.shape[:2])
    if factor <= 1:
        return resized(photo, (height, width)), "resized"
    more = ((0, height - photo.shape[0]), (0, width - photo.shape[1]), (0, 0))
    return np.ascontiguousarray(np.pad(photo, more, mode="symmetric")), "tiled"


def measure_one(file: Path, mode: str, repeats: int, answer: Connection) -> None:
    """In a fresh process."""
    cv2.setNumThreads(1)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    selective_search(noise, mode, search_width=None)
    baseline = peak_bytes()
    image = np.load(file)
    seconds, boxes = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        boxes.append(selective_search(image, mode, search_width=None).boxes)
        seconds.append(time.perf_counter() - start)
    peak = peak_bytes()
    boxes.append(selective_search(image, mode, search_width=None, workers=2).boxes)
    assert all(np.array_equal(boxes[0], other) for other in boxes[1:]), "repeats or threads disagree"
    answer.send({"seconds": seconds, "boxes": len(boxes[0]), "peak_bytes": peak, "baseline_bytes": baseline})


def in_fresh_process(image: np.ndarray, mode: str, repeats: int) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "image.npy")
        np.save(file, image)
        process = context.Process(target=measure_one, args=(file, mode, repeats, sender))
        process.start()
        sender.close()
        try:
            result: dict[str, Any] = receiver.recv()
        except EOFError as error:
            process.join()
            raise SystemExit(f"{image.shape[:2]}: the search ended with exit status {process.exitcode}") from error
        process.join()
    return result


def measure(photo: np.ndarray, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for megapixels in arguments.megapixels:
        image, how = at_megapixels(photo, megapixels)
        row = {"megapixels": image.shape[0] * image.shape[1] / 1e6, "how": how}
        rows.append(row | in_fresh_process(image, arguments.mode, arguments.repeats))
        middle = float(np.median(rows[-1]["seconds"]))
        print(f"{megapixels:g} megapixels, {how}: {middle:.2f} s", file=sys.stderr)
    return rows


def exponent(rows: Sequence[dict[str, Any]], least: float = 0.0) -> float | None:
    """The slope in log-log from `least` megapixels on; None of fewer than two sizes."""
    used = [row for row in rows if row["megapixels"] > 0.99 * least]
    if len(used) < 2:
        return None
    sizes, seconds = ([f(row) for row in used] for f in (lambda r: r["megapixels"], lambda r: np.median(r["seconds"])))
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def table(photos: dict[str, list[dict[str, Any]]]) -> str:
    """A line for each size: the median over photos, and the range over them."""
    lines = []
    for same in zip(*photos.values(), strict=True):
        seconds = [float(np.median(row["seconds"])) for row in same]
        per_pixel = [one / row["megapixels"] for one, row in zip(seconds, same, strict=True)]
        above = [(row["peak_bytes"] - row["baseline_bytes"]) / 1e9 for row in same]
        whole = max(row["peak_bytes"] for row in same) / 1e9
        how = " or ".join(sorted({row["how"] for row in same}))
        cells = [f"{np.median(v):.3g} ({min(v):.3g}–{max(v):.3g})" for v in (seconds, per_pixel, above)]
        boxes = f"{np.median([row['boxes'] for row in same]):.0f}"
        lines.append([f"{same[0]['megapixels']:.3g}", how, *cells, f"{whole:.2f}", boxes])
    head = ("megapixels", "", "seconds", "µs a pixel", "GB above the baseline", "GB in all, most", "boxes")
    return markdown(head, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", type=Path, nargs="+", help="photos; default: of scikit-image")
    parser.add_argument("--mode", choices=tuple(MODES), default=search_mode(ProposeConfig()))
    parser.add_argument("--megapixels", type=float, nargs="+", default=MEGAPIXELS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="file to write the results to")
    arguments = parser.parse_args()
    if arguments.image:
        try:
            pictures = {path.name: decode_image(path) for path in arguments.image}
        except ImageError as error:
            parser.error(f"--image: {error}")
    else:
        from skimage import data

        pictures = {name: getattr(data, name)() for name in SAMPLES}
    photos = {name: measure(photo, arguments) for name, photo in pictures.items()}
    print(f"mode {arguments.mode}, one thread; {', '.join(photos)}: median (lowest–highest)\n\n{table(photos)}\n")
    exponents: dict[str, Any] = {}
    for label, least in (("all sizes", 0.0), (f"from {LARGE:g} megapixels on", LARGE)):
        found = {name: exponent(rows, least) for name, rows in photos.items()}
        exponents[label] = found
        values = [value for value in found.values() if value is not None]
        if values:
            print(f"exponent of time, {label}: {spread(values, '.3f')}")
    baselines = [row["baseline_bytes"] / 1e9 for rows in photos.values() for row in rows]
    print(f"baseline: {quartiles(baselines)[1]:.2f} GB")
    report = {"mode": arguments.mode, "exponents": exponents, "photos": photos}
    write_json(arguments.json, {"command": sys.argv, **environment(1), **report})


if __name__ == "__main__":
    main()
