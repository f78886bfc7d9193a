"""`googlenet-rcnn train backbone` in this process: Network-in-Network at its least input, few pictures, few steps."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from labelled_photos import write_labelled_photos
from training_outputs import described, one_line, weights

from detect.image_decoding import decode_image
from detect.model_file import load_model
from detect.training.cifar10 import FOLDER
from detect.training.training_logs import read_metrics
from tools.cli import main

CONFIG = """
data: {kind: folders, path: photos}
backbone: nin
size: 39
head: {auxiliary: 0.0}
sampling: {images_per_batch: 4}
optimisation: {steps: 3, warm_up: 1, averaging: 0.5, precision: fp32}
validation: {held_back: 0.3}
device: cpu
checkpoint_every: 1
"""
pytestmark = pytest.mark.usefixtures("tiny_folder")


@pytest.fixture(autouse=True)
def photos(tiny_folder: Path) -> Path:
    return write_labelled_photos(Path("photos"), 5)


def train(*more: str, out: str = "out") -> int:
    return main(["train", "backbone", "--config", "tiny.yaml", "--out", out, "--name", "tiny", *more])


@pytest.mark.slow
class TestRun:
    def test_leaves_a_network_and_all_about_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert train() == 0
        out = Path("out")
        assert "evaluate classification --model out/model.safetensors --size 39" in capsys.readouterr().out
        model = load_model(out / "model.safetensors")
        assert [one.name for one in model.info.classes] == ["blue", "green", "red"]
        assert (model.info.name, model.info.architecture, model.info.head) == ("tiny", "nin", "zero_shot")
        assert "images of photos" in model.info.provenance.data
        told = json.loads(model.info.provenance.config)
        assert (told["size"], told["batch_norm"], told["backbone"]) == (39, "batch", "nin")
        assert "path" not in model.info.provenance.config, "which is nobody else's business"
        run = described(out)
        counts = run["data"]
        assert (run["status"], run["verb"], counts["classes"]) == ("finished", "train backbone", 3)
        assert counts["images"] + counts["held_back_images"] == 15
        assert run["figures"]["num_images"] == counts["held_back_images"] > 0
        before, after = (json.loads((out / name).read_text()) for name in ("before.json", "after.json"))
        assert (before["top1"], after["top1"]) == (run["figures"]["top1_before"], run["figures"]["top1_after"])
        rows = list(csv.DictReader((out / "classes.csv").open()))
        assert [row["name"] for row in rows] == ["blue", "green", "red"]
        assert sum(int(row["training_images"]) for row in rows) == counts["images"]
        assert decode_image(out / "curves.png").ndim == 3
        logged = read_metrics(out / "logs" / "metrics.csv")
        assert [row["step"] for row in logged if "class_loss" in row] == [0, 1, 2]
        assert [row["step"] for row in logged if "top1_accuracy" in row] == [0, 3]
        assert not (out / "unreadable.txt").exists()
        self.check_that_it_is_used(capsys)

    def check_that_it_is_used(self, capsys: pytest.CaptureFixture[str]) -> None:
        model = ("--model", "out/model.safetensors")
        assert (
            main(["evaluate", "classification", *model, "--size", "39", "--images", "photos", "--out", "scores"]) == 0
        )
        assert json.loads(Path("scores/metrics.json").read_text())["num_images"] == 15
        assert main(["models", "info", *model[1:]]) == 0
        assert "classes         3: blue, green, red" in capsys.readouterr().out

    def test_auxiliary_classifiers_are_absent_from_what_is_saved(self) -> None:
        assert train("--backbone", "googlenet", "--head.auxiliary", "0.3", "--optimisation.steps", "1") == 0
        assert not [name for name in weights(Path("out")) if name.startswith("auxiliary")]
        (row,) = [row for row in read_metrics(Path("out/logs/metrics.csv")) if "class_loss" in row]
        assert row["loss"] == pytest.approx(row["class_loss"] + 0.3 * row["auxiliary_loss"], rel=1e-5)
        assert row["auxiliary_loss"] > 0

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
        assert train("--resume", "--seed", "1") == 2
        assert "belongs to a run with other settings: seed: 0 there, 1 here" in one_line(capsys)
        assert train("--resume") == 0
        assert train(out="whole") == 0
        assert Path("out", "model.safetensors").read_bytes() == Path("whole", "model.safetensors").read_bytes()
        assert described(Path("out"))["figures"] == described(Path("whole"))["figures"]

    def test_fine_tuning_takes_the_classifier_where_the_classes_are_the_same(self) -> None:
        assert train() == 0
        first = weights(Path("out"))
        slow = ("--backbone", "null", "--optimisation.learning_rate", "1e-9", "--model", "out/model.safetensors")
        assert train(*slow, out="same") == 0
        torch.testing.assert_close(weights(Path("same"))["classifier.weight"], first["classifier.weight"])
        Path("photos/red").rename("photos/crimson")
        assert train(*slow, out="other") == 0
        other = weights(Path("other"))
        assert not torch.allclose(other["classifier.weight"], first["classifier.weight"])
        torch.testing.assert_close(other["conv4.weight"], first["conv4.weight"])
        assert described(Path("other"))["settings"]["batch_norm"] == "stored"

    def test_a_detector_s_training_starts_from_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert train("--optimisation.steps", "1") == 0
        detector = ["train", "classifier", "--data", '[{kind: generated, path: "4"}]', "--class_space", "own"]
        more = ["--head.auxiliary", "0", "--model", "out/model.safetensors", "--out", "detector", "--device", "cpu"]
        assert main([*detector, *more, "--proposals.mode", "single"]) == 2
        assert "head: marginal needs" in one_line(capsys)
        more += ["--head.kind", "softmax", "--head.carry_over", "0", "--optimisation.steps", "1"]
        more += ["--sampling.images_per_batch", "1", "--proposals.mode", "single", "--validation.every", "0"]
        assert main([*detector, *more]) == 0
        assert load_model(Path("detector/model.safetensors")).info.architecture == "nin"

    def test_a_broken_image_is_recorded(self) -> None:
        broken = Path("photos/red/broken.png")
        broken.write_bytes(b"nothing")
        assert train("--validation.held_back", "0", "--optimisation.steps", "4") == 3
        assert str(broken) in Path("out/unreadable.txt").read_text()

    def test_a_broken_held_back_image_is_recorded(self) -> None:
        write_labelled_photos(Path("val"), 1, seed=1)
        broken = Path("val/red/broken.png")
        broken.write_bytes(b"nothing")
        assert train("--validation.data", "{kind: folders, path: val}", "--optimisation.steps", "1") == 3
        (line,) = Path("out/unreadable.txt").read_text().splitlines()
        assert f"{broken}: not an image" in line
        assert described(Path("out"))["unreadable_images"] == 1

    def test_two_processes_have_the_losses_of_one(self) -> None:
        assert train("--validation.every", "0") == 0
        program = "import sys; from tools.cli import main; sys.exit(main(sys.argv[1:]))"
        Path("run.py").write_text(f"{program}\n")
        command = ["run.py", "train", "backbone", "--config", "tiny.yaml", "--out", "two", "--validation.every", "0"]
        root = Path(__file__).parents[2]
        result = subprocess.run(
            [sys.executable, *command, "--devices", "2"],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)},
        )
        assert result.returncode == 0, result.stderr
        one, two = (read_metrics(Path(out, "logs", "metrics.csv")) for out in ("out", "two"))
        assert [row["loss"] for row in two] == pytest.approx([row["loss"] for row in one], abs=1e-4)
        ours, theirs = weights(Path("out")), weights(Path("two"))
        for name, value in ours.items():
            torch.testing.assert_close(theirs[name], value, atol=1e-4, rtol=0)


class TestCheckData:
    def test_counts_and_problems(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("photos/red/broken.png").write_bytes(b"nothing")
        assert train("--check-data") == 3
        shown = capsys.readouterr()
        assert "of 3 of 3 classes to train on" in shown.out
        assert "photos/red/broken.png" in shown.err
        report = json.loads(Path("out/data/report.json").read_text())
        assert [one["images"] + one["held_back"] for one in report["per_class"]] == [5, 5, 6]
        assert not Path("out", "run.json").exists()

    def test_nothing_wrong(self) -> None:
        assert train("--check-data") == 0

    def test_cifar_10(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from cifar_files import write_cifar_folder

        from detect.training import cifar10

        write_cifar_folder(Path(FOLDER), per_file=2)
        monkeypatch.setattr(cifar10.read_cifar10, "__kwdefaults__", {"md5": "", "per_file": 2})
        judge = (
            "--validation.data.kind",
            "cifar10",
            "--validation.data.path",
            FOLDER,
            "--validation.data.split",
            "test",
        )
        assert train("--data", f"{{kind: cifar10, path: {FOLDER}}}", *judge, "--check-data") == 0
        report = json.loads(Path("out/data/report.json").read_text())
        assert (report["images"], report["held_back_images"]) == (10, 2)
        assert report["name"] == "CIFAR-10 train"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--backbone", "inception_v5"), "got 'inception_v5' (did you mean inception_v"),
        (("--backbone", "inception_v2", "--size", "64"), "size: images: expected at least 75 x 75 pixels"),
        (("--size", "38"), "size: images: expected at least 39 x 39 pixels for nin, got 38 x 38"),
        (("--head.auxiliary", "0.3"), "head.auxiliary: expected 0 with nin, which has no auxiliary classifiers"),
        (("--head.auxilary", "0"), "(did you mean --head.auxiliary?)"),
        (("--data", "{kind: folders, path: nowhere}"), "data.path: no such folder: nowhere"),
        (("--data", "{kind: voc, path: photos}"), "--data.kind: expected one of folders, ilsvrc_loc, cifar10"),
        (("--data", "{kind: cifar10, path: cifar-10-python.tar.gz}"), "got the python version, whose pickled objects"),
        (("--validation.data", "{kind: folders, path: photos}"), "expected images that are not trained on, got"),
        (("--validation.data", "{kind: folders, path: others}"), "no class 'yellow' among the 3"),
        (("--validation.held_back", "0.95"), "validation.held_back: expected"),
        (("--model", "nowhere.safetensors"), "nowhere"),
        (("--sampling.images_per_batch", "3", "--devices", "2"), "devices: expected a divisor of sampling.images_per"),
        (("--optimisation.frozen", "4e"), "frozen: expected none or mlpconv1 or mlpconv2 or mlpconv3 with nin"),
        (
            ("--optimisation.frozen", "classifier"),
            "with nin, got classifier, which leaves nothing to learn but head.fit",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    more: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_labelled_photos(Path("others"), 1)
    Path("others/red").rename("others/yellow")
    assert train(*more) == 2
    assert sentence in one_line(capsys)
    assert not Path("out", "run.json").exists()


def test_a_class_folder_without_images(capsys: pytest.CaptureFixture[str]) -> None:
    Path("photos/violet").mkdir()
    assert train() == 2
    assert "data.path: expected pictures in every class folder, found none in photos/violet" in one_line(capsys)


def test_a_truncated_archive(capsys: pytest.CaptureFixture[str]) -> None:
    Path("cifar-10-binary.tar.gz").write_bytes(b"\x1f\x8b" + bytes(100))
    assert train("--data", "{kind: cifar10, path: cifar-10-binary.tar.gz}") == 2
    assert "expected CIFAR-10's binary archive with the checksum (md5) c32a1d4ab5" in one_line(capsys)
