"""A saved configuration names its files from the root on."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from configs.data_config import DataConfig
from configs.training import ClassifierTrainingConfig
from configs.training_regions import TrainProposalConfig
from detect.training.data_sets import Problem
from tools.training_description import config_yaml, saved_config, write_problems

DATA = (DataConfig(kind="voc", path="voc"),)


def test_files_are_named_from_the_root_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.safetensors").write_text("")
    config = ClassifierTrainingConfig(
        data=DATA, data_root="photos", model="mine.safetensors", proposals=TrainProposalConfig(store="boxes")
    )
    saved = yaml.safe_load(config_yaml(config))
    assert (saved["data_root"], saved["model"]) == (str(tmp_path / "photos"), str(tmp_path / "mine.safetensors"))
    assert saved["proposals"]["store"] == str(tmp_path / "boxes")
    assert saved["data"][0]["path"] == "voc"


def test_names_stay_names(tmp_path: Path) -> None:
    config = ClassifierTrainingConfig(data=DATA, data_root=str(tmp_path))
    assert saved_config(config) == config
    assert saved_config(ClassifierTrainingConfig(data=DATA, model=None)).model is None


def test_problems_by_line_and_none_at_all(tmp_path: Path) -> None:
    write_problems(tmp_path, [Problem(Path("a.xml"), "no\nsize", "annotation"), Problem(Path("b\udcff"), "x", "image")])
    listing = tmp_path / "problems.txt"
    assert listing.read_bytes() == b"annotation: a.xml: no size\nimage: b\xff: x\n"
    write_problems(tmp_path, [])
    assert not listing.exists()
    write_problems(tmp_path, [])
