"""That regions are classified as the detector does, and what is said of detections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_voc import write_small_voc
from votes import boxes_and_probs, classified, judge

from detect.detections import Detections
from detect.detector import Detector, DetectorSettings
from detect.ensemble import Ensemble, Member
from detect.image_decoding import decode_image
from detect.model_file import build_network, bvlc_info, save_model
from detect.suppression import suppress
from detect.training.data_sets import read_data_set
from detect.training.joined_sets import subset
from detect.training.validation_truth import ground_truth_of


def test_regions_are_those_that_the_detector_suppresses(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_model(tmp_path / "x.safetensors", bvlc_info(), build_network(bvlc_info()).state_dict())
    photos, _ = read_data_set("voc", write_small_voc(tmp_path / "voc", tmp_path / "store"))
    photos = subset(photos, np.array([0]))
    detector = Detector.load(
        tmp_path / "x.safetensors", device="cpu", precision="fp32", proposals={"limit": 12, "mode": "single"}
    )
    ((boxes, probs),) = classified(detector, photos)
    image = decode_image(photos.images[0])
    settings = DetectorSettings(min_score=0.0001)
    found = Detector(classifier=detector.classifier, proposer=detector.proposer, settings=settings)(image)
    assert len(found)
    expected = suppress(boxes, probs, min_score=0.0001, vote_iou=settings.vote_iou, nested_factor=0.5)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)
    again = boxes_and_probs(Ensemble([Member(detector.classifier)]), image, detector.proposer(image).boxes)
    torch.testing.assert_close(again, (boxes, probs))


def test_figures_by_hand(tmp_path: Path) -> None:
    """Every object is found with its box, and beside each something of its class that is not there, less surely."""
    photos, _ = read_data_set("voc", write_small_voc(tmp_path / "voc", tmp_path / "store"))
    truth = ground_truth_of(photos)
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    found = [nothing] * len(photos)
    for image, box, label in zip(truth.truth.image_of, truth.truth.boxes, truth.truth.labels, strict=True):
        boxes = np.array([box, [0, 0, 5, 5]], np.float32)
        found[image] = Detections(boxes, np.array([0.9, 0.7], np.float32), np.array([label, label]))
    figures = judge(photos, found, truth, 0.8)
    assert figures == pytest.approx({"mAP": 1.0, "frequent": 0.0, "precision": 1.0, "recall": 1.0, "F1": 1.0})
    figures = judge(photos, found, truth, 0.6)
    assert (figures["mAP"], figures["precision"], figures["recall"]) == pytest.approx((1.0, 0.5, 1.0))
    several = judge(photos, found, truth, 0.6, 0.8, 0.95)
    assert (several["score"], several["F1"], several["recall"]) == pytest.approx((0.8, 1.0, 1.0))
    none = judge(photos, [nothing] * len(photos), truth, 0.6)
    assert none == pytest.approx({"mAP": 0.0, "frequent": 0.0, "precision": 0.0, "recall": 0.0, "F1": 0.0})
