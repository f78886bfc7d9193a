"""`googlenet-rcnn train classifier` in this process: a GoogLeNet of random weights, generated pictures, few steps."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from training_outputs import described, one_line, weights

from detect.image_decoding import decode_image
from detect.model_file import load_model
from detect.training.training_logs import read_metrics
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
VERB = "classifier"
pytestmark = pytest.mark.usefixtures("tiny_folder")

VOC = """<annotation><size><width>320</width><height>240</height></size>
<object><name>{name}</name><bndbox><xmin>{box[0]}</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax>
</bndbox></object></annotation>"""


def train(*more: str, out: str = "out") -> int:
    return main(["train", "classifier", "--config", "tiny.yaml", "--out", out, "--name", "tiny", *more])


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

    def test_the_saved_configuration_finds_its_files_from_any_folder(
        self, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_voc(tiny_folder / "photos" / "voc", *[("dog", (10, 10, 100, 100))] * 6)
        data = ("--data", "[{kind: voc, path: voc}]", "--data_root", "photos", "--proposals.store", "boxes")
        assert train(*data, "--optimisation.steps", "1") == 0
        monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
        assert (
            main(["train", "classifier", "--config", str(tiny_folder / "out" / "config.yaml"), "--out", "again"]) == 0
        )
        assert described(Path("again"))["data"] == described(tiny_folder / "out")["data"]
        assert not Path("again", "proposals").exists()  # the store is where it was

    def test_resumed_after_its_last_step_it_says_the_same_of_itself(
        self, trained: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shutil.copytree(trained, "out")
        assert train("--resume") == 0
        assert described(trained)["figures"]["mAP_after"] is not None
        assert described(Path("out"))["figures"] == described(trained)["figures"]
        assert Path("out", "classes.csv").read_bytes() == (trained / "classes.csv").read_bytes()
        rows = [read_metrics(folder / "logs" / "metrics.csv")[-1] for folder in (Path("out"), trained)]
        assert rows[0] == rows[1]
        assert "mAP" in rows[0]

    def test_figures_from_before_are_dropped_where_validation_is_another(
        self, trained: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shutil.copytree(trained, "out")
        assert train("--resume", "--validation.limit", "2") == 0
        assert (
            "googlenet-rcnn: validation has other images or settings than at the first step: no figures from before\n"
        ) in capsys.readouterr().err
        assert described(Path("out"))["figures"]["mAP_before"] is None
        assert not Path("out", "before.json").exists()

    @pytest.mark.parametrize(
        ("more", "sentence"),
        [
            (("--optimisation.rates", "{nowhere: 2}"), "nowhere"),
            (("--proposals.store", "tiny.yaml/store"), "cannot write tiny.yaml/store/"),
            (("--data", "[{kind: voc, path: voc}]"), "voc"),
        ],
    )
    def test_what_is_refused_is_refused_before_anything_is_overwritten(
        self, trained: Path, more: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shutil.copytree(trained, "out")
        before = files_of(Path("out"))
        assert train("--overwrite", *more) in (1, 2)
        assert sentence in one_line(capsys)
        assert files_of(Path("out")) == before

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

    def test_ctrl_c_is_answered_and_a_second_one_too(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from tools.training_progress import StepProgress

        def press(times: int) -> Any:
            def on_train_batch_end(self: Any, trainer: Any, *_: Any) -> None:
                if trainer.global_step == 2:
                    for _ in range(times):
                        os.kill(os.getpid(), signal.SIGINT)

            return on_train_batch_end

        before = signal.getsignal(signal.SIGINT)
        for times, kept in ((1, 3), (2, 2)):  # told in the second step's end, it does one more
            with monkeypatch.context() as patched:
                patched.setattr(StepProgress, "on_train_batch_end", press(times))
                assert train("--overwrite") == 1
            said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("googlenet-rcnn:")]
            assert said[-2:] == [
                "googlenet-rcnn: stopping once this step is done and saved; Ctrl-C again stops at once",
                f"googlenet-rcnn: interrupted after {kept} of 3 steps; go on with --resume",
            ]
            assert signal.getsignal(signal.SIGINT) == before
        assert train("--resume") == 0

    def test_ctrl_c_does_not_wait_for_a_validation(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from detect.training import validation

        def decode_and_press(path: Path) -> Any:
            os.kill(os.getpid(), signal.SIGINT)
            return decode_image(path)

        with monkeypatch.context() as patched:
            patched.setattr(validation, "decode_image", decode_and_press)
            assert train("--workers", "1") == 1
        assert one_line(capsys) == "googlenet-rcnn: interrupted after 0 of 3 steps; go on with --resume"
        assert not Path("out", "before.json").exists()
        assert train("--resume") == 0
        assert described(Path("out"))["figures"]["mAP_before"] is not None

    def test_a_full_disk_is_one_sentence_and_the_run_goes_on_when_there_is_room(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        replace = os.replace

        def full(old: Path, new: Path) -> None:
            if str(new).endswith("step-000002.ckpt"):
                raise OSError(28, "No space left on device")
            replace(old, new)

        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", full)
            assert train() == 1
        assert one_line(capsys) == (
            "googlenet-rcnn: cannot write out/checkpoints/step-000002.ckpt: No space left on device; make room "
            "and continue with --resume"
        )
        assert [path.name for path in Path("out", "checkpoints").iterdir()] == ["step-000001.ckpt"]
        assert train("--resume") == 0
        assert described(Path("out"))["status"] == "finished"

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

    def test_a_name_that_is_no_utf8_is_recorded_as_it_is(self, tiny_folder: Path) -> None:
        make_voc(tiny_folder / "voc", *[("dog", (10, 10, 100, 100))] * 6)
        odd = os.fsdecode(b"\xff")
        for folder, ending in (("JPEGImages", "png"), ("Annotations", "xml")):
            os.rename(f"voc/{folder}/0.{ending}", f"voc/{folder}/{odd}.{ending}")
        Path(f"voc/JPEGImages/{odd}.png").write_bytes(b"")
        sets = ("--data", "[{kind: voc, path: voc}]", "--optimisation.steps", "1", "--validation.held_back", "0")
        assert train(*sets, "--check-data") == 3
        assert b"voc/JPEGImages/\xff.png: " in Path("out", "data", "problems.txt").read_bytes()
        assert train(*sets) == 3
        assert Path("out", "unreadable.txt").read_bytes().startswith(b"voc/JPEGImages/\xff.png: ")

    def test_two_processes_make_the_model_of_one(self, trained: Path) -> None:
        """Started by Lightning; of `torchrun` are the test below and those of the loop."""
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
        assert done.stdout.count("is the detector") == 1
        assert done.stderr.count("images to train on") == 1
        assert not list(Path("out", "data").glob("process-*"))
        assert described(Path("out"))["figures"] == described(trained)["figures"]

    def test_of_two_processes_one_says_what_is_wrong(self) -> None:
        Path("program.py").write_text("import sys; from tools.cli import main; sys.exit(main())")
        launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
        command = ["program.py", "train", "classifier", "--config", "tiny.yaml", "--out", "out", "--model", "nowhere"]
        root = str(Path(__file__).resolve().parents[2])
        done = subprocess.run(
            [sys.executable, *launcher, *command],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode != 0
        assert done.stderr.count("googlenet-rcnn: no model file nowhere") == 1


class TestRefusals:
    @pytest.mark.parametrize("more", [(), ("--check-data",)])
    def test_files_of_the_user_in_data(self, more: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
        mine = Path("out", "data", "generated", "000000.png")
        mine.parent.mkdir(parents=True)
        mine.write_text("mine")
        assert train(*more) == 2
        assert one_line(capsys) == (
            "googlenet-rcnn: --out out: data is there already, and no run wrote it; choose another folder"
        )
        assert mine.read_text() == "mine"
        assert [path.name for path in Path("out", "data").iterdir()] == ["generated"]

    def test_names_that_nobody_maps(self, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        make_voc(tiny_folder / "voc", *[("gryphon", (10, 10, 100, 100))] * 5)
        sets = ("--data", "[{kind: voc, path: voc}]", "--class-space", "det", "--validation.held-back", "0")
        assert train(*sets) == 2
        what = "object 1 (gryphon): nobody maps the name, not counted"
        first = "; ".join(f"voc/Annotations/{number}.xml: {number}, {what}" for number in range(3))
        assert one_line(capsys) == (
            "googlenet-rcnn: voc: expected objects of the 200 classes, found none in 5 images "
            f"(of 5 problems the first: {first})"
        )

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
        assert one_line(capsys) == "googlenet-rcnn: voc: expected annotated images, found none"

    def test_a_missing_model(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert train("--model", "nowhere.safetensors") == 2
        assert "nowhere.safetensors" in one_line(capsys)

    def test_a_marginal_head_on_classes_without_members(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert train("--head.kind", "marginal") == 2
        assert "disc has none; use softmax" in one_line(capsys)

    def test_an_image_on_both_sides(self, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        make_voc(tiny_folder / "voc", ("dog", (10, 10, 100, 100)))
        shutil.copytree("voc", "other")
        os.rename("other/JPEGImages/0.png", "other/JPEGImages/9.png")
        os.rename("other/Annotations/0.xml", "other/Annotations/9.xml")
        data = "[{kind: voc, path: %s}]"
        sets = ("--data", data % "voc", "--validation.data", data % "other", "--validation.held_back", "0")
        assert train(*sets) == 2
        assert one_line(capsys) == ("googlenet-rcnn: validation: expected images that are not trained on, got 9 (as 0)")


class TestCheckData:
    def test_a_folder_with_the_run_of_another_verb(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("out").mkdir()
        Path("out", "run.json").write_text(json.dumps({"verb": "detect"}))
        assert train("--check-data") == 2
        assert "holds a run of `detect`" in one_line(capsys)
        assert [path.name for path in Path("out").iterdir()] == ["run.json"]

    def test_what_validates_is_counted_too_and_an_old_list_goes(
        self, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        make_voc(tiny_folder / "voc", ("dog", (10, 10, 100, 100)), ("cat", (300, 10, 400, 100)))
        make_voc(tiny_folder / "judge", *[("cow", (10, 10, 60, 60))] * 3, first=7)
        sets = ("--data", "[{kind: voc, path: voc}]", "--validation.data", "[{kind: voc, path: judge}]")
        assert train(*sets, "--validation.held_back", "0", "--validation.images", "3", "--check-data") == 3
        said = capsys.readouterr().out
        assert "validation: judge" in said
        assert said.endswith("3 images held back with 3 objects of 1 classes\n")
        report = json.loads(Path("out", "data", "report.json").read_text())
        assert [report["images"], report["validation"]["images"]] == [2, 3]
        assert Path("out", "data", "problems.txt").exists()
        shutil.rmtree("voc")
        make_voc(tiny_folder / "voc", ("dog", (10, 10, 100, 100)), ("cat", (10, 10, 100, 100)))
        assert train(*sets, "--validation.held_back", "0", "--check-data") == 0
        assert not Path("out", "data", "problems.txt").exists()

    def test_lists_all_that_is_wrong(self, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        make_voc(
            tiny_folder / "voc",
            ("dog", (10, 10, 100, 100)),
            ("gryphon", (10, 10, 100, 100)),
            ("cat", (300, 10, 400, 100)),
            ("cow", (10, 10, 60, 60)),
            ("bird", (10, 10, 60, 60)),
        )
        (tiny_folder / "voc/JPEGImages/3.png").write_bytes(b"")
        (tiny_folder / "voc/JPEGImages/4.png").unlink()
        (tiny_folder / "voc/Annotations/5.xml").write_text("<annotation>")
        assert train("--data", "[{kind: voc, path: voc}]", "--validation.held_back", "0", "--check-data") == 3
        listing = Path("out", "data", "problems.txt").read_text()
        for what in ("unmapped: ", "outside: ", "image: ", "annotation: ", "gryphon", "JPEGImages/4", "3.png", "5.xml"):
            assert what in listing, what
        report = json.loads(Path("out", "data", "report.json").read_text())
        assert report["classes_with_boxes"] >= 2
        assert "5 problems in all" in capsys.readouterr().err
        assert not Path("out", "run.json").exists()

    def test_a_number_of_pictures_needs_no_quotes(self) -> None:
        assert train("--data", "[{kind: generated, path: 9}]", "--check-data") == 0
        assert len(list(Path("out", "data", "generated").glob("*.png"))) == 9

    def test_a_sound_data_set(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert train("--check-data") == 0
        said = capsys.readouterr().out
        assert "images to train on" in said
        assert "5 of 5 classes have boxes" in said


def files_of(out: Path) -> dict[str, bytes]:
    """All of a run's, but what is known of its data and the proposals, which only grow."""
    files = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith(("data/", "proposals/"))}


def make_voc(tree: Path, *objects: tuple[str, tuple[int, int, int, int]], first: int = 0) -> None:
    """A VOC tree with one image an object, named `first` and on; the images differ."""
    import cv2
    import numpy as np

    (tree / "Annotations").mkdir(parents=True)
    (tree / "JPEGImages").mkdir()
    for number, (name, box) in enumerate(objects, start=first):
        (tree / f"Annotations/{number}.xml").write_text(VOC.format(name=name, box=box))
        image = np.random.default_rng(number).integers(0, 255, (240, 320, 3)).astype(np.uint8)
        cv2.imwrite(str(tree / f"JPEGImages/{number}.png"), image)
