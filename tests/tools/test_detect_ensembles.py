"""`googlenet-rcnn detect` with several models and mirrored regions, real networks: flags, files, what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_images import encode
from random_model import save_random_model
from run_files import description

from detect.detection_records import read_records
from detect.model_file import load_model, save_model
from tools.cli import build_parser, main

QUICK = ["--proposals.mode", "single", "--proposals.limit", "3", "--min-score", "0.001", "--no-draw"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photos, and models a and b."""
    folder = tmp_path_factory.mktemp("ensembles")
    (folder / "photos").mkdir()
    noise = np.random.default_rng(0)
    for i in range(2):
        coarse = noise.integers(0, 256, (4, 5, 3), dtype=np.uint8)
        (folder / "photos" / f"{i}.png").write_bytes(encode(coarse.repeat(12, 0).repeat(12, 1), "PNG"))
    for seed, name in enumerate("ab"):
        save_random_model(folder / f"{name}.safetensors", seed=seed)
    (folder / "both.yaml").write_text("model: [a.safetensors, b.safetensors]\nflip: true\n")
    return folder


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs in that folder."""
    monkeypatch.chdir(folder)


def detect(out: str, *options: str) -> int:
    return main(["detect", "photos", "--out", out, *QUICK, *options])


def detections(out: str) -> list[Any]:
    return [record["detections"] for record in read_records(Path(out, "detections.jsonl"))]


def refused(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """The one line of a command that exits with status 2 before it makes its folder."""
    assert detect("nothing", *options) == 2
    assert not Path("nothing").exists()
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_models_by_flags_and_by_a_config_file_are_the_same_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert detect("flags", "--model", "a.safetensors", "--model", "b.safetensors", "--flip") == 0
    run = description("flags")
    assert [one["file"] for one in run["models"]] == ["a.safetensors", "b.safetensors"]
    assert [one["sha256"] for one in run["models"]] == [
        run["settings"]["model_sha256"],
        run["settings"]["others"][0]["model_sha256"],
    ]
    assert (run["config"]["model"], run["config"]["flip"]) == (["a.safetensors", "b.safetensors"], True)
    before = Path("flags/detections.jsonl").read_bytes()
    assert detect("flags", "--config", "both.yaml", "--resume") == 0
    assert Path("flags/detections.jsonl").read_bytes() == before
    capsys.readouterr()
    assert detect("flags", "--model", "a.safetensors", "--flip", "--resume") == 2
    assert "others was [{" in capsys.readouterr().err
    assert detect("flags", "--config", "both.yaml", "--no-flip", "--resume") == 2
    assert "flip was True, is None" in capsys.readouterr().err


def test_each_of_model_and_flip_changes_what_is_found() -> None:
    found = []
    for i, options in enumerate((["a"], ["b"], ["a", "b"])):
        flags = [flag for name in options for flag in ("--model", f"{name}.safetensors")]
        assert detect(f"plain{i}", *flags) == 0
        found.append(detections(f"plain{i}"))
    assert detect("flipped", "--model", "a.safetensors", "--flip") == 0
    found.append(detections("flipped"))
    assert all(one != other for i, one in enumerate(found) for other in found[:i])
    assert len({len(one) for one in found}) == 1


def test_one_model_however_it_is_given_is_one_model() -> None:
    Path("one.yaml").write_text("model: [a.safetensors]\n")
    assert detect("one", "--config", "one.yaml") == 0
    run = description("one")
    assert (run["model"]["file"], run["config"]["model"]) == ("a.safetensors", "a.safetensors")
    assert not {"others", "flip"} & set(run["settings"])
    before = Path("one/detections.jsonl").read_bytes()
    assert detect("one", "--model", "a.safetensors", "--resume") == 0
    assert Path("one/detections.jsonl").read_bytes() == before


def test_what_cannot_be_an_ensemble_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    model = load_model(Path("a.safetensors"))
    fewer = dataclasses.replace(model.info, classes=model.info.classes[:7])
    save_model(Path("fewer.safetensors"), fewer, model.network.state_dict())
    twice = refused(capsys, "--model", "a.safetensors", "--model", "./a.safetensors")
    assert "models a.safetensors and ./a.safetensors: expected each model once, got the same file twice" in twice
    other = refused(capsys, "--model", "a.safetensors", "--model", "fewer.safetensors")
    assert "models a.safetensors and fewer.safetensors: expected the same classes in the same order" in other
    assert "got 200 and 7 of them" in other
    assert "no model file nope and no model named nope" in refused(
        capsys, "--model", "a.safetensors", "--model", "nope"
    )
    assert "--model: expected a name or a file, got nothing" in refused(capsys, "--model", "[]")


def test_the_help_says_how() -> None:
    verbs = next(action for action in build_parser()._actions if action.dest == "verb")
    text = " ".join(verbs.choices["detect"].format_help().split())  # type: ignore[index,call-overload]
    assert "--model A --model B --flip" in text
    assert "boxes are proposed once" in text
    assert "mirrored left to right" in text
