"""`googlenet-rcnn train classifier --regions shared` in this process: random weights, generated pictures, few steps."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_outputs import described, one_line, weights

from detect.detector import Detector
from detect.model_file import load_model, read_model_file
from detect.training.training_logs import read_metrics
from tools.cli import main

CONFIG = """
model: null
class_space: own
data: [{kind: generated, path: 8}]
regions: shared
short_sides: [64, 96]
proposals: {mode: single}
sampling: {images_per_batch: 2, foreground: 4, background: 12, jittered: 2, photometric: 0.1}
head: {kind: softmax, start: random, auxiliary: 0.0, carry_over: 0, box_weight: 0.1}
optimisation: {steps: 12, frozen: 4d, head_rate: 3.0, warm_up: 1, averaging: 0.5, precision: fp32}
validation: {held_back: 0.3, images: 2, limit: 3}
device: cpu
checkpoint_every: 1
"""
VERB = "classifier"
pytestmark = pytest.mark.usefixtures("tiny_folder")


def train(*more: str, out: str = "out") -> int:
    return main(["train", "classifier", "--config", "tiny.yaml", "--out", out, *more])


@pytest.mark.slow
def test_it_learns_and_says_what_for(trained: Path) -> None:
    rows = read_metrics(trained / "logs" / "metrics.csv")
    losses = [row["class_loss"] for row in rows if "class_loss" in row]
    assert len(losses) == 12
    assert np.mean(losses[-4:]) < 0.75 * np.mean(losses[:2])
    info = load_model(trained / "model.safetensors").info
    assert (info.regions, info.short_sides) == (("shared",), (64, 96))
    run = described(trained)
    assert (run["settings"]["regions"], run["settings"]["short_sides"]) == ("shared", [64, 96])
    assert run["status"] == "finished"
    assert run["figures"]["num_images"] == 2


@pytest.mark.slow
def test_detect_reads_regions_as_the_model_was_trained_for(trained: Path) -> None:
    photo, model = trained / "data" / "generated" / "000000.png", trained / "model.safetensors"
    options = ["--model", str(model), "--min-score", "0", "--proposals.limit", "3", "--no-draw"]
    assert main(["detect", str(photo), *options, "--out", "found"]) == 0
    told = ["--regions", "shared", "--short-sides", "[64,96]"]
    assert main(["detect", str(photo), *options, *told, "--out", "told"]) == 0
    other = ["--short-sides", "[128]"]
    assert main(["detect", str(photo), *options, *other, "--out", "other"]) == 0
    records = [json.loads(Path(out, "detections.jsonl").read_text()) for out in ("found", "told", "other")]
    assert records[0]["detections"]
    assert records[0]["detections"] == records[1]["detections"] != records[2]["detections"]
    assert main(["detect", str(photo), *options, *told, "--out", "found", "--resume"]) == 0, "the same settings"
    shared = Detector.load(model, device="cpu").shared
    assert shared is not None
    assert (shared.short_sides, shared.context) == ((64, 96), 16)
    assert Detector.load(model, device="cpu", regions="warp").shared is None


@pytest.mark.slow
def test_interrupted_and_resumed_ends_with_the_same_bytes(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tools.training_progress import StepProgress

    def stop_after_four(self: Any, trainer: Any, *_: Any) -> None:
        if trainer.global_step == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(StepProgress, "on_train_batch_end", stop_after_four)
        assert train() == 1
    assert "--resume" in one_line(capsys)
    assert not Path("out", "model.safetensors").exists()
    assert train("--resume") == 0
    assert Path("out", "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()
    assert described(Path("out"))["figures"] == described(trained)["figures"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "difference"),
    [
        (("--regions", "warp"), "regions: shared there, nothing here; short_sides: [64, 96] there, nothing here"),
        (("--short-sides", "[64]"), "short_sides: [64, 96] there, [64] here"),
    ],
)
def test_a_run_in_another_mode_is_not_resumed(
    trained: Path, more: tuple[str, ...], difference: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, "out")
    assert train("--resume", *more) == 2
    assert difference in one_line(capsys)


@pytest.mark.slow
def test_only_what_is_not_frozen_has_changed(trained: Path) -> None:
    assert train("--optimisation.steps", "1", "--optimisation.learning_rate", "1e-9", out="start") == 0
    before, after = weights(Path("start")), weights(trained)
    changed = {name.split(".")[0] for name in after if not torch.equal(before[name], after[name])}
    assert {"classifier", "inception_4e", "inception_5b"} <= changed
    assert changed <= {"classifier", "box_regressor", "inception_4e", "inception_5a", "inception_5b"}


@pytest.mark.slow
def test_two_processes_make_the_model_of_one(trained: Path) -> None:
    Path("program.py").write_text("import sys; from tools.cli import main; sys.exit(main())")
    command = ["program.py", "train", "classifier", "--config", "tiny.yaml", "--out", "out", "--devices", "2"]
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for name, weight in weights(Path("out")).items():
        assert torch.allclose(weight, weights(trained)[name], atol=1e-4, rtol=0), name
    rows = [read_metrics(folder / "logs" / "metrics.csv") for folder in (Path("out"), trained)]
    curves = [[row["loss"] for row in each if "loss" in row] for each in rows]
    assert curves[0] == pytest.approx(curves[1], abs=1e-4)


@pytest.mark.slow
def test_warped_regions_are_what_they_were() -> None:
    """A model of them says nothing of short sides, and neither does its run: older ones can be resumed and read."""
    assert train("--regions", "warp", "--optimisation.steps", "1", "--validation.held_back", "0") == 0
    info, _ = read_model_file(Path("out", "model.safetensors"))
    assert (info.regions, info.short_sides) == (("warp",), (600,))
    assert "short_sides" not in info.to_json()
    assert not {"regions", "short_sides"} & described(Path("out"))["settings"].keys()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            ("--head.auxiliary", "0.3"),
            "head.auxiliary: expected 0 with regions shared, as auxiliary classifiers read whole warped regions, "
            "got 0.3",
        ),
        (("--regions", "tiles"), "--regions: expected one of warp, shared, got 'tiles'"),
        (("--short-sides", "[8]"), "--short-sides: expected some, of 16 to 1000 pixels, got [8]"),
        (("--context", "112"), "warp: expected 0 <= 2 · context < size, got size 224, context 112"),
    ],
)
def test_what_is_refused(more: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(*more) == 2
    assert one_line(capsys) == f"googlenet-rcnn: {sentence}"
    assert not Path("out", "run.json").exists()
