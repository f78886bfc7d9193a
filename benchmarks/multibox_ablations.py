"""What each choice in training MultiBox is worth: coverage of heads on a frozen trunk that differ in one thing.

Views of the training photos (crops, flips, distortion) and whole held-back photos go through BVLC's GoogLeNet once;
each variant then trains a head on these maps by the library's own loss, optimiser, schedule and averaging. So a
variant takes about a minute, and all see the same views. `quarter` and `half` train on fewer photos for as many steps:
where does the curve point? In `train multibox` the trunk learns too, and every epoch has new views.

With --hide, training is as if nobody had annotated every third of the classes, and coverage is given of these and of
the others apart: does MultiBox find what it was told is background?

    python benchmarks/multibox_ablations.py --data voc=FOLDER --data ilsvrc_loc=FOLDER --data coco=FILE,FOLDER \\
        --model FILE --json multibox.json
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hidden_classes import hidden_classes, hide
from measuring import environment, markdown, write_json
from multibox_maps import WHOLE, ViewMaker, head_coverage, train_head
from training_data import add_photo_options, split_photos

from configs.multibox_training import MultiBoxSamplingConfig
from configs.training import OptimisationConfig
from detect.model_file import load_model
from detect.model_zoo import find_model_file
from detect.training.multibox_stream import negative_weights
from detect.training.multibox_validation import UNCERTAIN, CoverageResult
from detect.training.prior_boxes import normalised_objects, with_mirrored
from proposals.multibox_heads import HeadSetting
from proposals.multibox_loss import MultiBoxLoss
from proposals.multibox_priors import cluster_priors, grid_priors, prior_coverage
from proposals.recall import recall

BUDGETS = (10, 50, 100, 200)
FULL, CELLS = HeadSetting("fully_connected", 8), HeadSetting("convolutional", 128, (14, 7, 5, 3, 2, 1))


@dataclass(frozen=True)
class Variant:
    """One run.

    `priors`: of a fully connected head; `part`: of the training photos; `unannotated`: see `negative_weights`.
    """

    meaning: str
    head: HeadSetting = FULL
    priors: int = 800
    loss: MultiBoxLoss = field(default_factory=MultiBoxLoss)
    part: float = 1.0
    unannotated: float = 1.0


def _cells(
    meaning: str, part: float = 1.0, head: HeadSetting = CELLS, unannotated: float = 1.0, **loss: Any
) -> Variant:
    return Variant(meaning, head=head, loss=MultiBoxLoss(**loss), part=part, unannotated=unannotated)


BEST: dict[str, Any] = {"extra_iou": 0.5, "units": "prior", "matching": "priors"}
VARIANTS = {
    "paper": Variant("fully connected, 800 priors, matched by predictions"),
    "priors_200": Variant("the same, 200 priors", priors=200, head=HeadSetting("fully_connected", 32)),
    "prior_matching": Variant("800 priors, matched by priors", loss=MultiBoxLoss(matching="priors")),
    "paper_extra": Variant("800 priors, and all that overlap by 0.5", loss=MultiBoxLoss(extra_iou=0.5)),
    "cells": _cells("convolutional, grids 14 to 1, the paper's loss"),
    "cells_7": _cells("convolutional, grids 7 to 1", head=HeadSetting("convolutional", 128, (7, 5, 3, 2, 1))),
    "cells_extra": _cells("grids 14 to 1, and all that overlap by 0.5", extra_iou=0.5),
    "near": _cells("cells_extra, wrong near objects of CLS-LOC too", extra_iou=0.5, near_iou=0.2),
    "tenth": _cells("cells_extra, background a tenth", extra_iou=0.5, unannotated=0.1),
    "tenth_near": _cells("background a tenth, but near objects", extra_iou=0.5, unannotated=0.1, near_iou=0.2),
    "third_near": _cells("background a third, but near objects", extra_iou=0.5, unannotated=0.3, near_iou=0.2),
    "none_near": _cells("background nothing, but near objects", extra_iou=0.5, unannotated=0.0, near_iou=0.2),
    "cells_best": _cells("the same, location in units of the prior, matched by priors", **BEST),
    "alpha_1": _cells("the same, location weighted 1", **BEST, alpha=1.0),
    "quarter": _cells("cells_best from a quarter of the photos", part=0.25, **BEST),
    "half": _cells("cells_best from half of the photos", part=0.5, **BEST),
}


class Ablations:
    """The maps that all variants share."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.train, self.held_back, _ = split_photos(options)
        self.hidden = hidden_classes(self.train) if options.hide else None
        if self.hidden is not None:
            self.train = hide(self.train, self.hidden)
        maker = ViewMaker(load_model(find_model_file(options.model)))
        started = time.perf_counter()
        self.views = maker.views(self.train, MultiBoxSamplingConfig(), options.passes, options.seed)
        self.whole = maker.views(self.held_back, WHOLE, 1, options.seed)
        self.seconds = time.perf_counter() - started
        self.objects = normalised_objects(self.held_back, seed=0)

    def run(self, variant: Variant) -> dict[str, Any]:
        """Train, and count what is covered."""
        options = self.options
        rng = np.random.default_rng(options.seed)
        photos = np.sort(rng.permutation(len(self.train))[: round(variant.part * len(self.train))])
        rows = np.flatnonzero(np.isin(self.views.photos, photos))
        priors = self._priors(variant)
        settings = OptimisationConfig(steps=options.steps, learning_rate=options.learning_rate)
        started = time.perf_counter()
        how = {"batch": options.batch, "seed": options.seed}
        negatives = negative_weights(self.train, variant.unannotated)
        network, losses = train_head(self.views, rows, negatives, variant.head, priors, variant.loss, settings, **how)
        result = head_coverage(network, self.whole, self.held_back, BUDGETS[-1], BUDGETS)
        quarter = max(1, len(losses) // 4)
        return {
            "meaning": variant.meaning,
            "photos": len(photos),
            "priors": len(priors),
            "weights": sum(one.numel() for one in network.head.parameters()),
            "prior_coverage": prior_coverage(priors, self.objects),
            "seconds": time.perf_counter() - started,
            "loss_last_quarter": float(np.mean(losses[-quarter:])),
            **result.metrics,
            **({} if self.hidden is None else hidden_coverage(result, self.hidden)),
        }

    def _priors(self, variant: Variant) -> np.ndarray:
        if variant.head.kind == "convolutional":
            return grid_priors(variant.head.grids)
        boxes = with_mirrored(normalised_objects(self.train, seed=self.options.seed))
        return cluster_priors(boxes, variant.priors, self.options.seed)


def hidden_coverage(result: CoverageResult, hidden: np.ndarray) -> dict[str, float]:
    """Coverage of the certain objects of hidden classes, and of the other ones."""
    certain = result.labels != UNCERTAIN
    unseen = np.zeros_like(certain)
    unseen[certain] = hidden[result.labels[certain]]
    parts = {"hidden": unseen, "shown": certain & ~unseen}
    counts = {f"{part}_objects": float(chosen.sum()) for part, chosen in parts.items()}
    return counts | {
        f"{part}_{budget}": float(recall(result.overlaps[row, chosen], 0.5))
        for part, chosen in parts.items()
        for row, budget in enumerate(result.budgets)
    }


def report(results: dict[str, Any]) -> str:
    """A line for each run."""
    parts = [part for part in ("hidden", "shown") if any(f"{part}_objects" in one for one in results.values())]
    apart = [(part, budget) for part in parts for budget in BUDGETS[1:]]
    header = ["run", "what", "K", "priors alone", *(f"{budget}" for budget in BUDGETS), "AR, 200"]
    header += [f"{part}, {budget}" for part, budget in apart]
    rows = [
        [
            name,
            one["meaning"],
            str(one["priors"]),
            f"{one['prior_coverage']:.3f}",
            *(f"{one[f'coverage_{budget}']:.3f}" for budget in BUDGETS),
            f"{one['AR_200']:.3f}",
            *(f"{one[f'{part}_{budget}']:.3f}" for part, budget in apart),
        ]
        for name, one in results.items()
    ]
    return markdown(header, rows)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_photo_options(parser)
    parser.set_defaults(val_images=240)
    parser.add_argument("--model", default="bvlc_googlenet", help="name or file of a classification GoogLeNet")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="comma-separated")
    parser.add_argument("--hide", action="store_true", help="train without every third of the classes")
    parser.add_argument("--passes", type=int, default=3, help="views of each photo")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=32, help="views")
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    unknown = set(options.variants.split(",")) - set(VARIANTS)
    if unknown:
        parser.error(f"--variants: expected some of {', '.join(VARIANTS)}, got {', '.join(sorted(unknown))}")
    return options


def main() -> None:
    options = parse()
    ablations = Ablations(options)
    counts = f"{len(ablations.views.photos)} views of {len(ablations.train)} photos"
    print(
        f"{counts}, {len(ablations.objects)} objects of {len(ablations.held_back)} held back, {ablations.seconds:.0f} s"
    )
    results: dict[str, Any] = {}
    for name in options.variants.split(","):
        results[name] = ablations.run(VARIANTS[name])
        covered = {budget: round(results[name][f"coverage_{budget}"], 3) for budget in BUDGETS}
        print(f"{name}: {covered}, {results[name]['seconds']:.0f} s", file=sys.stderr)
        settings = {key: str(value) for key, value in vars(options).items()}
        write_json(options.json, {**environment(torch.get_num_threads()), "settings": settings, "results": results})
    print(report(results))


if __name__ == "__main__":
    main()
