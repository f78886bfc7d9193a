"""Ground truths without objects, for readers of detections."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detect.class_tables import ilsvrc_detection_classes
from detect.ground_truth import GroundTruth


def empty_truth(images: Mapping[str, int]) -> GroundTruth:
    """Images with their numbers, and the 200 classes."""
    return GroundTruth(
        images=tuple(images),
        numbers=np.array(list(images.values()), np.int64),
        sizes=np.zeros((len(images), 2), np.int32),
        classes=ilsvrc_detection_classes(),
        image_of=np.empty(0, np.int64),
        boxes=np.empty((0, 4)),
        labels=np.empty(0, np.int64),
        ignored=np.empty(0, np.bool_),
    )
