"""What a MultiBox training run may be told, and the YAML files that come with the project."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

import configs
from configs import multibox_training
from configs.data_config import DataConfig
from configs.multibox_training import (
    MultiBoxHeadConfig,
    MultiBoxLossConfig,
    MultiBoxSamplingConfig,
    MultiBoxTrainingConfig,
    MultiBoxValidationConfig,
)
from configs.training import OptimisationConfig
from proposals import multibox_assignment, multibox_heads, multibox_loss
from tools.parser import make_parser

YAML = sorted(Path(configs.__file__).parent.glob("train_multibox_*.yaml"))
DATA = (DataConfig("voc", "tree"),)


def read(path: Path) -> MultiBoxTrainingConfig:
    """As a command line reads it: unknown keys and wrong types are refused."""
    parser = make_parser("")
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(MultiBoxTrainingConfig)
    options = parser.parse_args(["--config", str(path)])
    values = {field.name: options[field.name] for field in fields(MultiBoxTrainingConfig)}
    parts: dict[str, Any] = {
        "head": MultiBoxHeadConfig,
        "sampling": MultiBoxSamplingConfig,
        "loss": MultiBoxLossConfig,
        "optimisation": OptimisationConfig,
    }
    for name, part in parts.items():
        values[name] = part(**vars(values[name]))
    values["data"] = tuple(DataConfig(**vars(one)) for one in values["data"])
    further = tuple(DataConfig(**vars(one)) for one in values["validation"].data)
    values["validation"] = MultiBoxValidationConfig(**vars(values["validation"]) | {"data": further})
    return MultiBoxTrainingConfig(**values)


def test_the_choices_are_those_of_the_code_that_uses_them() -> None:
    assert multibox_training.GRIDS == multibox_heads.GRIDS
    assert set(multibox_training.MATCHINGS) == set(multibox_assignment.MATCHINGS)
    assert multibox_training.UNITS == multibox_loss.UNITS
    for kind in multibox_training.HEAD_KINDS:
        grids = MultiBoxHeadConfig().grids if kind == "convolutional" else ()
        multibox_heads.HeadSetting(kind, 8, grids)  # type: ignore[arg-type]


def test_the_papers_values_are_the_defaults() -> None:
    loss = MultiBoxLossConfig()
    assert (loss.alpha, loss.matching, loss.extra_iou, loss.units) == (0.3, "predictions", None, "image")
    assert (loss.unannotated, loss.near_iou) == (1.0, None)
    assert (MultiBoxHeadConfig().kind, MultiBoxHeadConfig().priors) == ("fully_connected", 800)


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        (MultiBoxHeadConfig, {"kind": "dense"}, "--head.kind: expected one of fully_connected, convolutional"),
        (MultiBoxHeadConfig, {"priors": 0}, "--head.priors: expected at least 1, got 0"),
        (MultiBoxHeadConfig, {"channels": 0}, "--head.channels: expected at least 1, got 0"),
        (MultiBoxHeadConfig, {"grids": (5, 3)}, "head.grids: expected 7 and any of (14, 7, 5, 3, 2, 1), in this order"),
        (MultiBoxHeadConfig, {"grids": (5, 7)}, "in this order, got (5, 7)"),
        (MultiBoxHeadConfig, {"grids": (7, 7)}, "in this order, got (7, 7)"),
        (MultiBoxHeadConfig, {"grids": (7, 4)}, "in this order, got (7, 4)"),
        (MultiBoxSamplingConfig, {"images_per_batch": 0}, "--sampling.images_per_batch: expected at least 1, got 0"),
        (MultiBoxSamplingConfig, {"crops": 1.1}, "sampling.crops: expected a finite number from 0.0 to 1.0, got 1.1"),
        (MultiBoxSamplingConfig, {"photometric": -0.1}, "sampling.photometric: expected a finite number"),
        (MultiBoxSamplingConfig, {"crop_area": (0.0, 1.0)}, "sampling.crop_area: expected 0 < low <= high <= 1"),
        (MultiBoxSamplingConfig, {"crop_area": (0.5, 0.4)}, "sampling.crop_area: expected 0 < low <= high <= 1"),
        (MultiBoxSamplingConfig, {"crop_area": (0.5, float("nan"))}, "sampling.crop_area"),
        (MultiBoxSamplingConfig, {"crop_aspect": (1.1, 2.0)}, "sampling.crop_aspect: expected 0 < low <= 1 <= high"),
        (MultiBoxSamplingConfig, {"crop_aspect": (0.5, 0.9)}, "sampling.crop_aspect"),
        (MultiBoxSamplingConfig, {"crop_aspect": (0.5, float("inf"))}, "sampling.crop_aspect"),
        (MultiBoxLossConfig, {"alpha": 0.0}, "loss.alpha: expected a finite number above 0.0 on, got 0.0"),
        (MultiBoxLossConfig, {"matching": "greedy"}, "--loss.matching: expected one of predictions, priors"),
        (MultiBoxLossConfig, {"units": "pixel"}, "--loss.units: expected one of image, prior, got 'pixel'"),
        (MultiBoxLossConfig, {"near_iou": 1.5}, "loss.near_iou: expected a finite number above 0.0 to 1.0, got 1.5"),
        (
            MultiBoxLossConfig,
            {"unannotated": -0.1},
            "loss.unannotated: expected a finite number from 0.0 to 1.0, got -0.1",
        ),
        (MultiBoxLossConfig, {"extra_iou": 0.0}, "loss.extra_iou: expected a finite number above 0.0 to 1.0, got 0.0"),
        (MultiBoxValidationConfig, {"held_back": 1.0}, "validation.held_back: expected a finite number"),
        (MultiBoxValidationConfig, {"every": -1}, "--validation.every: expected at least 0, got -1"),
        (MultiBoxValidationConfig, {"images": 0}, "--validation.images: expected at least 1, got 0"),
    ],
)
def test_settings_out_of_range_are_named(part: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        part(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": ()}, "data: expected at least one data set, got none"),
        ({"class_space": "voc"}, "--class_space: expected one of det, own, got 'voc'"),
        (
            {"class_space": "own", "data": (*DATA, DataConfig("coco", "a.json"))},
            "class_space: own needs data sets of one",
        ),
        ({"devices": 3}, "devices: expected a divisor of sampling.images_per_batch (32), got 3"),
        ({"workers": 0}, "--workers: expected at least 1, got 0"),
        ({"checkpoint_every": 0}, "--checkpoint_every: expected at least 1, got 0"),
        ({"seed": -1}, "--seed: expected at least 0, got -1"),
    ],
)
def test_a_run_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        MultiBoxTrainingConfig(**{"data": DATA, **changes})


def test_what_every_training_run_is_asked() -> None:
    config = MultiBoxTrainingConfig(
        DATA, sampling=MultiBoxSamplingConfig(6), validation=MultiBoxValidationConfig(every=9)
    )
    assert (config.images_per_batch, config.validate_every) == (6, 9)


def test_bounds_are_in_range() -> None:
    MultiBoxHeadConfig(priors=1, channels=1, grids=(7,))
    MultiBoxHeadConfig("convolutional", grids=(14, 7, 5, 3, 2, 1))
    MultiBoxSamplingConfig(1, 0.0, (1.0, 1.0), (1.0, 1.0), False, 0.0)
    MultiBoxSamplingConfig(crops=1.0, crop_area=(1e-6, 1e-6), photometric=1.0)
    MultiBoxLossConfig(extra_iou=1.0)
    MultiBoxValidationConfig(0.9, every=0, images=None)
    MultiBoxTrainingConfig(DATA, devices=32)


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_every_config_file_is_understood_and_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert "Erhan et al." in text
    assert f"--config configs/{path.name}" in text
    assert "Hardware, time and score: RESULTS.md." in text or "has not been run" in text
    config = read(path)
    written = yaml.safe_load(text)
    assert [one.kind for one in config.data] == [one["kind"] for one in written["data"]]
    assert config.head.kind == written["head"]["kind"]
    assert config.optimisation.steps == written["optimisation"]["steps"]


def test_there_are_three() -> None:
    names = [path.stem.removeprefix("train_multibox_") for path in YAML]
    assert names == ["generated", "ilsvrc_det", "photos"]


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("data:\n  - {kind: voc, path: v}\nsampling: {crop: 1}\n")
    with pytest.raises(Exception, match="crop"):
        read(tmp_path / "c.yaml")
