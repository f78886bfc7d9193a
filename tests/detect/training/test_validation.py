from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from held_back_case import BIRD, CAT, CLASSES, DOG, held_back
from PIL import Image

from detect.detections import Detections
from detect.detector import Classified, Detector
from detect.googlenet import GoogLeNet
from detect.model_file import bvlc_info
from detect.shared_regions import SharedSettings
from detect.training import validation
from detect.training.validation import model_of, predictions_of, score, validate, validate_detector


def found(*rows: tuple[int, float, list[float]]) -> Detections:
    labels, scores, boxes = zip(*rows, strict=True) if rows else ((), (), ())
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), np.array(labels, np.int64)
    )


class GivenBoxes:
    """Every box is a dog, the first with the highest score."""

    def detect(self, images):
        for _, boxes in images:
            scores = np.linspace(0.9, 0.1, len(boxes)).astype(np.float32)
            yield Classified(Detections(boxes, scores, np.full(len(boxes), DOG, np.int64)), 0.0)


@pytest.fixture
def case(tmp_path):
    for number, name in enumerate("abc"):
        Image.new("RGB", (100, 100), (40 * number, 90, 30)).save(tmp_path / f"{name}.png")
    return held_back(tmp_path)


def test_a_score_worked_by_hand():
    detections = {
        # The dog is found (hit) after a detection on the thing outside the classes (miss): AP 1/2. The one on the
        # ambiguous animal does not count.
        0: found((DOG, 0.9, [0, 50, 40, 90]), (DOG, 0.8, [50, 0, 90, 40]), (DOG, 0.7, [0, 0, 40, 40])),
        # The cat: AP 1. Birds do not count on this image, so that their class has no ground truth at all.
        1: found((BIRD, 0.9, [70, 70, 90, 90]), (CAT, 0.6, [0, 0, 40, 40])),
    }
    result = score(held_back(), detections)
    assert result.average_precisions == {"dog": 0.5, "cat": 1.0, "bird": None}
    assert (result.mean_average_precision, result.num_classes) == (0.75, 2)
    assert (result.num_images, result.num_exempt, result.num_uncertain) == (3, 1, 1)
    assert result.metrics == {"mAP": 0.75, "classes": 2.0, "objects": 2.0}


def test_predictions_go_by_image_then_as_detected():
    flat = predictions_of({1: found((CAT, 0.5, [0, 0, 1, 1])), 0: found((DOG, 0.9, [0, 0, 2, 2]))})
    assert flat.image_of.tolist() == [0, 1]
    assert flat.labels.tolist() == [DOG, CAT]
    assert len(predictions_of({})) == 0


def test_detections_find_their_images_past_an_unreadable_one(case, tmp_path):
    (tmp_path / "a.png").write_bytes(b"broken")
    boxes = {1: [[0, 0, 40, 40]], 2: [[0, 0, 5, 5], [0, 0, 30, 30]]}
    result = validate_detector(GivenBoxes(), case, lambda i: np.array(boxes[i], np.float32), limit=1)
    assert [(path.name, "not an image" in reason) for path, reason in result.unreadable] == [("a.png", True)]
    assert result.evaluation.num_detections == 2  # one an image: the limit
    assert result.average_precisions["dog"] == 0.0  # its object counts as not found


def test_an_image_without_proposals_is_recorded_and_ends_nothing(case):
    def boxes_of(index):
        if index == 1:
            raise ValueError("b.npz: expected proposals,\ngot nothing")
        return np.array([[0, 0, 40, 40]], np.float32)

    result = validate_detector(GivenBoxes(), case, boxes_of)
    assert [(path.name, reason) for path, reason in result.unreadable] == [
        ("b.png", "b.npz: expected proposals, got nothing")
    ]
    assert result.evaluation.num_detections == 2
    assert result.average_precisions["cat"] == 0.0


@pytest.mark.parametrize("workers", [1, 3])
def test_the_result_does_not_depend_on_workers(case, workers):
    result = validate_detector(
        GivenBoxes(), case, lambda i: np.array([[0, 0, 40, 40 - i]], np.float32), workers=workers
    )
    assert result.average_precisions == {"dog": 1.0, "cat": 0.0, "bird": None}


def test_a_real_network_runs_on_given_boxes_and_is_not_changed(case):
    torch.manual_seed(0)
    info = dataclasses.replace(bvlc_info(), num_outputs=3, classes=CLASSES, background_logit=None)
    network = GoogLeNet(3, auxiliary=True)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    model = model_of(info, network.state_dict())
    result = validate(model, case, lambda i: np.array([[0, 0, 40, 40]], np.float32), device="cpu", precision="fp32")
    assert result.evaluation.num_detections > 0
    assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())
    assert not any(name.startswith("auxiliary") for name in model.network.state_dict())


def test_validation_reads_regions_as_the_model_was_trained_for(case, monkeypatch):
    seen = []

    class Watched(Detector):
        def __init__(self, **given):
            super().__init__(**given)
            seen.append(given["shared"])

    monkeypatch.setattr(validation, "Detector", Watched)
    info = dataclasses.replace(bvlc_info(), num_outputs=3, classes=CLASSES, background_logit=None)
    state = GoogLeNet(3).state_dict()
    for changes in ({}, {"regions": ("shared",), "short_sides": (32, 64), "context": 8}):
        model = model_of(dataclasses.replace(info, **changes), state)
        boxes = np.array([[0, 0, 40, 40]], np.float32)
        result = validate(model, case, lambda i, boxes=boxes: boxes, device="cpu", precision="fp32")
        assert result.evaluation.num_detections > 0
    assert seen == [None, SharedSettings(short_sides=(32, 64), context=8)]


def test_a_model_of_other_classes_is_refused(case):
    model = model_of(bvlc_info(), GoogLeNet(1000).state_dict())
    with pytest.raises(ValueError, match="expected a model of the set's 3 classes, got one of 200 others"):
        validate(model, case, lambda i: np.zeros((0, 4), np.float32), device="cpu")
