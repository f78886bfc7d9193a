"""How far is each stage of detection from what the hardware allows? One photo at a time, on one thread.

`googlenet-rcnn detect` gives each core an image of its own, with one of torch's threads, so this is what a core spends
on a photo; `benchmarks/overlap.py` says how busy the cores are. A stage's limit is the larger of its arithmetic over
the rate of matrix products and its bytes over the rate of copies (`benchmarks/stage_limits.py`). Decoding has OpenCV's
bare decoder for a limit. Selective search has none: `benchmarks/selective_search.py` compares it with OpenCV's.

The rates are measured anew beside each stage of each photo, because on a shared machine they change by three within a
second: a product of 1024 × 1024 matrices and a copy of 64 MB before and after the stage, the mean of both. "Of the
limit" is a stage's limit over its seconds.

    python benchmarks/stages.py --images FOLDER --model FILE --limit 40 --json stages.json
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch
from measuring import environment, evenly, markdown, quartiles, spread, write_json
from stage_limits import DTYPES, Rates, Work, multibox_work, stage_work

from detect import Detector
from detect.detector import DetectorSettings
from detect.freed_memory import keep_freed_memory
from detect.image_decoding import decode_image
from detect.image_sources import find_images
from detect.multibox_file import build_multibox, find_multibox_file, load_multibox
from detect.shared_regions import LevelImages, SharedRegions, SharedSettings
from detect.view_averaging import average, joined
from proposals import selective_search
from proposals.merged_proposals import UNCALIBRATED, merge

Result = TypeVar("Result")
MIN_SCORE = 0.001
NETWORK = ("MultiBox", "map", "classify")


class Stages:
    """Seconds, work and the rates around it, by stage, over all photos."""

    def __init__(self, precision: str) -> None:
        self.precision = precision
        side, dtype = 1024, DTYPES[precision]
        self._square = torch.rand(side, side).to(dtype), torch.empty(side, side, dtype=dtype)
        self._block = torch.zeros(2**24), torch.empty(2**24)
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.limits: dict[str, list[float]] = defaultdict(list)
        self.flops: dict[str, list[float]] = defaultdict(list)
        self.rates: list[Rates] = []

    def __call__(self, stage: str, run: Callable[[], Result], work: Callable[[Result], Work] | None = None) -> Result:
        before = self.rates_now() if work else None
        start = time.perf_counter()
        result = run()
        self.seconds[stage].append(time.perf_counter() - start)
        if before and work:
            after, done = self.rates_now(), work(result)
            self.rates += [before, after]
            self.limits[stage].append((before.seconds(done, self.precision) + after.seconds(done, self.precision)) / 2)
            self.flops[stage].append(done.flops)
        return result

    def rates_now(self) -> Rates:
        first, product = self._square
        source, target = self._block
        multiply = seconds_of(lambda: torch.mm(first, first, out=product))
        copy = seconds_of(lambda: target.copy_(source))
        return Rates(1, {self.precision: 2 * len(first) ** 3 / multiply}, 2 * source.nbytes / copy)


def seconds_of(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class Pipeline:
    """The parts of detection with shared regions, one by one, through their public functions."""

    def __init__(self, model: str, proposals: int) -> None:
        settings = DetectorSettings(min_score=MIN_SCORE)
        self.detector = Detector.load(model, device="cpu", settings=settings, regions="shared")
        self.shared = self.detector.shared or SharedSettings()
        self.precision = "bf16" if self.detector.classifier.dtype == torch.bfloat16 else "fp32"
        multibox = load_multibox(find_multibox_file("multibox"))
        self.multibox, self.calibration = build_multibox(multibox, device="cpu"), multibox.info.merge or UNCALIBRATED
        self.proposals = proposals

    def run(self, photo: Path, stages: Stages) -> None:
        classifier = self.detector.classifier
        encoded = np.fromfile(photo, np.uint8)
        image = stages("decode", lambda: decode_image(photo))
        bare = seconds_of(lambda: cv2.imdecode(encoded, cv2.IMREAD_COLOR))
        stages.limits["decode"].append(bare)
        searched = stages("selective search ×2", lambda: selective_search(image, superpixel_scale=2.0))
        seen = stages("MultiBox", lambda: self.multibox(image), lambda _: multibox_work(self.precision))
        boxes = stages("merge", lambda: merge(searched, seen, self.calibration).best(self.proposals).boxes)
        work = stage_work(image.shape[:2], self.shared, len(boxes), self.precision)
        regions = stages("map", lambda: self.opened(image, boxes), lambda _: work["map"])
        size = self.detector.batch_size
        batches = [boxes[first : first + size] for first in range(0, len(boxes), size)]
        cells = stages("read", lambda: [regions.regions(batch) for batch in batches], lambda _: work["read"])
        answers = stages(
            "classify", lambda: [classifier.classify_maps(one) for one in cells], lambda _: work["classify"]
        )
        stages("suppress", lambda: self.suppressed(boxes, answers, image))

    def opened(self, image: np.ndarray, boxes: np.ndarray) -> SharedRegions:
        """With the maps that its boxes need; a limit counts all, which photos of many boxes do need."""
        classifier = self.detector.classifier
        shared = SharedRegions(LevelImages(image, classifier.info.input, settings=self.shared), classifier.stem)
        shared.make_maps(boxes)
        return shared

    def suppressed(self, boxes: np.ndarray, answers: list, image: np.ndarray) -> None:
        moved, probs = average(torch.from_numpy(boxes), [joined(answers)], image.shape[:2])
        DetectorSettings(min_score=MIN_SCORE).suppressed(moved, probs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="folder of photos")
    parser.add_argument("--model", default="bvlc_googlenet", help="name or file of a model")
    parser.add_argument("--proposals", type=int, default=300, help="regions a photo, the best of both lists")
    parser.add_argument("--limit", type=int, default=40, help="photos, evenly spaced over the folder")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    found = [source.path for source in find_images([str(options.images)]).images]
    photos = [found[i] for i in evenly(len(found), options.limit)]
    pipeline = Pipeline(options.model, options.proposals)
    pipeline.run(photos[0], Stages(pipeline.precision))  # compiles, or loads, the kernels, and grows the memory
    stages = Stages(pipeline.precision)
    for photo in photos:
        pipeline.run(photo, stages)
    rows = []
    for name, taken in stages.seconds.items():
        limits = np.array(stages.limits.get(name, []))
        rows.append(
            [
                name,
                spread(taken),
                f"{np.median(stages.flops[name]) / 1e9:.3g}" if any(stages.flops.get(name, [])) else "",
                spread(limits) if len(limits) else "",
                spread(limits / taken, ".0%") if len(limits) else "",
            ]
        )
    whole = np.sum(list(stages.seconds.values()), axis=0)
    network = np.sum([stages.seconds[name] for name in NETWORK], axis=0)
    flops, limit = (np.sum([of[name] for name in NETWORK], axis=0) for of in (stages.flops, stages.limits))
    rows.append(["**all**", spread(whole), f"{np.median(flops) / 1e9:.3g}", "", ""])
    rows.append(
        ["the network's: MultiBox, map, classify", spread(network), "", spread(limit), spread(limit / network, ".0%")]
    )
    print(markdown(["one thread, seconds a photo", "measured", "GFLOP", "limit", "of the limit"], rows))
    rates = [rate.flops[pipeline.precision] / 1e9 for rate in stages.rates]
    bandwidth = [rate.bandwidth / 1e9 for rate in stages.rates]
    products = f"{pipeline.precision} products {spread(rates)} GFLOP/s"
    print(f"\n{len(photos)} photos; {products}, copies {spread(bandwidth)} GB/s")
    results = {name: {"seconds": quartiles(taken)} for name, taken in stages.seconds.items()}
    for name, limits in stages.limits.items():
        results[name]["limit"] = quartiles(limits)
    results["all"], results["network"] = {"seconds": quartiles(whole)}, {"of the limit": quartiles(limit / network)}
    results["rates"] = {"GFLOP/s": quartiles(rates), "GB/s": quartiles(bandwidth)}
    write_json(options.json, {**environment(1), "photos": len(photos), "results": results})


if __name__ == "__main__":
    main()
