"""`googlenet-rcnn evaluate classification`: real networks that have learnt nothing, on a small input."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from annotation_trees import write_annotation
from odd_images import encode

from detect.class_tables import DetectionClass, ilsvrc_classification_classes
from detect.googlenet import GoogLeNet
from detect.image_classification import ClassifiedImage
from detect.model_file import bvlc_info, load_model, save_model
from tools.cli import main

CLASSES = tuple(DetectionClass(f"n{i}", name, (i,)) for i, name in enumerate(("ant", "bee", "cat")))
SMALL = ["--size", "32", "--workers", "1", "--device", "cpu", "--precision", "fp32"]


def save_small(path: Path, *, seed: int, classes: tuple[DetectionClass, ...] = CLASSES) -> None:
    """A network with an output for each of a few classes."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = GoogLeNet(len(classes))
    info = dataclasses.replace(
        bvlc_info(), name=path.stem, num_outputs=len(classes), classes=classes, background_logit=None
    )
    save_model(path, info, network.state_dict())


def picture(seed: int) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return encode(coarse.repeat(12, 0).repeat(12, 1), "PNG")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models a and b of three classes, c of two."""
    folder = tmp_path_factory.mktemp("models")
    save_small(folder / "a.safetensors", seed=0)
    save_small(folder / "b.safetensors", seed=1)
    save_small(folder / "c.safetensors", seed=2, classes=CLASSES[:2])
    return folder


@pytest.fixture(autouse=True)
def here(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs in a folder with the models and five photos of three classes."""
    monkeypatch.chdir(tmp_path)
    for model in models.iterdir():
        Path(model.name).symlink_to(model)
    for seed, name in enumerate(("n0/1.png", "bee/2.png", "bee/3.png", "Cat/4.png", "Cat/5.png")):
        Path("photos", name).parent.mkdir(parents=True, exist_ok=True)
        Path("photos", name).write_bytes(picture(seed))


def evaluate(out: str, *options: str, images: str = "photos", models: str = "a") -> int:
    chosen = [part for model in models for part in ("--model", f"{model}.safetensors")]
    return main(["evaluate", "classification", "--images", images, "--out", out, *chosen, *SMALL, *options])


def metrics(out: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(out, "metrics.json").read_bytes())
    return content


def predictions(out: str) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(out, "predictions.csv").read_text().splitlines()))


def files(out: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(out).iterdir()}


def refused(capsys: pytest.CaptureFixture[str], *options: str, images: str = "photos", models: str = "a") -> str:
    """The one line of a command that exits with status 2 before it makes its folder."""
    assert evaluate("nothing", *options, images=images, models=models) == 2
    assert not Path("nothing").exists()
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    return output.err.removeprefix("googlenet-rcnn: ")


def test_it_prints_a_table_and_writes_metrics_and_predictions(capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("out") == 0
    output = capsys.readouterr()
    found = metrics("out")
    lines = output.out.splitlines()
    assert lines[0] == "5 images of 3 of 3 classes, 1 crop, a"
    assert lines[2].split() == ["top-1", f"{100 * found['top1']:.2f}", f"{100 * found['top1_error']:.2f}"]
    assert lines[3].split() == ["top-5", "100.00", "0.00"]
    assert output.err.splitlines()[-1].startswith("5/5 images, ")
    assert set(files("out")) == {"metrics.json", "predictions.csv", "predictions.jsonl", "run.json"}
    rows = predictions("out")
    assert [(row["image"], row["label"], row["class"]) for row in rows] == [
        ("Cat/4.png", "2", "cat"),
        ("Cat/5.png", "2", "cat"),
        ("bee/2.png", "1", "bee"),
        ("bee/3.png", "1", "bee"),
        ("n0/1.png", "0", "ant"),
    ]
    assert found["top1"] == sum(row["label_1"] == row["label"] for row in rows) / 5
    for row in rows:
        probs = [float(row[f"prob_{rank}"]) for rank in (1, 2, 3)]
        assert probs == sorted(probs, reverse=True)
        assert sum(probs) == pytest.approx(1)
    sha256 = load_model(Path("a.safetensors")).sha256
    assert found["models"] == [{"name": "a", "file": "a.safetensors", "sha256": sha256}]
    assert (found["crops"], found["num_images"], found["images_to_choose_from"]) == (1, 5, 5)
    assert [one["num_images"] for one in found["per_class"]] == [1, 2, 2]
    assert found["protocol"].startswith("GoogLeNet, section 7")
    assert json.loads(Path("out/run.json").read_bytes())["status"] == "finished"


def test_144_crops(capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("out", "--crops", "144", "--limit", "1") == 0
    assert capsys.readouterr().out.splitlines()[0] == "1 images of 1 of 3 classes, 144 crops, a"
    assert metrics("out")["crops"] == 144


def test_models_are_averaged(capsys: pytest.CaptureFixture[str]) -> None:
    some = ["--crops", "10", "--limit", "2"]
    for models in ("a", "b", "ab"):
        assert evaluate(models, *some, models=models) == 0
    assert capsys.readouterr().out.splitlines()[-6] == "2 images of 2 of 3 classes, 10 crops, a, b"
    by_class = []
    for models in ("a", "b", "ab"):
        rows = predictions(models)
        assert [row["image"] for row in rows] == ["Cat/4.png", "bee/2.png"], "⌊i · 5 / 2⌋ = 0, 2"
        by_class.append([{row[f"class_{rank}"]: float(row[f"prob_{rank}"]) for rank in (1, 2, 3)} for row in rows])
    for a, b, both in zip(*by_class, strict=True):
        assert a != pytest.approx(b, abs=1e-4)
        assert both == pytest.approx({name: (a[name] + b[name]) / 2 for name in a}, abs=1e-6)
    assert [one["name"] for one in metrics("ab")["models"]] == ["a", "b"]
    assert metrics("ab")["images_to_choose_from"] == 5


def test_bad_images_are_recorded_and_do_not_end_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("good") == 0
    Path("photos/bee/25.png").write_bytes(picture(0)[:200])
    Path("photos/Cat/0.jpg").write_bytes(b"")
    assert evaluate("out") == 3
    assert capsys.readouterr().err.endswith(
        "googlenet-rcnn: 2 of 7 images failed, and count neither way; out/metrics.json says why\n"
    )
    found = metrics("out")
    assert (found["num_images"], found["num_unreadable"], found["top1"]) == (5, 2, metrics("good")["top1"])
    assert [one["image"] for one in found["unreadable"]] == ["Cat/0.jpg", "bee/25.png"]
    assert found["unreadable"][0]["error"] == "the file is empty (0 bytes)"
    assert len(predictions("out")) == 5


def test_an_ilsvrc_tree_and_a_network_of_1000(random_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second image has no annotation."""
    wnid = ilsvrc_classification_classes()[7].wnid
    for i in range(2):
        Path("tree/Data/CLS-LOC/val").mkdir(parents=True, exist_ok=True)
        Path(f"tree/Data/CLS-LOC/val/{i}.JPEG").write_bytes(picture(i))
    write_annotation(Path("tree/Annotations/CLS-LOC/val/0.xml"), [(wnid, (0, 0, 3, 3))] * 2)
    assert evaluate("out", "--model", str(random_model), images="tree", models="") == 3
    assert metrics("out")["per_class"][0]["label"] == 7
    assert metrics("out")["unreadable"][0]["error"].endswith("1.xml: no such file")
    assert len(predictions("out")) == 1
    assert "1 images of 1 of 1000 classes, 1 crop, random" in capsys.readouterr().out


def test_a_detector_is_asked_without_its_background(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a softmax head as with the network that it was made of: the background output is left out."""
    model = load_model(Path("a.safetensors"))
    state = model.network.state_dict()
    state["classifier.weight"] = torch.cat([state["classifier.weight"], torch.zeros(1, 1024)])
    state["classifier.bias"] = torch.cat([state["classifier.bias"], torch.tensor([9.0])])
    save_model(Path("d.safetensors"), dataclasses.replace(model.info, num_outputs=4, head="softmax"), state)
    assert evaluate("network") == evaluate("detector", models="d") == 0
    assert files("network")["predictions.csv"] == files("detector")["predictions.csv"]


# Again and on


def test_results_are_replaced_when_asked_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("out") == 0
    before = files("out")
    assert evaluate("out") == 2
    assert "--out out already holds a run: give --resume to continue it, or --overwrite" in capsys.readouterr().err
    assert files("out") == before
    assert evaluate("out", "--limit", "1", "--resume") == 2
    assert "out was made otherwise: limit was None, is 1" in capsys.readouterr().err
    assert evaluate("out", "--limit", "1", "--overwrite") == 0
    assert metrics("out")["num_images"] == 1
    assert evaluate("out", "--limit", "1", "--resume") == 0, "nothing is left to do"
    Path("mine").mkdir()
    Path("mine/metrics.json").write_text("{}")
    assert evaluate("mine", "--overwrite") == 2
    assert "metrics.json is there already, and no run wrote it" in capsys.readouterr().err
    assert Path("mine/metrics.json").read_text() == "{}"


@pytest.mark.parametrize("done", [0, 1, 4])
def test_an_interrupted_run_goes_on_to_the_same_files(
    done: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    batches = ["--batch-size", "2"]
    assert evaluate("whole", *batches) == 0

    with monkeypatch.context() as patch:
        from detect import classification_metrics

        record, left = classification_metrics.classification_record, done

        def interrupted(image: ClassifiedImage, label: int | None) -> dict[str, Any]:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGTERM)
            return record(image, label)

        patch.setattr(classification_metrics, "classification_record", interrupted)
        assert evaluate("out", *batches) == 1
    assert "interrupted" in capsys.readouterr().err.splitlines()[-1]
    assert not Path("out/metrics.json").exists()
    assert evaluate("out", *batches, "--resume") == 0
    assert files("out") == files("whole")


# What is refused


def test_wrong_usage_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for options, message in [
        (["--crops", "12"], "crops: expected 1, 10, 144, got 12"),
        (["--limit", "0"], "--limit: expected at least 1, got 0"),
        (["--size", "0"], "--size: expected at least 1, got 0"),
        (["--batch-size", "0"], "--batch-size: expected at least 1, got 0"),
        (["--workers", "0"], "--workers: expected at least 1, got 0"),
        (["--device", "gpu"], "device: expected auto, cpu, cuda or cuda:NUMBER, got 'gpu'"),
        (["--precision", "fp16"], "precision: expected auto, fp32 or bf16, got 'fp16'"),
        (["--model", "det20"], "no model file det20 and no model named det20 (did you mean det200?)"),
        (["--resume", "--overwrite"], "--resume and --overwrite: expected one of them, got both"),
        (["--limits", "3"], "(did you mean --limit?)"),
    ]:
        assert message in refused(capsys, *options)
    assert main(["evaluate", "classification", "--out", "x"]) == 2
    assert "googlenet-rcnn evaluate classification --help" in capsys.readouterr().err


def test_models_and_folders_that_do_not_fit_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert "models a.safetensors and c.safetensors: expected the same classes" in refused(capsys, models="ac")
    assert "expected each model once" in refused(capsys, models="aa")
    assert "--images: photos/Cat: no class 'Cat' among the 2 of the network" in refused(capsys, models="c")
    assert "--images: no such folder: nowhere" in refused(capsys, images="nowhere")
    Path("photos/ant").mkdir()
    assert "expected pictures in every class folder, found none in photos/ant" in refused(capsys)
    assert main(["evaluate", "classification", "--images", "photos", "--out", "", "--model", "a.safetensors"]) == 2
    assert "--out: expected a folder, got nothing" in capsys.readouterr().err


@pytest.mark.shared
def test_real_weights_name_real_photos(shared_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Six photos, evenly spaced, by one crop and ten; the probabilities of ten are of the same kind."""
    weights = str(shared_folder / "weights" / "bvlc_googlenet.safetensors")
    images = str(shared_folder / "images" / "ilsvrc_loc")
    for crops in ("1", "10"):
        options = ["--images", images, "--model", weights, "--crops", crops, "--limit", "6", "--precision", "fp32"]
        assert main(["evaluate", "classification", "--out", crops, *options]) == 0
        assert metrics(crops)["top5"] >= 5 / 6
        assert metrics(crops)["num_images"] == 6
        assert metrics(crops)["images_to_choose_from"] == 717
