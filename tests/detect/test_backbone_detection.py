"""Detection with each architecture, end to end, with random weights: from a model file to boxes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from detect.backbones.registry import BACKBONES
from detect.detector import Detector, DetectorSettings
from detect.model_file import bvlc_info, load_model, save_model
from detect.model_info import ModelInfo
from detect.training.network_start import start_network

BOXES = np.array([[5, 5, 55, 75], [60, 5, 115, 40], [60, 42, 110, 78]], np.float32)  # none near another


def random_model(path: Path, name: str) -> ModelInfo:
    """A marginal detector with boxes from cells, none of which moves."""
    classes = bvlc_info().classes
    info, network = start_network(
        None,
        classes,
        head="marginal",
        start="random",
        background_logit=0.0,
        auxiliary=False,
        box_regression="cells",
        seed=0,
        name=name,
        context=16,
        proposals=bvlc_info().proposals,
        architecture=name,
    )
    save_model(path, dataclasses.replace(info, regions=("warp", "shared"), short_sides=(96,)), network.state_dict())
    return info


@pytest.mark.parametrize("name", BACKBONES)
def test_detection_from_a_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    info = random_model(path, name)
    assert (info.architecture, info.input) == (name, BACKBONES[name].input_format)
    assert load_model(path).info.architecture == name
    image = np.random.default_rng(0).integers(0, 256, (80, 120, 3), np.uint8)
    settings = DetectorSettings(min_score=0.0, nms_iou=1.0, max_detections=600)
    found = {}
    for regions in ("warp", "shared"):
        detector = Detector.load(path, device="cpu", precision="fp32", regions=regions, settings=settings)
        assert (detector.shared is None) == (regions == "warp")
        detections = next(iter(detector.detect([(image, BOXES)]))).detections
        assert len(detections) == 3 * 200
        assert {tuple(box) for box in detections.boxes.round(3).tolist()} == {tuple(box) for box in BOXES.tolist()}
        assert np.isfinite(detections.scores).all()
        found[regions] = detections.scores
    assert not np.allclose(found["warp"], found["shared"], rtol=1e-6), "another way to read regions"


def test_two_architectures_are_an_ensemble(tmp_path: Path) -> None:
    """Each reads its own map, where its own cells are."""
    paths = []
    for name in ("googlenet_bn", "nin"):
        paths.append(tmp_path / f"{name}.safetensors")
        random_model(paths[-1], name)
    image = np.random.default_rng(1).integers(0, 256, (80, 120, 3), np.uint8)
    settings = DetectorSettings(min_score=0.0, nms_iou=1.0, max_detections=600)

    def scores(*names: Path) -> torch.Tensor:
        detector = Detector.load(names, device="cpu", precision="fp32", regions="shared", settings=settings)
        found = next(iter(detector.detect([(image, BOXES)]))).detections
        rows = {tuple(box): row for row, box in enumerate(BOXES.tolist())}
        table = torch.zeros(3, 200)
        for box, score, label in zip(found.boxes.round(3).tolist(), found.scores, found.labels, strict=True):
            table[rows[tuple(box)], label] = float(score)
        return table

    torch.testing.assert_close(scores(*paths), (scores(paths[0]) + scores(paths[1])) / 2)
