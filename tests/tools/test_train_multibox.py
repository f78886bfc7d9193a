"""`googlenet-rcnn train multibox` in this process: a trunk of random weights, generated pictures, few steps."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from training_outputs import described, one_line

from detect.image_decoding import decode_image
from detect.multibox_file import load_multibox, priors_digest
from detect.training.training_logs import read_metrics
from tools.cli import main

CONFIG = """
model: null
class_space: own
data: [{kind: generated, path: "8"}]
head: {kind: fully_connected, priors: 9, channels: 2}
sampling: {images_per_batch: 2}
optimisation: {steps: 3, frozen: 4e, warm_up: 1, averaging: 0.5, precision: fp32}
validation: {held_back: 0.3, images: 2}
device: cpu
checkpoint_every: 1
"""
VERB = "multibox"
pytestmark = pytest.mark.usefixtures("tiny_folder")


def train(*more: str, out: str = "out") -> int:
    return main(["train", "multibox", "--config", "tiny.yaml", "--out", out, "--name", "tiny", *more])


@pytest.mark.slow
class TestRun:
    def test_leaves_a_model_and_all_about_it(self, trained: Path) -> None:
        model = load_multibox(trained / "model.safetensors")
        assert (model.info.num_priors, model.info.head.kind, model.info.size) == (9, "fully_connected", 224)
        assert model.info.priors_sha256 == priors_digest(model.network.priors)
        assert "generated" in model.info.provenance.data
        run = described(trained)
        assert (run["status"], run["verb"], run["priors"]) == ("finished", "train multibox", 9)
        assert 0 < run["prior_coverage"] < 1
        assert run["figures"]["num_images"] == 2
        assert run["figures"]["coverage_after"] is not None
        summary = json.loads((trained / "after.json").read_text())
        assert [row["boxes"] for row in summary["budgets"]] == [10, 50, 100, 200]
        for name in ("curves.png", "coverage.png"):
            assert decode_image(trained / name).ndim == 3
        rows = read_metrics(trained / "logs" / "metrics.csv")
        steps = [row for row in rows if "location_loss" in row]
        assert [row["step"] for row in steps] == [0, 1, 2]
        for row in steps:
            assert row["loss"] == pytest.approx(0.3 * row["location_loss"] + row["confidence_loss"], rel=1e-5)
            assert row["images"] == 2
            assert 0 < row["matched_confidence"] < 1
            assert row["images_per_second"] > 0

    def test_the_model_goes_straight_into_propose(self, trained: Path) -> None:
        photo = trained / "data" / "generated" / "000000.png"
        model = ("--multibox", str(trained / "model.safetensors"))
        for method in ("multibox", "both"):
            assert main(["propose", str(photo), "--method", method, *model, "--mode", "single", "--out", method]) == 0
        counts = [json.loads(Path(one, "proposals.jsonl").read_text())["num_proposals"] for one in ("multibox", "both")]
        assert 0 < counts[0] <= 9
        assert counts[0] < counts[1]

    def test_interrupted_and_resumed_ends_with_the_same_bytes(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from tools.training_progress import StepProgress

        def stop_after_one(self: Any, *_: Any) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

        with monkeypatch.context() as patched:
            patched.setattr(StepProgress, "on_train_batch_end", stop_after_one)
            assert train() == 1
        assert "--resume" in one_line(capsys)
        assert train("--resume") == 0
        assert train(out="whole") == 0
        assert Path("out", "model.safetensors").read_bytes() == Path("whole", "model.safetensors").read_bytes()
        assert described(Path("out"))["figures"] == described(Path("whole"))["figures"]

    def test_only_what_is_not_frozen_has_changed(self, trained: Path) -> None:
        assert train("--optimisation.steps", "1", "--optimisation.learning_rate", "1e-9", out="start") == 0
        before, after = (load_multibox(one / "model.safetensors").network for one in (Path("start"), trained))
        assert torch.equal(before.priors, after.priors)
        weights = after.state_dict()
        changed = {name for name, value in before.state_dict().items() if not torch.equal(value, weights[name])}
        assert changed
        assert all(name.startswith(("head.", "trunk.network.inception_5")) for name in changed)

    def test_the_convolutional_form(self) -> None:
        more = ("--head.kind", "convolutional", "--head.grids", "[7, 3, 1]", "--optimisation.steps", "1")
        assert train(*more) == 0
        model = load_multibox(Path("out", "model.safetensors"))
        assert (model.info.num_priors, model.info.head.grids) == (11 * (49 + 9) + 1, (7, 3, 1))

    def test_a_folder_of_the_classifier_is_not_touched(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("out").mkdir()
        Path("out", "run.json").write_text('{"verb": "train classifier"}')
        assert train("--overwrite") == 2
        assert "holds a run of `train classifier`, not of `train multibox`" in one_line(capsys)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--head.priors", "1000"), "head.priors: count: expected 1.."),
        (("--head.kind", "dense"), "head.kind: expected"),
        (("--loss.alpha", "0"), "loss.alpha: expected"),
        (("--model", "nowhere.safetensors"), "nowhere"),
        (("--head.prior", "5"), "--head.priors"),
        (("--data", "[{kind: voc, path: voc}]"), "voc"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    more: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(*more) == 2
    assert sentence in one_line(capsys)
    assert not Path("out", "run.json").exists()


def test_the_data_can_be_checked_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--check-data") == 0
    assert "images to train on" in capsys.readouterr().out
    assert Path("out", "data", "report.json").exists()
    assert not Path("out", "run.json").exists()
