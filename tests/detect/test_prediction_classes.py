"""A detector's classes among those of a ground truth."""

from __future__ import annotations

from detect.class_tables import DetectionClass, ilsvrc_detection_classes
from detect.prediction_classes import ClassLookup


def test_the_wordnet_id_decides() -> None:
    lookup = ClassLookup(ilsvrc_detection_classes())
    assert lookup.label("n02883205", "bow") == 27  # bow tie
    assert lookup.label("n02879718", "bow tie") == 28  # bow
    assert lookup.label("n00000000", "bow") is None
    assert lookup.label("", "bow") == 28


def test_names_where_the_ground_truth_has_no_ids() -> None:
    lookup = ClassLookup((DetectionClass("", "person"), DetectionClass("", "horse")))
    assert lookup.label("n02374451", "horse") == 1
    assert lookup.label("n03790512", "motorcycle") is None
