"""How many more images a second do two threads search than one?

    python benchmarks/selective_search_workers.py --images DIR [--limit 30] [--repeats 5] [--workers 2] [--json FILE]

Three ways: `selective_search` called on decoded photos from a pool of threads; `propose_images`, which is what the verb
`propose` runs, decoding included; and the threads inside one search, `selective_search(workers=...)`. Each with one
thread and with --workers, taking turns, all photos each time; who goes first alternates. Of each repeat images a second
and their ratio; median and quartiles over the repeats. OpenCV's own threads are off, so that one thread is one. The
last row does no search: the same pool hashes 64 MB for each photo, which tells what the machine has to give just then.
Asserted: every photo's boxes are the same every time. Target for two threads across images: at least 1.6.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from measuring import environment, evenly, markdown, quartiles, spread, write_json

from configs.proposing import ProposeConfig, build_image_proposer, search_mode
from detect.image_decoding import decode_image
from detect.image_sources import SourceImage, find_images
from detect.proposed_images import propose_images
from proposals import selective_search
from proposals.diversity import MODES

CONTROL = "hashing, no search"

Way = Callable[[int], list[np.ndarray]]  # number of threads → boxes of every photo


def build_ways(sources: Sequence[SourceImage], mode: str) -> dict[str, Way]:
    images = [decode_image(source.path) for source in sources]
    config = ProposeConfig(mode=mode)

    def across(workers: int) -> list[np.ndarray]:
        return pooled(lambda image: selective_search(image, mode).boxes, images, workers)

    def proposed(workers: int) -> Iterator[np.ndarray]:
        for result in propose_images(partial(build_image_proposer, config), sources, workers=workers):
            assert result.proposals is not None, result.error
            yield result.proposals.boxes

    def inside(workers: int) -> list[np.ndarray]:
        return [selective_search(image, mode, workers=workers).boxes for image in images]

    zeros = bytes(64_000_000)

    def hashed(workers: int) -> list[np.ndarray]:
        return pooled(lambda _: np.frombuffer(hashlib.sha256(zeros).digest(), np.uint8), images, workers)

    return {
        "threads across images": across,
        "`propose`, with decoding": lambda workers: list(proposed(workers)),
        "threads inside one image": inside,
        CONTROL: hashed,
    }


def pooled(function: Callable[[Any], np.ndarray], items: Sequence[Any], workers: int) -> list[np.ndarray]:
    if workers == 1:
        return [function(item) for item in items]
    with ThreadPool(workers) as pool:
        return list(pool.imap(function, items))


def measure(ways: dict[str, Way], workers: int, repeats: int) -> dict[str, list[list[float]]]:
    """Seconds for all photos, of each way and repeat: with one thread, with several."""
    expected = next(iter(ways.values()))(1)
    seconds: dict[str, list[list[float]]] = {name: [] for name in ways}
    for repeat in range(repeats):
        for name, way in ways.items():
            taken = {}
            for threads in (1, workers) if repeat % 2 else (workers, 1):
                start = time.perf_counter()
                boxes_list = way(threads)
                taken[threads] = time.perf_counter() - start
                same = (np.array_equal(a, b) for a, b in zip(boxes_list, expected, strict=True))
                assert name == CONTROL or all(same), name
            seconds[name].append([taken[1], taken[workers]])
        print(f"\r{repeat + 1}/{repeats}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return seconds


def summary(seconds: dict[str, list[list[float]]], photos: int) -> tuple[dict[str, Any], list[list[str]]]:
    results, rows = {}, []
    for name, repeats in seconds.items():
        one, several = photos / np.array(repeats).T
        figures = {"one": one, "several": several, "ratio": several / one}
        results[name] = {key: quartiles(values) for key, values in figures.items()}
        rows.append([name, *(spread(values).replace("-", "–") for values in figures.values())])
    return results, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="folder of photos, searched recursively")
    parser.add_argument("--limit", type=int, default=30, help="photos, evenly spaced over the folder")
    parser.add_argument("--workers", type=int, default=2, help="threads to compare with one")
    parser.add_argument("--mode", choices=tuple(MODES), default=search_mode(ProposeConfig()))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file to write the results to")
    arguments = parser.parse_args()
    if arguments.workers < 2:
        parser.error(f"--workers: expected at least 2, got {arguments.workers}")
    cv2.setNumThreads(1)
    found = find_images([str(arguments.images)]).images
    sources = [found[position] for position in evenly(len(found), arguments.limit)]
    seconds = measure(build_ways(sources, arguments.mode), arguments.workers, arguments.repeats)
    results, rows = summary(seconds, len(sources))
    said = f"mode {arguments.mode}, {len(sources)} photos, {os.cpu_count()} cores"
    print(f"{said}; images a second: median (quartiles)\n")
    print(markdown(("", "one thread", f"{arguments.workers} threads", "ratio"), rows))
    report = {"mode": arguments.mode, "photos": len(sources), "seconds": seconds, "results": results}
    write_json(arguments.json, {"command": sys.argv, **environment(arguments.workers), **report})


if __name__ == "__main__":
    main()
