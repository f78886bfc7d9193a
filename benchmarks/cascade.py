"""How many regions are worth classifying? Mean AP and seconds by the number of proposals, on held-back photos.

The order of the proposals is a first look that costs nothing: selective search's, and that of its list merged with
MultiBox's confident boxes. Here the tail (5a, 5b, heads) sees only the first N of each list. All regions of a list are
classified once; detections are then suppressed from the first N. Seconds are those of one thread, on which proposing,
the shared map, and batches up to the N-th region were timed.

Photos are those that training held back; choose N here, and report scores of other photos. Mean AP is ILSVRC's, as far
as the annotations are certain.

    python benchmarks/cascade.py --data voc=VOC --data ilsvrc_loc=LOC --model FILE --val-images 248 --json cascade.json
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path

import numpy as np
import torch
from measuring import environment, markdown, quartiles, spread, write_json
from numpy.typing import NDArray
from training_data import add_photo_options, split_photos

from detect.detections import Detections
from detect.detector import DetectorSettings
from detect.ensemble import Ensemble, Member
from detect.freed_memory import keep_freed_memory
from detect.image_decoding import decode_image
from detect.model_file import load_model
from detect.model_zoo import find_model_file
from detect.proposers import build_proposer
from detect.region_choice import shared_settings
from detect.region_classifier import RegionClassifier
from detect.training.validation import MIN_SCORE, score
from detect.training.validation_truth import ground_truth_of
from detect.view_averaging import average, joined
from proposals.proposals import Proposer

BUDGETS = (25, 50, 100, 150, 200, 300, 500, 1000, None)
LISTS = {"selective search ×2": "selective_search", "both": "both"}
AFTERWARDS = DetectorSettings(min_score=MIN_SCORE)
BATCH = 64


class Timed:
    """One photo's detections for every budget, and the seconds they took on one thread."""

    def __init__(self, classifier: RegionClassifier, proposer: Proposer) -> None:
        self.classifier, self.proposer = classifier, proposer
        self.ensemble = Ensemble([Member(classifier, shared_settings(classifier.info, regions="shared"))])

    def __call__(self, image: NDArray[np.uint8]) -> tuple[list[Detections], list[float]]:
        started = time.perf_counter()
        boxes = self.proposer(image).boxes
        views = self.ensemble.open(image)
        for reader in (one for readers in views for one in readers):
            reader.regions(boxes[:1])  # makes its map; another, if there are several, counts where it is first needed
        answers, seconds = [], [time.perf_counter() - started]
        for first in range(0, len(boxes), BATCH):
            answers += self.ensemble.classify([(views, boxes[first : first + BATCH])])
            seconds.append(time.perf_counter() - started)
        every = [joined(view) for view in zip(*answers, strict=True)]
        moved, probs = average(torch.from_numpy(boxes), every, image.shape[:2])
        counts = [len(boxes) if budget is None else min(budget, len(boxes)) for budget in BUDGETS]
        found = [AFTERWARDS.suppressed(moved[:count], probs[:count]) for count in counts]
        ends = np.minimum(np.arange(len(seconds)) * BATCH, len(boxes))
        return found, np.interp(counts, ends, seconds).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_photo_options(parser)
    parser.add_argument("--model", required=True, help="name or file of a model for shared regions")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    _, held_back, _ = split_photos(options)
    model = load_model(find_model_file(options.model))
    classifier = RegionClassifier(model, device="cpu")
    truth = ground_truth_of(held_back)
    rows, results = [], {}
    for name, method in LISTS.items():
        setting = dataclasses.replace(model.info.proposals, method=method, superpixel_scale=2.0)
        timed = Timed(classifier, build_proposer(setting, device="cpu"))
        timed(decode_image(held_back.images[0]))  # compiles, or loads, the kernels
        found: list[list[Detections]] = []
        seconds: list[list[float]] = []
        for position in range(len(held_back)):
            one, took = timed(decode_image(held_back.images[position]))
            found.append(one)
            seconds.append(took)
            print(f"{name}: {position + 1}/{len(held_back)}", end="\r", file=sys.stderr)
        for place, budget in enumerate(BUDGETS):
            judged = score(held_back, {i: one[place] for i, one in enumerate(found)}, where=truth)
            took = np.array(seconds)[:, place]
            by_class = judged.evaluation.per_class
            frequent = [c.average_precision for c in by_class if c.num_ground_truths >= 10]
            mean = judged.mean_average_precision or 0.0
            rows.append(
                [
                    name,
                    "all" if budget is None else str(budget),
                    f"{mean:.3f}".removeprefix("0"),
                    f"{np.mean(frequent):.3f}".removeprefix("0"),
                    spread(took),
                ]
            )
            results[f"{name}, {budget}"] = {"mAP": mean, "frequent": float(np.mean(frequent)), "s": quartiles(took)}
    objects = judged.evaluation.num_ground_truths
    print(f"{len(held_back)} held-back photos, {objects} objects of {judged.num_classes} classes\n")
    header = ["proposals", "first", "mean AP", f"{len(frequent)} classes of 10 objects or more", "seconds, one thread"]
    print(markdown(header, rows))
    write_json(options.json, {**environment(1), "photos": len(held_back), "results": results})


if __name__ == "__main__":
    main()
