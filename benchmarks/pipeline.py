"""Seconds an image: this pipeline against the one that a user writes today, stage by stage, in one run.

The naive pipeline: OpenCV's fast selective search at width 500, every region cropped and resized by itself with cv2,
GoogLeNet with torch's own local response normalisation in float32 NCHW batches of 64, one call of `nms` a class.
Ours: `Detector.load` with its defaults, one image at a time: no work overlaps; once with warped regions, once with
shared ones ("map": the stem on the whole photo; "read": each region from it, or its warp). All keep detections from
0.001 on, as one does to compute mAP, and run on the same device. Who goes first moves on with the photos.

With `--regions R`, reading and classifying are timed on R of a photo's boxes, evenly spaced over them, and multiplied
up to all; every region costs the same. The naive pipeline otherwise takes minutes a photo. Ratios are of the same
photo, with each pipeline's own proposals.

    python benchmarks/pipeline.py --images FOLDER --model FILE --limit 5 --regions 256 --json pipeline.json
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from measuring import environment, evenly, markdown, quartiles, spread, write_json
from opencv_search import opencv_boxes
from torch import nn
from torchvision.ops import nms

from detect import Detector
from detect.detector import DetectorSettings
from detect.devices import resolve_device
from detect.freed_memory import keep_freed_memory
from detect.image_decoding import decode_image
from detect.image_sources import find_images
from detect.model_file import load_model
from detect.model_zoo import find_model_file
from detect.region_classifier import ClassifiedRegions
from detect.region_warp import RegionWarper, WarpSettings, add_context
from detect.shared_regions import LevelImages, SharedRegions
from detect.view_averaging import average, joined
from detect.zero_shot_head import ZeroShotHead

STAGES = ("propose", "map", "read", "classify", "suppress")
MIN_SCORE = 0.001
RATIOS = (("naive", "warp"), ("naive", "shared"), ("warp", "shared"))


class Ours:
    """The project's pipeline through its public parts; `way`: warp or shared."""

    def __init__(self, model: str, device: str, regions: int | None, way: str) -> None:
        self.regions = regions
        settings = DetectorSettings(min_score=MIN_SCORE)
        self.detector = Detector.load(model, device=device, settings=settings, regions=way)
        classifier = self.detector.classifier
        self.classify = classifier.classify if way == "warp" else classifier.classify_maps

    def run(self, image: np.ndarray) -> tuple[dict[str, float], int]:
        clock, detector = Clock(), self.detector
        device = detector.classifier.device
        boxes = clock("propose", lambda: detector.proposer(image).boxes)
        reader = clock("map", lambda: self.reader(image, boxes))
        answers = []
        measured = boxes[evenly(len(boxes), self.regions)]
        for start in range(0, len(measured), detector.batch_size):
            part = measured[start : start + detector.batch_size]
            regions = clock("read", lambda part=part: reader.regions(part))
            answers.append(clock("classify", lambda regions=regions: self.classify(regions)))
        clock.multiply(len(boxes) / len(measured))
        device_boxes, answer = torch.from_numpy(boxes).to(device), joined(answers)
        size = image.shape[0], image.shape[1]
        every = ClassifiedRegions(
            repeat(answer.probs, len(boxes)),
            None if answer.deltas is None else repeat(answer.deltas, len(boxes)),
            None if answer.fit is None else repeat(answer.fit, len(boxes)),
        )
        clock("suppress", lambda: detector.settings.suppressed(*average(device_boxes, [every], size)))
        return clock.seconds, len(boxes)

    def reader(self, image: np.ndarray, boxes: np.ndarray) -> RegionWarper | SharedRegions:
        """The image ready to be read: uploaded, and of shared regions with the maps that its boxes need."""
        detector = self.detector
        device = detector.classifier.device
        if detector.shared is None:
            return RegionWarper(image, detector.info.input, settings=detector.warp, device=device)
        images = LevelImages(image, detector.info.input, settings=detector.shared, device=device)
        shared = SharedRegions(images, detector.classifier.stem)
        shared.make_maps(boxes)
        return shared


class Naive:
    """What one writes in an afternoon; correct, and slow."""

    def __init__(self, model: str, device: str, regions: int | None) -> None:
        self.regions = regions
        loaded = load_model(find_model_file(model))
        self.device = resolve_device(device)
        self.info, self.network = loaded.info, loaded.network.to(self.device)
        if hasattr(self.network, "norm"):
            self.network.norm = nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0)
        self.head = ZeroShotHead(
            loaded.info.classes, loaded.info.num_outputs, background_logit=loaded.info.background_logit
        )
        self.head.to(self.device)

    def run(self, image: np.ndarray) -> tuple[dict[str, float], int]:
        clock = Clock()
        boxes = clock("propose", lambda: naive_boxes(image))
        probs = []
        measured = boxes[evenly(len(boxes), self.regions)]
        for start in range(0, len(measured), 64):
            part = measured[start : start + 64]
            regions = clock("read", lambda part=part: torch.stack([self.warp(image, box) for box in part]))
            probs.append(clock("classify", lambda regions=regions: self.classify(regions)))
        clock.multiply(len(boxes) / len(measured))
        all_probs = repeat(torch.cat(probs), len(boxes))
        clock("suppress", lambda: self.suppress(torch.from_numpy(boxes), all_probs))
        return clock.seconds, len(boxes)

    def warp(self, image: np.ndarray, box: np.ndarray) -> torch.Tensor:
        """Mean-filled border, crop, resize, normalise: one region."""
        x1, y1, x2, y2 = (round(float(v)) for v in add_context(box[None], WarpSettings())[0])
        mean = np.array(self.info.input.mean[::-1] if self.info.input.order == "bgr" else self.info.input.mean)
        height, width = image.shape[:2]
        top, left, bottom, right = max(0, -y1), max(0, -x1), max(0, y2 - height), max(0, x2 - width)
        inside = image[max(0, y1) : y2, max(0, x1) : x2]
        padded = cv2.copyMakeBorder(inside, top, bottom, left, right, cv2.BORDER_CONSTANT, value=[*mean, 0])
        resized = cv2.resize(padded, (224, 224), interpolation=cv2.INTER_LINEAR)
        return self.info.input.normalise(torch.from_numpy(resized).permute(2, 0, 1)[None])[0]

    @torch.no_grad()
    def classify(self, regions: torch.Tensor) -> torch.Tensor:
        return self.head(self.network(regions.to(self.device).contiguous())).cpu()

    def suppress(self, boxes: torch.Tensor, probs: torch.Tensor) -> list[torch.Tensor]:
        kept = []
        for label in range(probs.shape[1]):
            rows = torch.nonzero(probs[:, label] >= MIN_SCORE)[:, 0]
            kept.append(rows[nms(boxes[rows], probs[rows, label], 0.3)])
        return kept


class Clock:
    """Adds up seconds by stage."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)

    def __call__(self, stage, work):
        start = time.perf_counter()
        result = work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds[stage] += time.perf_counter() - start
        return result

    def multiply(self, factor: float) -> None:
        """Scale the stages that were timed on some of the regions."""
        for stage in ("read", "classify"):
            self.seconds[stage] *= factor


def naive_boxes(image: np.ndarray) -> np.ndarray:
    """Without those below 20 pixels, as R-CNN did."""
    return opencv_boxes(image, "fast", min_side=20)


def repeat(probs: torch.Tensor, count: int) -> torch.Tensor:
    """Rows repeated up to `count`, so that suppression has as much to do as with all regions."""
    return probs.repeat_interleave(-(-count // len(probs)), dim=0)[:count]


def check_agreement(ours: Ours, naive: Naive, image: np.ndarray) -> None:
    """Before timing: the same regions get the same classes from both networks, warped either way."""
    boxes = naive_boxes(image)[:32]
    crops = torch.stack([naive.warp(image, box) for box in boxes])
    warper = ours.reader(image, boxes)
    ours.detector.proposer(image)  # compiles, or loads, the kernels
    theirs, same_crops = naive.classify(crops), ours.detector.classifier(crops).cpu()
    own_crops = ours.detector.classifier(warper.regions(boxes)).cpu()
    assert (theirs - same_crops).abs().mean() < 1e-3, "the two networks disagree"
    assert (theirs.argmax(1) == own_crops.argmax(1)).float().mean() > 0.75, "the two warps disagree"


def report(rows: dict[str, list[dict[str, float]]], counts: dict[str, list[int]]) -> dict[str, dict[str, object]]:
    results: dict[str, dict[str, object]] = {}
    lines = []
    for stage in (*STAGES, "all"):
        taken = {m: np.array([sum(r.values()) if stage == "all" else r[stage] for r in rows[m]]) for m in rows}
        results[stage] = {method: quartiles(seconds) for method, seconds in taken.items()}
        cells = [spread(seconds) for seconds in taken.values()]
        for one, other in RATIOS:
            ratio = taken[one] / taken[other] if taken[other].all() and taken[one].all() else None
            cells.append("" if ratio is None else spread(ratio))
            results[stage][f"{one} / {other}"] = None if ratio is None else quartiles(ratio)
        lines.append([stage, *cells])
    lines.append(["boxes", *[spread(numbers, ".0f") for numbers in counts.values()], "", "", ""])
    results["boxes"] = {method: quartiles(numbers) for method, numbers in counts.items()}
    header = ["seconds a photo", *rows, *[f"{one} / {other}" for one, other in RATIOS]]
    print(markdown(header, [[cell.replace("-", "–") for cell in line] for line in lines]))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="folder of photos")
    parser.add_argument("--model", default="bvlc_googlenet", help="name or file of a GoogLeNet")
    parser.add_argument("--device", default="auto", help="of all pipelines: auto, cpu or cuda")
    parser.add_argument("--limit", type=int, default=5, help="photos, evenly spaced over the folder")
    parser.add_argument("--regions", type=int, help="time warp and network on so many boxes of a photo; default: all")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    keep_freed_memory()  # as `detect` does; of the naive pipeline too, which is then no slower
    found = [source.path for source in find_images([str(options.images)]).images]
    photos = [found[i] for i in evenly(len(found), options.limit)]
    how = (options.model, options.device, options.regions)
    methods = {"naive": Naive(*how), "warp": Ours(*how, "warp"), "shared": Ours(*how, "shared")}
    check_agreement(methods["warp"], methods["naive"], decode_image(photos[0]))
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in methods}
    counts: dict[str, list[int]] = {name: [] for name in methods}
    for number, photo in enumerate(photos):
        image = decode_image(photo)
        names = list(methods)
        for name in names[number % 3 :] + names[: number % 3]:
            seconds, count = methods[name].run(image)
            rows[name].append(seconds)
            counts[name].append(count)
            print(f"{number + 1}/{len(photos)} {name}: {sum(seconds.values()):.1f} s, {count} boxes", file=sys.stderr)
    results = report(rows, counts)
    write_json(
        options.json,
        {**environment(torch.get_num_threads()), "photos": len(photos), "regions": options.regions, "results": results},
    )


if __name__ == "__main__":
    main()
