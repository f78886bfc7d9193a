"""Validation of a classification network: top-1 and top-5 by one centre crop, of all images and of each class."""

from __future__ import annotations

from typing import Any

from detect.classification_metrics import accuracy_metrics, classification_record, measure_accuracy
from detect.image_classification import ImageClassifier, classify_images
from detect.image_sources import SourceImage
from detect.model_file import Model
from detect.region_classifier import RegionClassifier
from detect.training.labelled_set import LabelledSet

METRIC = "share of the held-back images whose class is the most probable, or among five, by one centre crop"


def validate_backbone(
    model: Model, held_back: LabelledSet, *, size: int, device: str, precision: str, workers: int = 1
) -> dict[str, Any]:
    """Classify every image as `evaluate classification --crops 1` does, and count.

    Args:
        model: with an output for each of the set's classes.
        size: a side of the crop.
        workers: threads that decode ahead; the result does not depend on it.
    Returns:
        Ready for JSON: `accuracy_metrics` and what they are.
    """
    network = RegionClassifier(model, device=device, precision=precision)
    classifier = ImageClassifier([network], len(held_back.classes), size=size)
    sources = [SourceImage(path, str(path)) for path in held_back.images]
    answers = classify_images(classifier, sources, workers=workers, decode=held_back.reader.decode)
    labelled = zip(answers, held_back.labels.tolist(), strict=True)
    accuracy = measure_accuracy(
        (classification_record(answer, label) for answer, label in labelled), len(held_back.classes)
    )
    return {"metric": METRIC, "size": size, **accuracy_metrics(accuracy, held_back.classes)}


def validation_figures(summary: dict[str, Any]) -> dict[str, float]:
    """For logs; 0 where no image could be read."""
    return {f"{name}_accuracy": summary[name] or 0.0 for name in ("top1", "top5")}
