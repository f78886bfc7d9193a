"""Which treatment of background suits the zero-shot head? Average precision on CLS-LOC photos, from one set of logits.

Each photo is annotated with all boxes of one class; photos whose class belongs to a detection class take part, and
all other detections in them count as false. The options: the plain sum of the softmax over descendants; a softmax
temperature; one more output that is the same for every region (a constant background logit); both.
mAP: per-class average precision (area under the precision envelope, IoU ≥ 0.5, NMS 0.3) averaged over the classes
present; pooled: one ranking of all detections. Half A and half B are the even and the odd photos.

    python benchmarks/zero_shot_background.py --images TREE/Data --ground-truth TREE/Annotations --model FILE
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from annotated_photos import AnnotatedPhoto, annotated_photos
from measuring import environment, write_json
from torchvision.ops import box_iou

from detect import Detections
from detect.class_tables import ilsvrc_classification_classes, ilsvrc_detection_classes
from detect.detector import Detector
from detect.image_decoding import decode_image
from detect.region_warp import RegionWarper
from detect.suppression import suppress
from detect.zero_shot_head import ZeroShotHead

OPTIONS = [(t, b) for t in (1.0, 1.5, 2.0) for b in (None, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0)]


@dataclass(frozen=True)
class Photo:
    """Regions of one photo: boxes (N, 4), logits (N, 1000), the class annotated and its boxes (M, 4)."""

    boxes: torch.Tensor
    logits: torch.Tensor
    label: int
    truth: torch.Tensor


def look(detector: Detector, photo: AnnotatedPhoto, label: int, limit: int) -> Photo:
    """Logits of a photo's proposals."""
    image = decode_image(photo.path)
    boxes = detector.proposer(image).boxes[:limit]
    warper = RegionWarper(image, detector.info.input, settings=detector.warp, device=detector.classifier.device)
    parts = [boxes[i : i + detector.batch_size] for i in range(0, len(boxes), detector.batch_size)]
    logits = torch.cat([detector.classifier.logits(warper.regions(part)).float().cpu() for part in parts])
    return Photo(torch.from_numpy(boxes), logits, label, torch.from_numpy(photo.boxes).float())


def average_precision(scores: list[float], hits: list[float], positives: int) -> float:
    """Area under the monotone precision envelope."""
    order = np.argsort(-np.array(scores), kind="stable")
    true = np.cumsum(np.array(hits)[order]) if len(order) else np.zeros(0)
    precision = np.maximum.accumulate((true / np.arange(1, len(true) + 1))[::-1])[::-1]
    return float(np.sum(np.diff(np.concatenate([[0.0], true / positives])) * precision))


def hits_of(found: Detections, photo: Photo) -> list[float]:
    """1 for each detection that takes a box of the photo's class not taken before, at IoU ≥ 0.5."""
    overlaps = box_iou(torch.from_numpy(found.boxes), photo.truth).numpy().copy()
    hits = []
    for row, label in enumerate(found.labels):
        best = int(overlaps[row].argmax())
        hit = label == photo.label and overlaps[row, best] >= 0.5
        if hit:
            overlaps[:, best] = -1.0
        hits.append(float(hit))
    return hits


def score(photos: list[Photo], head: ZeroShotHead, temperature: float) -> tuple[float, float]:
    """(mAP over the classes present, pooled AP)."""
    rows: list[tuple[int, float, float]] = []
    positives: dict[int, int] = {}
    for photo in photos:
        positives[photo.label] = positives.get(photo.label, 0) + len(photo.truth)
        found = suppress(photo.boxes, head(photo.logits / temperature), min_score=0.001)
        rows.extend(zip(found.labels.tolist(), found.scores.tolist(), hits_of(found, photo), strict=True))
    per_class = []
    for label, count in positives.items():
        own = [(s, h) for c, s, h in rows if c == label]
        per_class.append(average_precision([s for s, _ in own], [h for _, h in own], count))
    pooled = average_precision([s for _, s, _ in rows], [h for _, _, h in rows], sum(positives.values()))
    return float(np.mean(per_class)), pooled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--ground-truth", type=Path, required=True)
    parser.add_argument("--model", default="bvlc_googlenet")
    parser.add_argument("--limit", type=int, default=60, help="photos, a seeded sample")
    parser.add_argument("--proposals", type=int, default=300, help="best proposals per photo")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    detector = Detector.load(options.model)
    label_of = {m: label for label, c in enumerate(ilsvrc_detection_classes()) for m in c.members}
    wnid_of = {c.wnid: label_of.get(i) for i, c in enumerate(ilsvrc_classification_classes())}
    found = [p for p in annotated_photos(options.images, options.ground_truth) if wnid_of.get(p.names[0]) is not None]
    chosen = np.random.default_rng(0).permutation(len(found))[: options.limit]
    photos = [look(detector, found[i], wnid_of[found[i].names[0]], options.proposals) for i in chosen]
    results = []
    print(f"{len(photos)} of {len(found)} photos, {options.proposals} proposals\n")
    print(f"{'temperature':>11}{'background':>12}{'mAP':>8}{'half A':>8}{'half B':>8}{'pooled':>8}")
    for temperature, background in OPTIONS:
        scaled = None if background is None else background / temperature
        head = ZeroShotHead(detector.info.classes, detector.info.num_outputs, background_logit=scaled)
        both, a, b = (score(part, head, temperature) for part in (photos, photos[::2], photos[1::2]))
        row = {"temperature": temperature, "background_logit": background, "mAP": both[0]}
        results.append({**row, "half_a": a[0], "half_b": b[0], "pooled": both[1]})
        name = "none" if background is None else f"{background:g}"
        print(f"{temperature:11g}{name:>12}{both[0]:8.3f}{a[0]:8.3f}{b[0]:8.3f}{both[1]:8.3f}")
    write_json(options.json, {**environment(torch.get_num_threads()), "photos": len(photos), "results": results})


if __name__ == "__main__":
    main()
