"""`googlenet-rcnn train classifier --backbone`: other architectures from random weights, for two steps."""

from __future__ import annotations

from pathlib import Path

import pytest
from training_outputs import described, one_line, weights

from detect.detector import Detector
from detect.model_file import load_model
from tools.cli import main

CONFIG = """
model: null
class_space: own
data: [{kind: generated, path: 4}]
proposals: {mode: single, limit: 20}
sampling: {images_per_batch: 1, foreground: 1, background: 3, jittered: 1}
head: {kind: softmax, start: random, auxiliary: 0.0, carry_over: 0, box_regression: cells}
optimisation: {steps: 2, warm_up: 0, averaging: 0.0, precision: fp32, schedule: constant}
validation: {held_back: 0.3, every: 0}
device: cpu
"""
pytestmark = pytest.mark.usefixtures("tiny_folder")


def train(*more: str) -> int:
    return main(["train", "classifier", "--config", "tiny.yaml", "--out", "out", *more])


@pytest.mark.slow
@pytest.mark.parametrize("regions", ["warp", "shared"])
def test_two_steps_of_nin_and_detection_with_what_came_of_it(regions: str) -> None:
    told = ("--backbone", "nin", "--regions", regions, "--short-sides", "[96]", "--optimisation.frozen", "mlpconv1")
    assert train(*told) == 0
    info = load_model(Path("out/model.safetensors")).info
    assert (info.architecture, info.regions) == ("nin", (regions,))
    assert described(Path("out"))["settings"]["backbone"] == "nin"
    before = set(weights(Path("out")))
    assert {name.split(".")[0] for name in before} == {
        *("mlpconv1", "mlpconv2", "mlpconv3", "conv4", "conv4_1x1", "classifier", "box_regressor")
    }
    assert (Detector.load("out/model.safetensors").shared is None) == (regions == "warp")
    assert train(*told, "--resume") == 0


@pytest.mark.slow
def test_a_model_files_own_architecture_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--backbone", "nin") == 0
    first = Path("out/model.safetensors").rename("first.safetensors")
    again = ("--model", str(first), "--overwrite")
    assert train(*again, "--backbone", "googlenet") == 2
    assert one_line(capsys) == (
        "googlenet-rcnn: backbone: expected nin, which the model first.safetensors is, "
        "or a run from random weights (model: null), got googlenet"
    )
    assert train(*again) == 0
    assert load_model(Path("out/model.safetensors")).info.architecture == "nin"
    assert "backbone" not in described(Path("out"))["settings"]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--backbone", "inception_v4"), "got 'inception_v4' (did you mean inception_v"),
        (
            ("--backbone", "nin", "--optimisation.frozen", "4e"),
            "frozen: expected none or mlpconv1 or mlpconv2 or mlpconv3 with nin, got '4e'",
        ),
        (("--optimisation.frozen", "mlpconv1"), "frozen: expected none or conv1 or conv2 or 3a"),
        (
            ("--backbone", "nin", "--head.auxiliary", "0.3"),
            "head.auxiliary: expected 0 with nin, which has no auxiliary classifiers, got 0.3",
        ),
    ],
)
def test_what_is_refused(more: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(*more) == 2
    assert sentence in one_line(capsys)
