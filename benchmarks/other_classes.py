"""How well does a detector find objects of classes that nobody taught it as objects? On held-back CLS-LOC photos.

Held-back photos that are annotated for the 200 classes say nothing of those without boxes in training, of which det200
has 135. A network with the 1000 classification outputs can be asked for others: the classification classes that belong
to no detection class. CLS-LOC photos have boxes of them, and of most of them training has one photo or none; to the
classifier they were background there, or nothing. Each is a class of its own here, and the photos of all others show
none of it, as far as anybody knows. So a detector can be chosen on classes without boxes too, and not on ILSVRC DET.

    python benchmarks/other_classes.py --data voc=VOC --data ilsvrc_loc=LOC --data coco=JSON,IMAGES --val-images 248
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from measuring import environment, markdown, write_json
from numpy.typing import NDArray
from training_data import add_photo_options, split_photos
from votes import classified

from configs.detection import DetectionConfig
from detect.class_tables import DetectionClass, ilsvrc_classification_classes, ilsvrc_detection_classes
from detect.detections import Detections
from detect.detector import Detector
from detect.ground_truth import GroundTruth
from detect.ground_truth_subset import restrict
from detect.ground_truth_xml import read_ilsvrc_tree
from detect.model_file import load_model
from detect.model_zoo import find_model_file
from detect.region_classifier import RegionClassifier
from detect.scoring.protocols import evaluate
from detect.suppression import suppress
from detect.training.joined_sets import subset
from detect.training.training_set import TrainingSet
from detect.training.validation import MIN_SCORE, predictions_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_photo_options(parser)
    parser.add_argument("--model", action="append", help="name or file; may be given several times; default: det200")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    train, held_back, _ = split_photos(options)
    trees = [Path(one.partition("=")[2]) for one in options.data if one.startswith("ilsvrc_loc=")]
    if not trees:
        parser.error("--data: expected ilsvrc_loc=PATH among them, whose photos have such classes")
    annotated = read_ilsvrc_tree(trees[0])
    truth = of_other_classes(restrict(annotated, set(held_back.names) & set(annotated.images)))
    taught = of_other_classes(restrict(annotated, set(train.names) & set(annotated.images)))
    known = {one.wnid for one in taught.classes}
    new = np.array([one.wnid not in known for one in truth.classes])
    photos = chosen_photos(held_back, truth.images)
    chosen = DetectionConfig()
    rows, results = [], []
    for model in options.model or ["det200"]:
        regions = classified(asked_for(model, truth.classes), photos)
        for vote_iou, factor in ((1.0, 1.0), (chosen.vote_iou, chosen.nested_factor)):
            found = [suppress(*one, min_score=MIN_SCORE, vote_iou=vote_iou, nested_factor=factor) for one in regions]
            every, some = mean_ap(truth, found, new)
            rows.append([Path(model).stem, "" if vote_iou == 1 else "yes", f"{every:.3f}"[1:], f"{some:.3f}"[1:]])
            results.append({"model": model, "vote_iou": vote_iou, "nested_factor": factor, "mAP": every, "new": some})
    print(f"{len(photos)} held-back photos, {len(truth.labels)} objects of {len(truth.classes)} classes\n")
    print(markdown(["model", "votes", "mean AP", f"of the {new.sum()} that training has no photo of"], rows))
    write_json(options.json, {**environment(torch.get_num_threads()), "rows": results})


def of_other_classes(truth: GroundTruth) -> GroundTruth:
    """The same photos with the objects alone that belong to no detection class, whose classes become the label space.

    Args:
        truth: of the 1000 classification classes.
    """
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


def asked_for(model: str, classes: Sequence[DetectionClass]) -> Detector:
    """The detector of a model with 1000 classification outputs, asked for some of these.

    Raises:
        ValueError: if the model has other outputs.
    """
    loaded = load_model(find_model_file(model))
    if loaded.info.num_outputs < len(ilsvrc_classification_classes()):
        raise ValueError(f"{model}: expected the 1000 classification outputs, got {loaded.info.num_outputs} outputs")
    info = dataclasses.replace(loaded.info, classes=tuple(classes))
    usual = Detector.load(model)
    classifier = RegionClassifier(dataclasses.replace(loaded, info=info))
    return Detector(classifier=classifier, proposer=usual.proposer, shared=usual.shared)


def chosen_photos(photos: TrainingSet, names: Sequence[str]) -> TrainingSet:
    """Those with these names, in their order.

    Raises:
        ValueError: if one is missing.
    """
    position = {name: number for number, name in enumerate(photos.names)}
    if missing := [name for name in names if name not in position]:
        raise ValueError(f"names: expected photos of the set, got {missing[0]}")
    return subset(photos, np.array([position[name] for name in names], np.int64))


def mean_ap(truth: GroundTruth, found: Sequence[Detections], new: NDArray[np.bool_]) -> tuple[float, float]:
    """Mean AP by ILSVRC's rule: of all classes, and of those marked.

    Args:
        found: of each of the truth's images.
        new: (K,).
    """
    per_class = evaluate(truth, predictions_of(dict(enumerate(found)))).per_class
    values = np.array([one.average_precision for one in per_class], np.float64)
    return float(values.mean()), float(values[new].mean()) if new.any() else 0.0


if __name__ == "__main__":
    main()
