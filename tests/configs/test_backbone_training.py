"""Settings of classification training: GoogLeNet's where it says them, and what is out of range."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import configs
from configs import backbone_training
from configs.backbone_parts import run_settings
from configs.backbone_training import (
    BackboneHeadConfig,
    BackboneTrainingConfig,
    BackboneValidationConfig,
    LabelledDataConfig,
    ViewConfig,
)
from detect.backbones.registry import BACKBONES
from detect.training.backbone_stream import INTERPOLATIONS
from detect.training.checkpoints import setting_differences
from detect.training.labelled_sets import LABELLED_KINDS
from tools.train_backbone_options import build_parser, config_of

DATA = LabelledDataConfig("folders", "tree")
YAML = sorted(Path(configs.__file__).parent.glob("train_backbone_*.yaml"))


@pytest.mark.parametrize("path", YAML, ids=[path.stem for path in YAML])
def test_the_files_that_come_along_can_be_run(path: Path) -> None:
    config = config_of(build_parser().parse_args(["--config", str(path), "--out", "x"]))
    assert config.validation.data is not None
    assert config.data.kind == config.validation.data.kind
    assert path.read_text().startswith("# Paper: Szegedy et al.")
    assert f"configs/{path.name} --data_root DATA" in path.read_text()


def test_the_defaults_are_googlenet_s() -> None:
    config = BackboneTrainingConfig(data=DATA)
    head, views, rates = config.head, config.sampling, config.optimisation
    assert (config.size, config.model) == (224, None)
    assert (head.auxiliary, head.dropout, head.auxiliary_dropout) == (0.3, 0.4, 0.7)
    assert (views.crop_area, views.crop_aspect) == ((0.08, 1.0), (3 / 4, 4 / 3))
    assert (rates.momentum, rates.schedule) == (0.9, "googlenet")
    assert rates.averaging > 0
    assert (config.images_per_batch, config.validate_every) == (32, None)


def test_names_are_those_that_the_parts_know() -> None:
    assert backbone_training.LABELLED_KINDS == LABELLED_KINDS
    assert set(backbone_training.INTERPOLATIONS) == set(INTERPOLATIONS)
    assert all(name in (BackboneTrainingConfig.__doc__ or "") for name in BACKBONES)


@pytest.mark.parametrize(
    ("make", "wrong", "message"),
    [
        (LabelledDataConfig, {"kind": "voc", "path": "x"}, "--data.kind: expected one of folders, ilsvrc_loc, cifar10"),
        (BackboneHeadConfig, {"auxiliary": -0.1}, "head.auxiliary: expected"),
        (BackboneHeadConfig, {"dropout": 1.0}, "head.dropout: expected"),
        (BackboneHeadConfig, {"auxiliary_dropout": 1.0}, "head.auxiliary_dropout: expected"),
        (ViewConfig, {"images_per_batch": 0}, "sampling.images_per_batch: expected at least 1, got 0"),
        (ViewConfig, {"crop_area": (0.0, 1.0)}, "sampling.crop_area: expected 0 < low <= high <= 1, got 0.0, 1.0"),
        (ViewConfig, {"crop_aspect": (2.0, 1.0)}, "sampling.crop_aspect: expected 0 < low <= high, got 2.0, 1.0"),
        (ViewConfig, {"interpolations": ()}, "sampling.interpolations: expected at least one, got none"),
        (ViewConfig, {"interpolations": ("lanczos",)}, "sampling.interpolations: expected one of nearest, linear"),
        (ViewConfig, {"photometric": 1.1}, "sampling.photometric: expected"),
        (BackboneValidationConfig, {"held_back": 1.0}, "validation.held_back: expected"),
        (BackboneValidationConfig, {"every": -1}, "validation.every: expected at least 0"),
        (BackboneValidationConfig, {"images": 0}, "validation.images: expected at least 1"),
        (BackboneTrainingConfig, {"data": DATA, "size": 0}, "size: expected at least 1, got 0"),
        (BackboneTrainingConfig, {"data": DATA, "batch_norm": "sync"}, "batch_norm: expected one of auto, batch, stor"),
        (BackboneTrainingConfig, {"data": DATA, "devices": 5}, "devices: expected a divisor of sampling.images_per"),
        (BackboneTrainingConfig, {"data": DATA, "workers": 0}, "workers: expected at least 1, got 0"),
        (BackboneTrainingConfig, {"data": DATA, "seed": -1}, "seed: expected at least 0, got -1"),
    ],
)
def test_what_is_out_of_range(make: Callable[..., Any], wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make(**wrong)


@pytest.mark.parametrize(
    ("backbone", "batch_norm", "told"),
    [("inception_v2", "auto", True), ("inception_v2", "stored", False), ("nin", "auto", False)],
)
def test_the_number_of_processes_matters_where_each_normalises_by_its_share(
    backbone: str, batch_norm: str, told: bool
) -> None:
    data = SimpleNamespace(fingerprint=lambda: "x")
    network, head = BACKBONES[backbone](3), BackboneHeadConfig(auxiliary=0.0)

    def settings(devices: int) -> dict[str, Any]:
        config = BackboneTrainingConfig(data=DATA, backbone=backbone, batch_norm=batch_norm, devices=devices, head=head)
        return run_settings(config, data, None, network)  # type: ignore[arg-type]

    differences = list(setting_differences(settings(1), settings(2)))
    assert differences == (["batch_norm_processes: 1 there, 2 here"] if told else [])
