"""What are votes for boxes, and less belief in nested ones, worth? Mean AP, precision and recall on held-back photos.

The detector as `detect` runs it, its own proposals included; the regions of each photo are classified once, and
suppressed in several ways: as R-CNN did; with each detection's box moved to the mean of all regions' boxes that
overlap it (`--vote-iou`); with a factor on the score of what lies in a better detection of its class
(`--nested-factor`). Photos are those that training held back; what is chosen is chosen here.

    python benchmarks/votes.py --data voc=VOC --data ilsvrc_loc=LOC --data coco=JSON,IMAGES --val-images 248 --json FILE
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import torch
from measuring import environment, markdown, write_json
from min_score import precision_and_recall
from numpy.typing import NDArray
from torch import Tensor
from training_data import detector_parser, split_photos

from configs.detection import DetectionConfig
from detect.detections import Detections
from detect.detector import Detector
from detect.ensemble import Ensemble, Member
from detect.image_decoding import decode_image
from detect.region_classifier import ClassifiedRegions
from detect.suppression import suppress
from detect.training.training_set import TrainingSet
from detect.training.validation import MIN_SCORE, predictions_of, score
from detect.training.validation_truth import ValidationTruth, ground_truth_of, without_uncertain
from detect.view_averaging import average, joined

VOTES = (1.0, 0.6, 0.5, 0.4, 0.3)
FACTORS = (1.0, 0.7, 0.5, 0.3, 0.0)
FREQUENT = 5  # objects
BATCH = 64


def main() -> None:
    options = detector_parser(__doc__).parse_args()
    _, held_back, _ = split_photos(options)
    truth = ground_truth_of(held_back)
    regions = classified(Detector.load(options.model), held_back)
    chosen = DetectionConfig()
    settings = [(1.0, 1.0), *((vote, 1.0) for vote in VOTES[1:]), *((chosen.vote_iou, one) for one in FACTORS[1:])]
    rows, results = [], []
    for vote_iou, factor in settings:
        found = [suppress(*one, min_score=MIN_SCORE, vote_iou=vote_iou, nested_factor=factor) for one in regions]
        figures = judge(held_back, found, truth, chosen.min_score)
        rows.append(
            [
                "" if vote_iou == 1 else f"{vote_iou:g}",
                "" if factor == 1 else f"{factor:g}",
                *(f"{one:.3f}".removeprefix("0") for one in figures.values()),
            ]
        )
        results.append({"vote_iou": vote_iou, "nested_factor": factor, **figures})
    objects = score(held_back, {}, where=truth).evaluation.num_ground_truths
    print(f"{len(held_back)} held-back photos, {objects} objects\n")
    shown = f"from {chosen.min_score:g} on: precision"
    print(markdown(["votes from IoU", "nested", "mean AP", "of frequent classes", shown, "recall", "F1"], rows))
    write_json(options.json, {**environment(torch.get_num_threads()), "rows": results})


def classified(detector: Detector, photos: TrainingSet) -> list[tuple[Tensor, Tensor]]:
    """Of each photo the boxes, corrected, and probabilities of all regions."""
    ensemble = Ensemble([Member(detector.classifier, detector.shared)])
    found = []
    for number, path in enumerate(photos.images, 1):
        image = decode_image(path)
        boxes = detector.proposer(image).boxes
        found.append(boxes_and_probs(ensemble, image, boxes))
        print(f"{number}/{len(photos)}", end="\r", file=sys.stderr)
    return found


def boxes_and_probs(ensemble: Ensemble, image: NDArray[np.uint8], boxes: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
    """(N, 4) and (N, K), N at least 1, as the detector suppresses them."""
    return average(torch.from_numpy(boxes), answers_of(ensemble, image, boxes), (image.shape[0], image.shape[1]))


def answers_of(ensemble: Ensemble, image: NDArray[np.uint8], boxes: NDArray[np.float32]) -> list[ClassifiedRegions]:
    """What each view says of boxes (N, 4), N at least 1."""
    views = ensemble.open(image)
    parts = [boxes[first : first + BATCH] for first in range(0, len(boxes), BATCH)]
    answers = [ensemble.classify([(views, part)])[0] for part in parts]
    return [joined(view) for view in zip(*answers, strict=True)]


def judge(photos: TrainingSet, found: Sequence[Detections], truth: ValidationTruth, *least: float) -> dict[str, float]:
    """Mean AP of all classes and of the frequent ones; precision, recall and F1 of what is shown.

    Args:
        least: the score from which on that is; of several, the one with the highest F1, which becomes a "score" too.
    """
    by_photo = dict(enumerate(found))
    evaluation = score(photos, by_photo, where=truth).evaluation
    scores = without_uncertain(predictions_of(by_photo), truth).scores
    frequent = [
        one.average_precision
        for one in evaluation.per_class
        if one.average_precision is not None and one.num_ground_truths >= FREQUENT
    ]
    objects = evaluation.num_ground_truths
    shown = {one: precision_and_recall(evaluation.outcomes, scores, objects, one) for one in least}
    best = max(least, key=lambda one: shown[one][2])
    return {
        "mAP": evaluation.mean_average_precision or 0.0,
        "frequent": float(np.mean(frequent)) if frequent else 0.0,
        **dict(zip(("precision", "recall", "F1"), shown[best], strict=True)),
        **({"score": best} if len(least) > 1 else {}),
    }


if __name__ == "__main__":
    main()
