"""What does MultiBox cost beside selective search?

    python benchmarks/proposing_time.py --images DIR [--multibox FILE] [--limit 40] [--repeats 5] [--json FILE]

Seconds a photo on one thread of the CPU, the photo decoded before: selective search in its fast mode at superpixel
scale 1, in its default mode at scales 1 and 2, MultiBox on the whole photo and with its four corners, and what `propose
--method both` runs. On every photo all take turns, and who goes first moves on; a photo's seconds are the median of its
repeats, a ratio is the fast search's over it on the same photo. Median and quartiles over the photos, which are spaced
evenly over the folder.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from measuring import environment, evenly, markdown, quartiles, spread, write_json

from configs.proposing import ProposeConfig, build_image_proposer, load_multibox_part
from detect.image_decoding import decode_image
from detect.image_sources import find_images
from detect.torch_threads import one_torch_thread
from proposals.proposals import Proposer

FAST = "selective search, fast ×1"


def build_proposers(multibox: str) -> dict[str, Proposer]:
    """All on one thread."""
    learned = {"multibox": multibox, "device": "cpu"}
    configs = {
        FAST: ProposeConfig(mode="fast"),
        "selective search ×1": ProposeConfig(),
        "selective search ×2": ProposeConfig(superpixel_scale=2.0),
        "MultiBox": ProposeConfig(method="multibox", **learned),
        "MultiBox, 5 views": ProposeConfig(method="multibox", multibox_crops=5, **learned),
        "selective search ×2 + MultiBox": ProposeConfig(method="both", **learned),
    }
    return {name: build_image_proposer(one, multibox=load_multibox_part(one)) for name, one in configs.items()}


def measure(
    proposers: dict[str, Proposer], images: list[np.ndarray], repeats: int
) -> tuple[dict[str, list[float]], dict[str, list[int]]]:
    """Seconds and boxes of each photo, by proposer."""
    names = list(proposers)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    boxes: dict[str, list[int]] = {name: [] for name in names}
    for name in names:  # compiles, or loads, every kernel
        proposers[name](images[0])
    for position, image in enumerate(images):
        taken: dict[str, list[float]] = {name: [] for name in names}
        for repeat in range(repeats):
            first = (position + repeat) % len(names)
            for name in names[first:] + names[:first]:
                start = time.perf_counter()
                found = proposers[name](image)
                taken[name].append(time.perf_counter() - start)
                if repeat == 0:
                    boxes[name].append(len(found.boxes))
        for name in names:
            seconds[name].append(float(np.median(taken[name])))
        print(f"\r{position + 1}/{len(images)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return seconds, boxes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="folder of photos, searched recursively")
    parser.add_argument("--multibox", default="multibox", help="a MultiBox model file; default: the package's")
    parser.add_argument("--limit", type=int, default=40, help="photos, evenly spaced over the folder")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file to write the results to")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    found = find_images([str(arguments.images)]).images
    images = [decode_image(found[position].path) for position in evenly(len(found), arguments.limit)]
    with one_torch_thread():
        seconds, boxes = measure(build_proposers(arguments.multibox), images, arguments.repeats)
    rows, results = [], dict[str, Any]()
    for name, taken in seconds.items():
        ratio = np.array(seconds[FAST]) / taken
        results[name] = {"seconds": quartiles(taken), "ratio": quartiles(ratio), "boxes": float(np.mean(boxes[name]))}
        said = [f"{np.mean(boxes[name]):.0f}", spread(taken), spread(ratio)]
        rows.append([name, *(one.replace("-", "–") for one in said)])
    print(markdown((f"{len(images)} photos, one thread", "boxes", "seconds a photo", "times as fast as fast ×1"), rows))
    write_json(arguments.json, {"command": sys.argv, **environment(1), "photos": len(images), "results": results})


if __name__ == "__main__":
    main()
