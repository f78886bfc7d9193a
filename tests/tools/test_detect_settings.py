"""`googlenet-rcnn detect` in this process: flags, configuration files and models."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from made_runs import files_in
from run_files import description, make_photos, refused

from configs.proposing import MODES
from tools.cli import main

pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--min-score", "1.01"], "--min-score: expected a number in [0, 1], got 1.01"),
        (["--min-score", ".nan"], "--min-score: expected a number in [0, 1], got nan"),
        (["--min-score", "high"], "--min-score: Expected a float. Got value: high"),
        (["--nms-iou", "-0.1"], "--nms-iou: expected a number in [0, 1], got -0.1"),
        (["--max-detections", "0"], "--max-detections: expected at least 1, got 0"),
        (["--max-detections", "1.5"], "--max-detections: Expected a int"),
        (["--batch-size", "0"], "--batch-size: expected at least 1, got 0"),
        (["--workers", "0"], "--workers: expected at least 1, got 0"),
        (["--regions", "shred"], "--regions: expected one of warp, shared, got 'shred'"),
        (["--short-sides", "[8]"], "--short-sides: expected some, of 16 to 1000 pixels, got [8]"),
        (["--precision", "fp8"], "--precision: expected one of auto, fp32, bf16, got 'fp8'"),
        (["--proposals.mode", "slow"], f"--proposals.mode: expected one of {', '.join(MODES)}, got 'slow'"),
        (["--proposals.superpixel_scale", "0"], "--proposals.superpixel_scale: expected a finite number above 0"),
        (["--proposals.limit", "0"], "--proposals.limit: expected at least 1, got 0"),
        (["--proposals.seed", "-1"], "--proposals.seed: expected at least 0, got -1"),
        (["--shard", "3/2"], "--shard: expected i/n with i from 1 to n, got '3/2'"),
        (["--shard", "half"], "--shard: expected i/n such as 2/8, got 'half'"),
        (["--min-scor", "0.2"], "unrecognized arguments: --min-scor 0.2 (did you mean --min-score?)"),
        (["--proposals.superpixels", "2"], "(did you mean --proposals.superpixel_scale?)"),
        (["--config", "gone.yaml"], "--config: File does not exist"),
    ],
)
def test_settings_out_of_range_are_one_line(
    fake: Any, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    make_photos(1)
    assert message in refused(capsys, "detect", "photos", "--out", "out", *options)
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("min_scor: 0.1", "does not accept option 'min_scor' (did you mean --min-score?)"),
        ("proposals:\n  mod: fast", "does not accept option 'proposals.mod' (did you mean --proposals.mode?)"),
        ("min_score: high", "--min-score: Expected a float"),
        ("min_score: 7", "--min-score: expected a number in [0, 1], got 7.0"),
        ("a: [", "Problems parsing config"),
        ("- a\n- b", "config"),
    ],
)
def test_a_wrong_config_file_is_one_line(
    fake: Any, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    make_photos(1)
    Path("c.yaml").write_text(text)
    assert message in refused(capsys, "detect", "photos", "--out", "out", "--config", "c.yaml")


def test_a_config_file_can_hold_everything_and_flags_win(fake: Any) -> None:
    make_photos(2)
    Path("c.yaml").write_text(
        "source: [photos]\nout: out\nmin_score: 0.25\ndraw: false\nexport: csv\n"
        "proposals:\n  mode: single\n  limit: 9\n"
    )
    assert main(["detect", "--config", "c.yaml", "--proposals.limit", "5"]) == 0
    config = description()["config"]
    assert (config["min_score"], config["proposals"]["mode"], config["proposals"]["limit"]) == (0.25, "single", 5)
    assert files_in("out") == {"run.json", "detections.jsonl", "detections.csv"}


def test_print_config_can_be_read_back(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_photos(1)
    argv = ["detect", "photos", "--out", "out", "--min-score", "0.25", "--proposals.superpixel_scale", "1"]
    with pytest.raises(SystemExit) as leaves:
        main([*argv, "--print_config"])
    assert leaves.value.code == 0
    Path("c.yaml").write_text(capsys.readouterr().out)
    assert not Path("out").exists()
    assert main(["detect", "--config", "c.yaml"]) == 0
    assert description()["config"]["min_score"] == 0.25
    assert description()["config"]["proposals"]["superpixel_scale"] == 1.0


@pytest.mark.parametrize(("model", "message"), [("nope", "no model file nope"), (".", "is a folder")])
def test_a_model_that_cannot_be_found(capsys: pytest.CaptureFixture[str], model: str, message: str) -> None:
    make_photos(1)
    assert message in refused(capsys, "detect", "photos", "--out", "out", "--model", model)
    assert not Path("out").exists()


def test_a_model_file_that_is_damaged(capsys: pytest.CaptureFixture[str]) -> None:
    make_photos(1)
    Path("m.safetensors").write_bytes(b"nonsense")
    text = refused(capsys, "detect", "photos", "--out", "out", "--model", "m.safetensors")
    assert "m.safetensors: not a whole safetensors file" in text


def test_nothing_is_written_outside_out(fake: Any, here: Path) -> None:
    make_photos(2)
    Path("photos").chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert main(["detect", "photos", "--out", "out", "--export", "coco,ilsvrc,csv"]) == 0
    assert {path.name for path in here.iterdir()} == {"photos", "out"}
    assert files_in("photos") == {"00.png", "01.png"}
