"""What a detection run may be told, and the YAML files that come with the project."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

import configs
from configs.detection import PRECISIONS, DetectionConfig, ProposalConfig, build_detector
from configs.proposing import MODES
from detect import devices
from detect.model_info import ProposalSetting
from tools.cli import build_parser

YAML = sorted(Path(configs.__file__).parent.glob("detect*.yaml"))


def test_the_choices_are_those_of_the_code_that_uses_them() -> None:
    assert set(PRECISIONS) == set(devices.PRECISIONS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_score": -0.01}, "--min-score: expected a number in [0, 1], got -0.01"),
        ({"min_score": float("nan")}, "--min-score: expected a number in [0, 1], got nan"),
        ({"nms_iou": 1.5}, "--nms-iou: expected a number in [0, 1], got 1.5"),
        ({"vote_iou": -0.1}, "--vote-iou: expected a number in [0, 1], got -0.1"),
        ({"nested_factor": 2}, "--nested-factor: expected a number in [0, 1], got 2"),
        ({"max_detections": 0}, "--max-detections: expected at least 1, got 0"),
        ({"batch_size": 0}, "--batch-size: expected at least 1, got 0"),
        ({"workers": -1}, "--workers: expected at least 1, got -1"),
        ({"regions": "shred"}, "--regions: expected one of warp, shared"),
        ({"short_sides": ()}, "--short-sides: expected some"),
        ({"model": ()}, "--model: expected a name or a file, got nothing"),
        ({"precision": "half"}, "--precision: expected one of auto, fp32, bf16, got 'half'"),
    ],
)
def test_settings_out_of_range_name_their_flag(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        DetectionConfig(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "slow"}, f"--proposals.mode: expected one of {', '.join(MODES)}, got 'slow'"),
        ({"superpixel_scale": 0.0}, "--proposals.superpixel_scale: expected a finite number above 0, got 0.0"),
        ({"superpixel_scale": float("inf")}, "--proposals.superpixel_scale"),
        ({"superpixel_scale": float("nan")}, "--proposals.superpixel_scale"),
        ({"limit": 0}, "--proposals.limit: expected at least 1, got 0"),
        ({"seed": -1}, "--proposals.seed: expected at least 0, got -1"),
    ],
)
def test_proposal_settings_out_of_range_name_their_flag(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        ProposalConfig(**changes)


def test_what_is_not_said_is_the_model_s() -> None:
    assert (DetectionConfig().regions, DetectionConfig().short_sides) == (None, None)
    options = build_parser().parse_args(["detect", "photos", "--out", "out"]).detect
    assert (options.regions, options.short_sides) == (None, None)
    told = build_parser().parse_args(["detect", "photos", "--out", "out", "--short-sides", "[300,900]"]).detect
    assert told.short_sides == [300, 900]


def test_boxes_are_corrected_unless_told_otherwise() -> None:
    assert build_parser().parse_args(["detect", "photos", "--out", "out"]).detect.box_regression is True
    told = build_parser().parse_args(["detect", "photos", "--out", "out", "--no-box-regression"]).detect
    assert told.box_regression is False


def test_bounds_are_in_range() -> None:
    DetectionConfig(min_score=0, nms_iou=1, vote_iou=0, nested_factor=0, max_detections=1, batch_size=1, workers=1)
    DetectionConfig(vote_iou=1, nested_factor=1)
    ProposalConfig(mode="single", superpixel_scale=1e-6, limit=1, seed=0)


def test_build_passes_on_every_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    from detect.detector import Detector

    seen: dict[str, Any] = {}
    monkeypatch.setattr(Detector, "load", lambda model, **options: seen.update(options, model=model))
    proposals = ProposalConfig(mode="single", limit=7, seed=3)
    config = DetectionConfig("m", "cpu", "fp32", min_score=0.2, nms_iou=0.4, max_detections=5, batch_size=6)
    votes = {"vote_iou": 0.6, "nested_factor": 0.7}
    other = {"regions": "shared", "short_sides": (300,), "flip": True, "box_regression": False}
    build_detector(dataclasses.replace(config, proposals=proposals, **other, **votes))
    settings = dataclasses.asdict(seen.pop("settings"))
    assert settings == {"min_score": 0.2, "nms_iou": 0.4, "max_detections": 5, "batch_size": 6, **votes}
    assert seen == {
        "model": "m",
        "device": "cpu",
        "precision": "fp32",
        "proposals": {"mode": "single", "limit": 7},
        "seed": 3,
        **other,
    }
    build_detector(DetectionConfig(("m", "n")))
    assert seen["model"] == ("m", "n")


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_every_config_file_is_understood_and_says_what_it_is(path: Path) -> None:
    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    text = " ".join(header)
    assert "Paper: " in text
    assert f"--config configs/{path.name}" in text
    assert "Gives: " in text
    options = build_parser().parse_args(["detect", "photos", "--out", "out", "--config", str(path)])
    names = [field.name for field in dataclasses.fields(DetectionConfig) if field.name != "proposals"]
    DetectionConfig(
        proposals=ProposalConfig(**vars(options.detect.proposals)),
        **{name: options.detect[name] for name in names},
    )


def test_the_zero_shot_config_is_the_setting_of_the_paper() -> None:
    (path,) = [path for path in YAML if path.name == "detect_zero_shot.yaml"]
    options = build_parser().parse_args(["detect", "photos", "--out", "out", "--config", str(path)]).detect
    assert (options.model, options.min_score) == ("bvlc_googlenet", 0.001)
    assert (options.proposals.mode, options.proposals.superpixel_scale) == ("fast", 2.0)
    assert (ProposalSetting().mode, ProposalSetting().superpixel_scale) == ("fast", 2.0)
