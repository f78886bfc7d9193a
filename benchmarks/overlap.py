"""How busy are the cores over a folder of photos? `googlenet-rcnn detect`'s pipeline against one photo after the other.

The pipeline gives each core an image of its own, from decoding to suppression. Beside it, in the same run and taking
turns by blocks of photos: one photo after the other, each on all of torch's threads, nothing overlapping; and decoding
and proposing one photo ahead in a thread of its own while the network has all of torch's threads, which is how one
feeds a GPU. All three give the same detections, to the bit, which is checked.

Utilisation is the process's CPU time over wall time and cores. The wall time cannot be less than the CPU time over the
cores: how near it comes is the last column.

    python benchmarks/overlap.py --images FOLDER --model FILE --limit 100 --json overlap.json
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from measuring import environment, evenly, markdown, quartiles, spread, write_json

from detect import Detector
from detect.detections import Detections
from detect.detector import DetectorSettings
from detect.freed_memory import keep_freed_memory
from detect.image_decoding import decode_image
from detect.image_sources import SourceImage, find_images
from detect.pipeline import detect_images
from detect.prepared_images import prepare, work_ahead
from detect.torch_threads import one_torch_thread

Way = Callable[[Detector, Sequence[SourceImage]], list[Detections]]


def on_cores(detector: Detector, photos: Sequence[SourceImage]) -> list[Detections]:
    """The pipeline as `detect` runs it."""
    results = list(detect_images(detector, photos, workers=torch.get_num_threads()))
    found = [result.detections for result in results if result.detections is not None]
    assert len(found) == len(photos), "a photo failed"
    return found


def in_turn(detector: Detector, photos: Sequence[SourceImage]) -> list[Detections]:
    """One photo after the other."""
    found = []
    for photo in photos:
        image = decode_image(photo.path)
        with one_torch_thread():
            boxes = detector.proposer(image).boxes
        found += [classified.detections for classified in detector.detect([(image, boxes)])]
    return found


def one_ahead(detector: Detector, photos: Sequence[SourceImage]) -> list[Detections]:
    """A worker decodes and proposes while the network classifies on all of torch's threads."""

    def prepared(photo: SourceImage):
        with one_torch_thread():
            return prepare(photo, detector.proposer)

    found = []
    with work_ahead(prepared, photos, workers=1) as ready:
        for one in ready:
            found += [classified.detections for classified in detector.detect([(one.image, one.proposals.boxes)])]
    return found


WAYS: dict[str, Way] = {"an image a core": on_cores, "one after the other": in_turn, "proposing ahead": one_ahead}


def same(one: Sequence[Detections], other: Sequence[Detections]) -> bool:
    """To the bit."""
    return all(
        np.array_equal(a, b)
        for x, y in zip(one, other, strict=True)
        for a, b in ((x.boxes, y.boxes), (x.scores, y.scores), (x.labels, y.labels))
    )


def measure(
    detector: Detector, blocks: Sequence[Sequence[SourceImage]], cores: int
) -> dict[str, dict[str, list[float]]]:
    """Seconds a photo, utilisation and wall over CPU time / cores of each way, block by block; ways take turns."""
    measured = {name: {"seconds": [], "utilisation": [], "over": []} for name in WAYS}
    for number, block in enumerate(blocks):
        names = list(WAYS)
        found = {}
        for name in names[number % 3 :] + names[: number % 3]:
            wall, cpu = time.perf_counter(), time.process_time()
            found[name] = WAYS[name](detector, block)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            measured[name]["seconds"].append(wall / len(block))
            measured[name]["utilisation"].append(cpu / wall / cores)
            measured[name]["over"].append(wall / (cpu / cores))
        assert all(same(found["an image a core"], other) for other in found.values()), "the ways disagree"
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="folder of photos")
    parser.add_argument("--model", default="bvlc_googlenet", help="name or file of a model")
    parser.add_argument("--regions", default="shared", help="warp or shared")
    parser.add_argument("--proposals", type=int, default=300, help="regions a photo")
    parser.add_argument("--limit", type=int, default=100, help="photos, evenly spaced over the folder")
    parser.add_argument("--blocks", type=int, default=6, help="the ways take turns after so many parts of the photos")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    keep_freed_memory()
    cores = torch.get_num_threads()
    settings = DetectorSettings(min_score=0.001)
    proposals = {"superpixel_scale": 2.0, "limit": options.proposals}
    detector = Detector.load(
        options.model, device="cpu", settings=settings, proposals=proposals, regions=options.regions
    )
    found = find_images([str(options.images)]).images
    photos = [found[i] for i in evenly(len(found), options.limit)]
    for way in WAYS.values():  # compiles, or loads, the kernels, and grows the memory
        way(detector, photos[:cores])
    blocks = [list(block) for block in np.array_split(np.array(photos, dtype=object), options.blocks)]
    measured = measure(detector, blocks, cores)
    ours = np.array(measured["an image a core"]["seconds"])
    rows = [
        [
            name,
            spread(values["seconds"]),
            spread(np.array(values["seconds"]) / ours),
            spread(values["utilisation"], ".0%"),
            spread(values["over"]),
        ]
        for name, values in measured.items()
    ]
    header = [
        f"{len(photos)} photos, {cores} cores",
        "seconds a photo",
        "times ours",
        "cores busy",
        "wall / (CPU / cores)",
    ]
    print(markdown(header, rows))
    results = {name: {key: quartiles(value) for key, value in values.items()} for name, values in measured.items()}
    write_json(options.json, {**environment(cores), "photos": len(photos), "results": results})


if __name__ == "__main__":
    main()
