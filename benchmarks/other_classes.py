"""How well does a detector find objects of classes that hardly anybody taught it? On held-back CLS-LOC photos.

Held-back photos that are annotated for the 200 classes say nothing of those without boxes in training, of which det200
has 135. A network with the 1000 classification outputs can be asked for others: the classification classes that belong
to no detection class. CLS-LOC photos have boxes of them, and of most of them training has one photo or none; there they
were background to the classifier, or might be (a dingo: dog or background), but for what people wear, a person. Each is
a class of its own here. A photo is annotated for its own class alone, and what is found of others counts as wrong,
though it may be there. So a detector can be judged on classes without boxes too, and not on ILSVRC DET.

    python benchmarks/other_classes.py --data voc=VOC --data ilsvrc_loc=LOC --data coco=JSON,IMAGES --val-images 248
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from measuring import environment, markdown, write_json
from numpy.typing import NDArray
from training_data import detector_parser, split_photos
from votes import classified

from configs.detection import DetectionConfig
from detect.class_tables import DetectionClass, ilsvrc_classification_classes, ilsvrc_detection_classes
from detect.classification_classes import classification_classes
from detect.detections import Detections
from detect.detector import Detector
from detect.ground_truth import GroundTruth
from detect.ground_truth_subset import restrict
from detect.ground_truth_xml import read_ilsvrc_tree
from detect.model_file import Model, load_model
from detect.model_zoo import find_model_file
from detect.region_choice import shared_settings
from detect.region_classifier import RegionClassifier
from detect.scoring.protocols import evaluate
from detect.suppression import suppress
from detect.training.joined_sets import subset
from detect.training.training_set import TrainingSet
from detect.training.validation import MIN_SCORE, predictions_of
from proposals.proposals import Proposer


def main() -> None:
    parser = detector_parser(__doc__, nargs="+", default=["det200"], help="names or files")
    options = parser.parse_args()
    trees = cls_loc_trees(options.data)
    if len(trees) != 1 or options.train_images is not None:
        parser.error("expected one --data ilsvrc_loc=PATH, whose photos have such classes, and no --train-images")
    train, held_back, _ = split_photos(options)
    annotated = read_ilsvrc_tree(trees[0])
    photos, others = of_tree(held_back, trees[0]), of_tree(train, trees[0])
    truth = of_other_classes(restrict(annotated, photos.names))
    if not len(truth.labels):
        parser.error(f"--data: {trees[0]} has no held-back photo of a class that is no detection class")
    known = {one.wnid for one in of_other_classes(restrict(annotated, others.names)).classes}
    new = np.array([one.wnid not in known for one in truth.classes])
    photos = in_order(photos, truth.images)
    proposer = Detector.load("det200").proposer
    chosen = DetectionConfig()
    rows, results = [], []
    for model in options.model:
        regions = classified(asked_for(model, truth.classes, proposer), photos)
        for vote_iou, factor in ((1.0, 1.0), (chosen.vote_iou, chosen.nested_factor)):
            found = [suppress(*one, min_score=MIN_SCORE, vote_iou=vote_iou, nested_factor=factor) for one in regions]
            values = average_precisions(truth, found)
            means = float(values.mean()), float(values[new].mean()) if new.any() else None
            shown = ("" if one is None else f"{one:.3f}".removeprefix("0") for one in means)
            rows.append([Path(model).stem, "" if vote_iou == 1 else "yes", *shown])
            figures = dict(zip(("mAP", "new"), means, strict=True))
            results.append({"model": model, "vote_iou": vote_iou, "nested_factor": factor, **figures})
    objects = np.bincount(truth.labels)
    print(
        f"{len(photos)} held-back photos, {len(truth.labels)} objects of {len(truth.classes)} classes, "
        f"of {(objects == 1).sum()} of these one\n"
    )
    print(markdown(["model", "votes", "mean AP", f"of the {new.sum()} that training has no photo of"], rows))
    write_json(options.json, {**environment(torch.get_num_threads()), "rows": results})


def cls_loc_trees(data: Sequence[str]) -> list[Path]:
    """Those among the values of `--data`."""
    return [Path(one.partition("=")[2].partition(",")[0]) for one in data if one.startswith("ilsvrc_loc=")]


def of_other_classes(truth: GroundTruth) -> GroundTruth:
    """The same photos with the objects alone that belong to no detection class, whose classes become the label space.

    Raises:
        ValueError: if the truth is not of the 1000 classification classes.
    """
    check_classes(truth)
    within = {member for one in ilsvrc_detection_classes() for member in one.members}
    kept = np.array([label not in within for label in truth.labels.tolist()], np.bool_)
    present, labels = np.unique(truth.labels[kept], return_inverse=True)
    return dataclasses.replace(
        truth,
        classes=tuple(truth.classes[label] for label in present),
        image_of=truth.image_of[kept],
        boxes=truth.boxes[kept],
        labels=labels.reshape(-1).astype(np.int64),
        ignored=truth.ignored[kept],
    )


def check_classes(truth: GroundTruth) -> None:
    """Raises ValueError if the truth is not of the 1000 classification classes."""
    if truth.classes != ilsvrc_classification_classes():
        raise ValueError(f"expected annotations of the 1000 classification classes, got {len(truth.classes)} others")


def load_outputs(model: str) -> Model:
    """A model by name or file, with the 1000 classification outputs.

    Raises:
        ValueError: if it has other outputs.
    """
    loaded = load_model(find_model_file(model))
    if classification_classes(loaded.info) != ilsvrc_classification_classes():
        raise ValueError(f"{model}: expected the 1000 classification outputs, got those of other classes")
    return loaded


def asked_for(model: str, classes: Sequence[DetectionClass], proposer: Proposer) -> Detector:
    """The detector of a model with the 1000 classification outputs, asked for some of these.

    Raises:
        ValueError: if the model has other outputs.
    """
    loaded = load_outputs(model)
    info = dataclasses.replace(loaded.info, classes=tuple(classes))
    classifier = RegionClassifier(dataclasses.replace(loaded, info=info))
    return Detector(classifier=classifier, proposer=proposer, shared=shared_settings(info))


def of_tree(photos: TrainingSet, tree: Path) -> TrainingSet:
    """Those whose files are in a folder."""
    return subset(photos, np.array([i for i, path in enumerate(photos.images) if path.is_relative_to(tree)], np.int64))


def in_order(photos: TrainingSet, names: Sequence[str]) -> TrainingSet:
    """The photos of these names, all of which there are once, in their order."""
    position = {name: number for number, name in enumerate(photos.names)}
    return subset(photos, np.array([position[name] for name in names], np.int64))


def average_precisions(truth: GroundTruth, found: Sequence[Detections]) -> NDArray[np.float64]:
    """(K,) of each class, by ILSVRC's rule.

    Args:
        truth: every class of which has an object.
        found: of each of the truth's images.
    """
    per_class = evaluate(truth, predictions_of(dict(enumerate(found)))).per_class
    return np.array([one.average_precision for one in per_class], np.float64)


if __name__ == "__main__":
    main()
