"""What det200 must not see, at `detect`'s own threshold, and how precision and recall are counted."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_pictures import document, drawing, night
from min_score import DRAWN, pictures, precision_and_recall

from configs.detection import DetectionConfig
from detect.detector import Detector, DetectorSettings
from detect.image_decoding import decode_image
from detect.scoring.results import HIT, IGNORED, MISS


@pytest.fixture(scope="module")
def detector() -> Detector:
    """As `detect` has it by default."""
    defaults = DetectionConfig()
    assert isinstance(defaults.model, str)
    return Detector.load(defaults.model, device="cpu", settings=DetectorSettings(min_score=defaults.min_score))


def names(detector: Detector, image: np.ndarray) -> list[str]:
    return [detector.info.classes[label].name for label in detector(image).labels]


@pytest.mark.parametrize("path", pictures(), ids=lambda path: path.stem)
def test_a_picture_without_a_known_object_is_empty(detector: Detector, path: object) -> None:
    assert names(detector, decode_image(path)) == []


@pytest.mark.parametrize("draw", [document, drawing, night], ids=lambda one: one.__name__)
def test_scans_scribbles_and_the_dark_are_empty(detector: Detector, draw: object) -> None:
    assert [names(detector, draw(np.random.default_rng(seed))) for seed in range(DRAWN)] == [[]] * DRAWN


def test_precision_and_recall_by_hand() -> None:
    outcomes = np.array([HIT, MISS, IGNORED, HIT, MISS], np.uint8)
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.1])
    assert precision_and_recall(outcomes, scores, 4, 0.5) == pytest.approx((2 / 3, 2 / 4, 4 / 7))
    assert precision_and_recall(outcomes, scores, 4, 0.85) == pytest.approx((1, 1 / 4, 2 / 5))
    assert precision_and_recall(outcomes, scores, 4, 0.95) == (0, 0, 0)
