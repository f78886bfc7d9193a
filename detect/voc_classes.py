"""The 20 classes of PASCAL VOC, in the official (alphabetical) order."""

from __future__ import annotations

from detect.class_tables import DetectionClass

NAMES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)


def voc_classes() -> tuple[DetectionClass, ...]:
    """Index = label. The classes have no WordNet id."""
    return tuple(DetectionClass("", name) for name in NAMES)
