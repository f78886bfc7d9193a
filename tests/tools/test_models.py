"""`googlenet-rcnn models`: list, info, fetch, convert."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from random_multibox import PRIORS, save_random_multibox

from detect.model_file import build_network, bvlc_info, load_model, save_model
from detect.model_zoo import MODELS
from tools.cli import main


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GOOGLENET_RCNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def test_list_names_every_model_and_where_it_is(capsys: pytest.CaptureFixture[str], empty_cache: Path) -> None:
    assert main(["models", "list"]) == 0
    text = capsys.readouterr().out
    for model in MODELS.values():
        assert model.name in text
        assert model.licence in text
    assert str(empty_cache) in text
    assert not empty_cache.exists()


def test_info_says_what_the_file_says(capsys: pytest.CaptureFixture[str], random_model: Path) -> None:
    assert main(["models", "info", str(random_model)]) == 0
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if len(line.split()) > 1)
    model = load_model(random_model)
    assert rows["file"] == str(random_model)
    assert rows["sha256"] == model.sha256
    assert rows["name"] == "random"
    assert rows["architecture"] == "googlenet"
    assert rows["parameters"] == f"{sum(p.numel() for p in model.network.parameters()):,}"
    assert rows["classes"].startswith("200: accordion, ")
    assert rows["licence"] == "MIT"


def test_info_of_a_trained_detector(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    info = dataclasses.replace(
        bvlc_info(), head="marginal", num_outputs=1001, background_logit=None, box_regression="agnostic"
    )
    save_model(tmp_path / "x.safetensors", info, build_network(info).state_dict())
    assert main(["models", "info", str(tmp_path / "x.safetensors")]) == 0
    text = capsys.readouterr().out
    assert "marginal, background the last of 1001 outputs" in text
    assert "regions         warp, 16 px of context\n" in text
    assert "box regression  agnostic" in text


@pytest.mark.parametrize(
    ("regions", "short_sides", "told"),
    [
        (("shared",), (600,), "shared, 16 px of context, short sides of images 600 px"),
        (("warp", "shared"), (300, 900), "warp, shared, 16 px of context, short sides of images 300 and 900 px"),
    ],
)
def test_info_of_a_detector_for_shared_regions(
    regions: tuple[str, ...],
    short_sides: tuple[int, ...],
    told: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    info = dataclasses.replace(bvlc_info(), regions=regions, short_sides=short_sides)
    save_model(tmp_path / "x.safetensors", info, build_network(info).state_dict())
    assert main(["models", "info", str(tmp_path / "x.safetensors")]) == 0
    assert f"regions         {told}\n" in capsys.readouterr().out


def test_info_of_a_multibox_model(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = save_random_multibox(tmp_path / "boxes.safetensors")
    assert main(["models", "info", str(path)]) == 0
    text = capsys.readouterr().out
    assert f"priors          {PRIORS}" in text
    assert "head            fully_connected, 2 channels" in text
    assert "merging         calibrated" in text
    assert "licence         MIT" in text
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(path.read_bytes()[:999])
    assert main(["models", "info", str(damaged)]) == 2
    assert "not a whole safetensors file" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["info", "fetch"])
def test_an_unknown_model_is_one_line_and_status_2(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", action, "bvlc_gogglenet"]) == 2
    error = capsys.readouterr().err
    assert "(did you mean bvlc_googlenet?)" in error
    assert error.count("\n") == 1


def test_fetch_without_a_network_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from detect import model_zoo
    from detect.download import DownloadError

    def offline(*arguments: object, **options: object) -> Path:
        raise DownloadError("cannot download it: no network; put it there")

    monkeypatch.setattr(model_zoo, "download", offline)
    assert main(["models", "fetch", "bvlc_googlenet"]) == 1
    assert capsys.readouterr().err == "googlenet-rcnn: cannot download it: no network; put it there\n"


def test_fetch_prints_the_path(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, random_model: Path
) -> None:
    from detect import model_zoo

    monkeypatch.setattr(model_zoo, "download", lambda *arguments, **options: random_model)
    assert main(["models", "fetch", "bvlc_googlenet"]) == 0
    assert capsys.readouterr().out == f"{random_model}\n"


def test_convert_keeps_the_network_and_its_description(
    capsys: pytest.CaptureFixture[str], random_model: Path, tmp_path: Path
) -> None:
    out, half = tmp_path / "a.safetensors", tmp_path / "half.safetensors"
    assert main(["models", "convert", str(random_model), "--out", str(out)]) == 0
    assert f"{out}: random, " in capsys.readouterr().out
    assert out.read_bytes() == random_model.read_bytes(), "converting one of ours changes nothing"
    assert main(["models", "convert", str(random_model), "--out", str(half), "--half"]) == 0
    assert half.stat().st_size < 0.55 * out.stat().st_size
    assert load_model(half).info == load_model(random_model).info


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("a.pth", "--out: expected a file ending in .safetensors, got a.pth"),
        ("gone/a.safetensors", "--out: no folder gone"),
        ("there.safetensors", "there.safetensors is there already; give --overwrite to replace it"),
    ],
)
def test_convert_refuses(out: str, message: str, capsys: pytest.CaptureFixture[str], random_model: Path) -> None:
    Path("there.safetensors").write_bytes(b"mine")
    assert main(["models", "convert", str(random_model), "--out", out]) == 2
    assert message in capsys.readouterr().err
    assert Path("there.safetensors").read_bytes() == b"mine"
    assert {path.name for path in Path().iterdir()} == {"there.safetensors"}


def test_convert_over_an_old_file(random_model: Path) -> None:
    Path("there.safetensors").write_bytes(b"old")
    assert main(["models", "convert", str(random_model), "--out", "there.safetensors", "--overwrite"]) == 0
    assert load_model(Path("there.safetensors")).info.name == "random"


def test_convert_of_a_damaged_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.caffemodel").write_bytes(b"\xff" * 99)
    assert main(["models", "convert", "bad.caffemodel", "--out", "a.safetensors"]) == 2
    error = capsys.readouterr().err
    assert "bad.caffemodel" in error
    assert error.count("\n") == 1
    assert not Path("a.safetensors").exists()


@pytest.mark.slow
@pytest.mark.shared
def test_a_converted_model_detects_the_same(shared_folder: Path, tmp_path: Path) -> None:
    from odd_images import encode, quadrants

    from detect.detection_records import read_records

    original = shared_folder / "weights" / "bvlc_googlenet.safetensors"
    assert main(["models", "convert", str(original), "--out", "own.safetensors"]) == 0
    Path("a.png").write_bytes(encode(quadrants(), "PNG"))
    answers = []
    for model in (str(original), "own.safetensors"):
        quick = ["--proposals.limit", "3", "--proposals.mode", "single", "--min-score", "0"]
        assert main(["detect", "a.png", "--out", Path(model).stem, "--model", model, "--no-draw", *quick]) == 0
        answers.append([record["detections"] for record in read_records(Path(Path(model).stem, "detections.jsonl"))])
    assert answers[0] == answers[1]
    assert answers[0][0]
