"""`googlenet-rcnn train classifier` in this process: a GoogLeNet of random weights, generated pictures, few steps."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from detect.image_decoding import decode_image
from detect.model_file import load_model
from tools.cli import main

CONFIG = """
model: null
class_space: own
data: [{kind: generated, path: "8"}]
proposals: {mode: single}
sampling: {images_per_batch: 2, foreground: 2, background: 2, jittered: 1}
head: {kind: softmax, start: random, auxiliary: 0.0, carry_over: 0}
optimisation: {steps: 3, frozen: 4e, warm_up: 1, averaging: 0.5, precision: fp32}
validation: {held_back: 0.3, images: 2, limit: 3}
device: cpu
checkpoint_every: 1
"""

VOC = """<annotation><size><width>320</width><height>240</height></size>
<object><name>{name}</name><bndbox><xmin>{box[0]}</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax>
</bndbox></object></annotation>"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in an empty folder with the configuration in it."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(CONFIG)
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run, which no test changes."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(CONFIG)
    out = folder / "out"
    assert main(["train", "classifier", "--config", str(folder / "tiny.yaml"), "--out", str(out)]) == 0
    return out


def train(*more: str, out: str = "out") -> int:
    return main(["train", "classifier", "--config", "tiny.yaml", "--out", out, "--name", "tiny", *more])


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("googlenet-rcnn:")]
    assert lines
    return lines[-1]


def described(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "run.json").read_text())
    return found


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_model(out / "model.safetensors").network.state_dict()


@pytest.mark.slow
class TestRun:
    def test_leaves_a_model_and_all_about_it(self, trained: Path) -> None:
        model = load_model(trained / "model.safetensors")
        assert [one.name for one in model.info.classes] == ["disc", "square", "triangle", "cross", "ring"]
        assert (model.info.head, model.info.box_regression, model.info.num_outputs) == ("softmax", "agnostic", 6)
        assert model.info.proposals.mode == "single"
        assert "generated" in model.info.provenance.data
        run = described(trained)
        assert (run["status"], run["verb"]) == ("finished", "train classifier")
        assert run["data"]["images"] + run["data"]["held_back_images"] == 8
        assert run["settings"]["seed"] == 0
        assert run["figures"]["num_images"] == 2
        for name in ("before.json", "after.json", "classes.csv", "config.yaml"):
            assert (trained / name).stat().st_size > 0
        for name in ("curves.png", "classes.png"):
            assert decode_image(trained / name).ndim == 3
        assert [path.name for path in sorted((trained / "checkpoints").iterdir())] == [
            "step-000002.ckpt",
            "step-000003.ckpt",
        ]

    def test_the_model_goes_straight_into_detect(self, trained: Path) -> None:
        photo = trained / "data" / "generated" / "000000.png"
        options = ["--model", str(trained / "model.safetensors"), "--out", "found", "--min-score", "0"]
        assert main(["detect", str(photo), *options, "--proposals.limit", "3"]) == 0
        record = json.loads(Path("found", "detections.jsonl").read_text())
        assert record["num_proposals"] == 3
        assert {one["name"] for one in record["detections"]} <= {"disc", "square", "triangle", "cross", "ring"}

    def test_the_saved_configuration_makes_the_same_model(self, trained: Path) -> None:
        configured = ["--config", str(trained / "config.yaml"), "--out", "again"]
        assert main(["train", "classifier", *configured]) == 0
        for name, weight in weights(Path("again")).items():
            assert torch.equal(weight, weights(trained)[name]), name

    def test_only_what_is_not_frozen_has_changed(self, trained: Path) -> None:
        assert train("--optimisation.steps", "1", "--optimisation.learning_rate", "1e-9", out="start") == 0
        before, after = weights(Path("start")), weights(trained)
        changed = {name.split(".")[0] for name in after if not torch.equal(before[name], after[name])}
        assert (
            {"classifier", "inception_5b"} <= changed <= {"classifier", "box_regressor", "inception_5a", "inception_5b"}
        )

    def test_interrupted_and_resumed_ends_with_the_same_bytes(
        self, trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from tools.training_progress import StepProgress

        def stop_after_one(self: Any, *_: Any) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

        with monkeypatch.context() as patched:
            patched.setattr(StepProgress, "on_train_batch_end", stop_after_one)
            assert train() == 1
        assert "--resume" in one_line(capsys)
        assert not Path("out", "model.safetensors").exists()
        assert train("--resume") == 0
        assert train(out="whole") == 0
        assert Path("out", "model.safetensors").read_bytes() == Path("whole", "model.safetensors").read_bytes()
        assert described(Path("out"))["figures"] == described(Path("whole"))["figures"]

    def test_a_truncated_checkpoint_gives_way_to_the_one_before(
        self, trained: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shutil.copytree(trained, "out")
        newest = Path("out", "checkpoints", "step-000003.ckpt")
        newest.write_bytes(newest.read_bytes()[:1000])
        Path("out", "model.safetensors").unlink()
        assert train("--resume") == 0
        said = capsys.readouterr().err
        assert "step-000003.ckpt is not a whole checkpoint" in said
        assert "going on after step 2" in said
        for name, weight in weights(Path("out")).items():
            assert torch.equal(weight, weights(trained)[name]), name

    def test_a_checkpoint_of_other_settings_is_refused(self, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
        shutil.copytree(trained, "out")
        before = Path("out", "run.json").read_bytes()
        assert train("--resume", "--optimisation.learning_rate", "0.5") == 2
        assert "optimisation.learning_rate: 0.001 there, 0.5 here" in one_line(capsys)
        assert Path("out", "run.json").read_bytes() == before

    def test_overwrite_replaces_the_run_and_nothing_else(self, trained: Path) -> None:
        shutil.copytree(trained, "out")
        Path("out", "mine.txt").write_text("keep")
        assert train("--overwrite", "--optimisation.steps", "1") == 0
        assert described(Path("out"))["config"]["optimisation"]["steps"] == 1
        assert [path.name for path in Path("out", "checkpoints").iterdir()] == ["step-000001.ckpt"]
        assert Path("out", "mine.txt").read_text() == "keep"

    def test_a_broken_image_is_passed_over_and_recorded(self, trained: Path) -> None:
        photos = Path("photos")
        shutil.copytree(trained / "data" / "generated", photos)
        whole = (photos / "000001.png").read_bytes()
        (photos / "000001.png").write_bytes(whole[: len(whole) // 2])
        Path("tiny.yaml").write_text(
            CONFIG.replace('kind: generated, path: "8"', "kind: coco, path: photos/annotations.json, images: photos")
        )
        assert train() == 3
        assert "000001.png" in Path("out", "unreadable.txt").read_text()
        assert described(Path("out"))["unreadable_images"] == 1
        assert Path("out", "model.safetensors").exists()


class TestRefusals:
    def test_a_run_is_there_already(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("out").mkdir()
        Path("out", "run.json").write_text(json.dumps({"verb": "train classifier"}))
        assert train() == 2
        assert "give --resume to continue it, or --overwrite" in one_line(capsys)

    def test_a_folder_with_the_run_of_another_verb(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("out").mkdir()
        Path("out", "run.json").write_text(json.dumps({"verb": "detect"}))
        assert train("--overwrite") == 2
        assert "holds a run of `detect`" in one_line(capsys)

    def test_a_file_of_the_user_in_the_way(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("out").mkdir()
        Path("out", "model.safetensors").write_text("mine")
        assert train("--overwrite") == 2
        assert "model.safetensors is there already, and no run wrote it" in one_line(capsys)
        assert Path("out", "model.safetensors").read_text() == "mine"

    def test_a_misspelt_setting(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert train("--optimisation.step", "3") == 2
        assert "did you mean --optimisation.steps?" in one_line(capsys)

    def test_a_setting_out_of_range(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert train("--head.dropout", "3") == 2
        assert "head.dropout: expected a finite number from 0.0 to 0.99, got 3.0" in one_line(capsys)

    def test_no_data_set(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert train("--data", "[]") == 2
        assert "data: expected at least one data set" in one_line(capsys)

    def test_an_empty_data_set(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("voc", "Annotations").mkdir(parents=True)
        assert train("--data", "[{kind: voc, path: voc}]") == 2
        assert "voc" in one_line(capsys)

    def test_a_missing_model(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert train("--model", "nowhere.safetensors") == 2
        assert "nowhere.safetensors" in one_line(capsys)

    def test_a_marginal_head_on_classes_without_members(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert train("--head.kind", "marginal") == 2
        assert "disc has none; use softmax" in one_line(capsys)

    def test_an_image_on_both_sides(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        make_voc(here / "voc", ("dog", (10, 10, 100, 100)))
        shutil.copytree("voc", "other")
        os.rename("other/JPEGImages/0.png", "other/JPEGImages/9.png")
        os.rename("other/Annotations/0.xml", "other/Annotations/9.xml")
        data = "[{kind: voc, path: %s}]"
        sets = ("--data", data % "voc", "--validation.data", data % "other", "--validation.held_back", "0")
        assert train(*sets) == 2
        assert "9" in (said := one_line(capsys))
        assert "0" in said
        assert "trained on" in said or "training" in said


class TestCheckData:
    def test_lists_all_that_is_wrong(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        make_voc(
            here / "voc",
            ("dog", (10, 10, 100, 100)),
            ("gryphon", (10, 10, 100, 100)),
            ("cat", (300, 10, 400, 100)),
            ("cow", (10, 10, 60, 60)),
            ("bird", (10, 10, 60, 60)),
        )
        (here / "voc/JPEGImages/3.png").write_bytes(b"")
        (here / "voc/JPEGImages/4.png").unlink()
        (here / "voc/Annotations/5.xml").write_text("<annotation>")
        assert train("--data", "[{kind: voc, path: voc}]", "--validation.held_back", "0", "--check-data") == 3
        listing = Path("out", "data", "problems.txt").read_text()
        for what in ("unmapped: ", "outside: ", "image: ", "annotation: ", "gryphon", "JPEGImages/4", "3.png", "5.xml"):
            assert what in listing, what
        report = json.loads(Path("out", "data", "report.json").read_text())
        assert report["classes_with_boxes"] >= 2
        assert "5 problems in all" in capsys.readouterr().err
        assert not Path("out", "run.json").exists()

    def test_a_sound_data_set(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert train("--check-data") == 0
        said = capsys.readouterr().out
        assert "images to train on" in said
        assert "5 of 5 classes have boxes" in said


def make_voc(tree: Path, *objects: tuple[str, tuple[int, int, int, int]]) -> None:
    """A VOC tree with one image an object, named 0, 1, …; the images differ."""
    import cv2
    import numpy as np

    (tree / "Annotations").mkdir(parents=True)
    (tree / "JPEGImages").mkdir()
    for number, (name, box) in enumerate(objects):
        (tree / f"Annotations/{number}.xml").write_text(VOC.format(name=name, box=box))
        image = np.random.default_rng(number).integers(0, 255, (240, 320, 3)).astype(np.uint8)
        cv2.imwrite(str(tree / f"JPEGImages/{number}.png"), image)
