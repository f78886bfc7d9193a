"""How sure is a detector of what single regions show? Costs of held-back regions, by which runs can be told apart.

Mean AP over a few hundred objects moves by some hundredths by luck, so that two runs of one detector cannot be told
apart by it. How probable a detector finds what a region shows is another measurement for each region. Three kinds, each
a mean over photos: regions of annotated objects (the objects' own boxes, and proposals of IoU 0.5 or more with them),
minus the logarithm of the probability of what their target allows; proposals on no object (below 0.3), the same, which
is small where a detector has seen such things to be background; and regions of CLS-LOC's objects, of which the one of
the 1000 classification outputs is known that they show. Most of these, and of the detection classes, have no box in
training; what becomes of them can be seen here. Photos are those that training held back.

    python benchmarks/region_knowledge.py --data voc=VOC --data ilsvrc_loc=LOC --data coco=JSON,IMAGES \\
        --val-images 248 --model det200 OTHER
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from measuring import environment, markdown, write_json
from numpy.typing import NDArray
from other_classes import check_classes, cls_loc_trees, load_outputs
from torch import Tensor
from training_data import detector_parser, split_photos
from votes import answers_of

from detect.class_tables import DetectionClass, ilsvrc_classification_classes
from detect.detector import Detector
from detect.ensemble import Ensemble, Member
from detect.ground_truth_xml import read_ilsvrc_tree
from detect.image_decoding import decode_image
from detect.region_choice import shared_settings
from detect.region_classifier import RegionClassifier
from detect.training.losses import memberships
from detect.training.training_set import TrainingSet
from proposals.recall import box_overlaps

PROPOSALS = 40  # of a photo, drawn from the detector's
OBJECT, NOTHING = 0.5, 0.3  # IoU from which on, and below which, a proposal shows an object, or none
LEAST = 1e-6  # a probability that rounds to 0 costs 14, not infinity
KINDS = ("objects", "background", "output", "first")


@dataclass(frozen=True)
class Regions:
    """What a photo is asked about.

    Attributes:
        boxes: (R, 4) float32 xyxy pixels.
        targets: (R,) rows of `TrainingSet.allowed`.
        on_object: (R,) bool.
    """

    boxes: NDArray[np.float32]
    targets: NDArray[np.int64]
    on_object: NDArray[np.bool_]


@dataclass(frozen=True)
class Asked:
    """A detector that answers with the classification outputs, and which of these its classes are made of."""

    ensemble: Ensemble
    members: Tensor  # (1000, K) bool


def main() -> None:
    parser = detector_parser(__doc__, nargs="+", default=["det200"], help="names or files; later ones beside the first")
    options = parser.parse_args()
    _, held_back, _ = split_photos(options)
    shown = shown_outputs(cls_loc_trees(options.data))
    proposer = Detector.load("det200").proposer
    detectors = [asked(model) for model in options.model]
    costs = np.full((len(detectors), len(held_back), len(KINDS)), np.nan)
    for number, path in enumerate(held_back.images):
        image = decode_image(path)
        regions = regions_of(held_back, number, proposer(image).boxes)
        output = shown.get(held_back.names[number])
        if len(regions.boxes):
            for one, detector in enumerate(detectors):
                probs = answers_of(detector.ensemble, image, regions.boxes)[0].probs.cpu()
                costs[one, number] = measured(probs, detector.members, regions, held_back.allowed, output)
        print(f"{number + 1}/{len(held_back)}", end="\r", file=sys.stderr)
    figures = [[compared(own[:, kind], costs[0][:, kind]) for kind in range(len(KINDS))] for own in costs]
    rows = table_rows(options.model, figures)
    results = [
        {
            "model": model,
            **{kind: [None if np.isnan(x) else x for x in one] for kind, one in zip(KINDS, own, strict=True)},
        }
        for model, own in zip(options.model, figures, strict=True)
    ]
    photos = np.isfinite(costs[0]).sum(axis=0)
    print(f"photos with such regions: {', '.join(f'{kind} {n}' for kind, n in zip(KINDS, photos, strict=True))}\n")
    header = ["model", "objects", "background", "output of CLS-LOC's objects", "is the first of 1000"]
    print(markdown(header, rows))
    write_json(options.json, {**environment(torch.get_num_threads()), "rows": results})


def shown_outputs(trees: Sequence[Path]) -> dict[str, int]:
    """Of CLS-LOC's photos, by name, the classification output of the one class that each is annotated for.

    Raises:
        ValueError: if a tree is of other classes, or a photo of two.
    """
    found: dict[str, int] = {}
    for tree in trees:
        truth = read_ilsvrc_tree(tree)
        check_classes(truth)
        for image, label in zip(truth.image_of, truth.labels.tolist(), strict=True):
            if found.setdefault(truth.images[image], label) != label:
                raise ValueError(f"{tree}: {truth.images[image]}: expected objects of one class, got two")
    return found


def regions_of(photos: TrainingSet, number: int, proposals: NDArray[np.float32]) -> Regions:
    """The objects' boxes that count, then of `PROPOSALS` drawn ones those that clearly show one or none.

    Args:
        number: of the photo, which also decides what is drawn.
    """
    objects, targets = photos.objects(number)
    drawn = np.sort(np.random.default_rng(number).permutation(len(proposals))[:PROPOSALS])
    boxes = proposals[drawn]
    best, most = np.zeros(len(boxes), np.int64), np.zeros(len(boxes))
    if len(objects) and len(boxes):
        table = box_overlaps(boxes, objects)
        best, most = table.argmax(axis=1), table.max(axis=1)
    own = targets[best] if len(objects) else np.full(len(boxes), photos.background[number])
    of_object = (most >= OBJECT) & (own >= 0)
    of_nothing = most < NOTHING
    own = np.where(of_nothing, photos.background[number], own)
    clear, counts = of_object | of_nothing, targets >= 0
    return Regions(
        boxes=np.concatenate([objects[counts], boxes[clear]]).astype(np.float32),
        targets=np.concatenate([targets[counts], own[clear]]),
        on_object=np.concatenate([np.ones(counts.sum(), np.bool_), of_object[clear]]),
    )


def asked(model: str) -> Asked:
    """A model with the 1000 classification outputs, which give each its probability and leave background the rest of 1.

    Raises:
        ValueError: if the model has other outputs.
    """
    loaded = load_outputs(model)
    outputs = ilsvrc_classification_classes()
    info = dataclasses.replace(loaded.info, classes=outputs)
    classifier = RegionClassifier(dataclasses.replace(loaded, info=info), box_regression=False)
    return Asked(Ensemble([Member(classifier, shared_settings(info))]), members_of(loaded.info.classes, len(outputs)))


def members_of(classes: Sequence[DetectionClass], outputs: int) -> Tensor:
    """(outputs, K) bool."""
    return memberships(classes, outputs)[:, :-1]


def measured(
    probs: Tensor, members: Tensor, regions: Regions, allowed: NDArray[np.bool_], output: int | None
) -> NDArray[np.float64]:
    """(4,) the photo's means, see `KINDS`; not a number where it has no such regions.

    Args:
        probs: (R, 1000).
        members: (1000, K) bool.
        allowed: (T, K + 1) bool. Objects whose target allows background are of no class, and count among neither.
        output: that CLS-LOC's objects show; None: of another data set, whose objects teach no single output.
    """
    classes = probs.double() @ members.double()
    outcomes = torch.cat([classes, (1 - classes.sum(dim=1, keepdim=True)).clamp(min=0)], dim=1).numpy()
    rows = allowed[regions.targets]
    costs = -np.log(np.maximum((outcomes * rows).sum(axis=1), LEAST))
    known = regions.on_object & ~rows[:, -1]
    figures = [mean_of(costs[known]), mean_of(costs[~regions.on_object]), np.nan, np.nan]
    if output is not None:
        own = probs[torch.from_numpy(regions.on_object)].double()
        among = own / own.sum(dim=1, keepdim=True)  # background is left aside
        figures[2] = mean_of(-np.log(np.maximum(among[:, output].numpy(), LEAST)))
        figures[3] = mean_of((own.argmax(dim=1) == output).double().numpy())
    return np.array(figures)


def mean_of(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def compared(own: NDArray[np.float64], first: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean over photos; mean difference to another model's on the same photos; its standard error."""
    there = np.isfinite(own) & np.isfinite(first)
    difference = (own - first)[there]
    error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else float("nan")
    return mean_of(own[there]), mean_of(difference), float(error)


def table_rows(models: Sequence[str], figures: Sequence[Sequence[tuple[float, float, float]]]) -> list[list[str]]:
    """A row for each model: the first's means, the others' beside them."""
    return [
        [model, *(in_words(*one, first=number == 0) for one in own)]
        for number, (model, own) in enumerate(zip(models, figures, strict=True))
    ]


def in_words(mean: float, difference: float, error: float, *, first: bool) -> str:
    """`1.704`, or of a later model `1.602 (-0.102 ± 0.025)`; nothing where no photo has it."""
    if np.isnan(mean):
        return ""
    return f"{mean:.3f}" if first else f"{mean:.3f} ({difference:+.3f} ± {error:.3f})"


if __name__ == "__main__":
    main()
