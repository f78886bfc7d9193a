"""The comparison of backbones: a quick run prints a table, and goes on where it was."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import backbones
import pytest
from backbones import QUICK, VARIANTS, described
from labelled_photos import write_labelled_photos

from detect.backbones.registry import BACKBONES


@pytest.mark.slow
def test_a_quick_run_prints_a_table_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_labelled_photos(tmp_path / "tree/train", 3)
    write_labelled_photos(tmp_path / "tree/val", 1, seed=1)
    flags = ["--tree", str(tmp_path / "tree"), "--out", str(tmp_path / "runs"), "--json", str(tmp_path / "found.json")]
    monkeypatch.setattr(sys, "argv", ["backbones", *flags, "--quick", "--device", "cpu"])
    backbones.main()
    table = capsys.readouterr().out
    assert "| googlenet | GoogLeNet, auxiliary classifiers |" in table
    assert "| nin | Network-in-Network |" in table
    results = json.loads((tmp_path / "found.json").read_text())["results"]
    assert list(results) == ["googlenet", "nin"]
    for name, one in results.items():
        assert 0 <= one["top1_after"] <= one["top5_after"] == 1.0
        assert one["num_images"] == 3
        assert min(one["training_images_per_second"], *one["inference_images_per_second"]) > 0
        run = described(tmp_path / "runs" / name)
        assert run["config"]["head"]["auxiliary"] == VARIANTS[name].auxiliary
        assert run["config"]["optimisation"]["steps"] == QUICK["steps"]
    # 384 · 1024 · 9 and the rest of Network-in-Network, with 3 classes
    assert results["nin"]["parameters"] == 6_573_251
    before = (tmp_path / "runs/nin/model.safetensors").stat().st_mtime_ns
    backbones.main()
    assert (tmp_path / "runs/nin/model.safetensors").stat().st_mtime_ns == before, "a finished run is only read"
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--variants", "nin", "--steps", "3"])
    backbones.main()
    assert described(tmp_path / "runs/nin")["config"]["optimisation"]["steps"] == 3
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--steps", "4", "--seed", "5"])
    with pytest.raises(SystemExit, match="2"):
        backbones.main()


def test_an_unknown_variant_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["backbones", "--tree", "x", "--out", "y", "--variants", "nin,vgg"])
    with pytest.raises(SystemExit):
        backbones.parse()
    assert "expected some of " + ", ".join(VARIANTS) + ", got vgg" in capsys.readouterr().err


def test_variants_are_of_architectures_that_there_are() -> None:
    for one in VARIANTS.values():
        assert not one.auxiliary or BACKBONES[one.backbone].auxiliary_channels
