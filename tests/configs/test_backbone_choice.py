from __future__ import annotations

import dataclasses
import re
from types import SimpleNamespace
from typing import Any

import pytest

from configs.backbone_choice import architecture_of
from configs.data_config import DataConfig
from configs.training import ClassifierTrainingConfig, HeadConfig
from configs.training_parts import run_settings
from detect.backbones.registry import BACKBONES
from detect.model_file import Model, bvlc_info, torchvision_info
from detect.model_info import ModelInfo

RANDOM = ClassifierTrainingConfig(data=(DataConfig("voc", "tree"),), model=None, head=HeadConfig(auxiliary=0.0))


def config(**changes: Any) -> ClassifierTrainingConfig:
    return dataclasses.replace(RANDOM, **changes)


def model(info: ModelInfo) -> Model:
    network: Any = None
    return Model(info, network, "digest")


@pytest.mark.parametrize("info", [bvlc_info(), torchvision_info()])
def test_a_model_has_its_own(info: ModelInfo) -> None:
    assert architecture_of(config(model="m"), model(info)) == info.architecture
    assert architecture_of(config(model="m", backbone=info.architecture), model(info)) == info.architecture


def test_without_a_model_it_is_the_one_asked_for_or_googlenet() -> None:
    assert architecture_of(config(), None) == "googlenet"
    assert architecture_of(config(backbone="inception_v3"), None) == "inception_v3"
    assert architecture_of(config(backbone="inception_v2", head=HeadConfig()), None) == "inception_v2"


@pytest.mark.parametrize(
    ("changes", "start", "message"),
    [
        ({"backbone": "nim"}, None, "got 'nim' (did you mean nin?)"),
        ({"backbone": "nim"}, bvlc_info(), "got 'nim' (did you mean nin?)"),
        (
            {"backbone": "nin", "model": "x.pth"},
            torchvision_info(),
            "backbone: expected googlenet_bn, which the model x.pth is, or a run from random weights",
        ),
        ({"backbone": "nin", "head": HeadConfig(auxiliary=0.1)}, None, "head.auxiliary: expected 0 with nin, which"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], start: ModelInfo | None, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        architecture_of(config(**changes), None if start is None else model(start))


def test_runs_from_before_there_was_a_choice_can_be_resumed() -> None:
    data: Any = SimpleNamespace(fingerprint=lambda: "0")
    assert "backbone" not in run_settings(config(), data, None)
    assert run_settings(config(backbone="googlenet"), data, None) == run_settings(config(), data, None)
    assert run_settings(config(backbone="nin"), data, None)["backbone"] == "nin"
    named = config(model="m", backbone="googlenet")
    assert "backbone" not in run_settings(named, data, model(bvlc_info())), "the model's digest says it"


def test_the_help_names_all() -> None:
    text = ClassifierTrainingConfig.__doc__ or ""
    assert all(name in text for name in BACKBONES)
