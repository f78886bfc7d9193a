"""`googlenet-rcnn propose` with MultiBox, alone and beside selective search, with a real network of random weights."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from odd_images import encode
from proposed_files import all_but_times
from random_model import save_random_model
from random_multibox import CALIBRATION, random_network, save_random_multibox
from run_files import description, records
from run_files import refused as refused_line
from safetensors.torch import save

from detect.multibox_file import HEADER, build_multibox, file_sha256, load_multibox
from detect.torch_threads import one_torch_thread
from proposals import Proposals, selective_search
from proposals.merged_proposals import UNCALIBRATED, MergeCalibration, merge
from proposals.multibox import MultiBox, MultiBoxSettings
from proposals.proposal_files import read_proposals
from tools.cli import main

pytestmark = pytest.mark.usefixtures("here")

SMALL = ("--device", "cpu", "--mode", "single", "--search-width", "60", "--min-side", "4")
METHODS = ("multibox", "both")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_multibox(tmp_path_factory.mktemp("model") / "model.safetensors")


def picture(i: int) -> NDArray[np.uint8]:
    """Coarse noise, which has something to find; of another width each."""
    coarse = np.random.default_rng(i).integers(0, 256, (4, 6 + i, 3), dtype=np.uint8)
    return coarse.repeat(10, 0).repeat(10, 1)


def make_photos(count: int, broken: int | None = None) -> None:
    Path("photos/sub").mkdir(parents=True)
    for i in range(count):
        content = encode(picture(i), "PNG")
        Path("photos/sub", f"{i}.png").write_bytes(content[: len(content) // 2] if i == broken else content)


def propose(model: Path, method: str, out: str, *options: str) -> int:
    return main(["propose", "photos", "--out", out, "--method", method, "--multibox", str(model), *SMALL, *options])


def found_in(out: str, i: int) -> Proposals:
    return read_proposals(Path(out, f"sub/{i}.png.npz"))[0]


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    capsys.readouterr()
    return refused_line(capsys, "propose", "photos", "--out", "out", *argv)


# What comes out


def test_multibox_alone(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_photos(2)
    assert propose(model, "multibox", "out", "--multibox-limit", "9") == 0
    assert capsys.readouterr().out == "2 images, 18 proposals in out\n"
    with one_torch_thread():
        multibox = build_multibox(model, device="cpu", settings=MultiBoxSettings(limit=9))
        expected = [multibox(picture(i)) for i in range(2)]
    for i in range(2):
        np.testing.assert_array_equal(found_in("out", i).boxes, expected[i].boxes, strict=True)
        np.testing.assert_array_equal(found_in("out", i).scores, expected[i].scores, strict=True)
    assert expected[0].scores.tolist() != expected[1].scores.tolist(), "the network looks at the pictures"


def test_its_suppression_and_its_crops(model: Path) -> None:
    make_photos(1)
    options = ("--multibox-nms-iou", "0.5", "--multibox-crops", "5")
    assert propose(model, "multibox", "out", *options) == 0
    with one_torch_thread():
        expected = build_multibox(model, device="cpu", settings=MultiBoxSettings(nms_iou=0.5, crops=5))(picture(0))
    np.testing.assert_array_equal(found_in("out", 0).boxes, expected.boxes, strict=True)
    settings = description("out")["settings"]
    assert (settings["multibox_nms_iou"], settings["multibox_crops"]) == (0.5, 5)
    assert propose(model, "multibox", "default") == 0
    assert found_in("default", 0).boxes.tolist() != expected.boxes.tolist()


@pytest.mark.parametrize("given", [None, 1.0])
@pytest.mark.parametrize("calibration", [CALIBRATION, None])
def test_both_is_the_merged_list(
    tmp_path: Path, model: Path, given: float | None, calibration: MergeCalibration | None
) -> None:
    """Superpixels are enlarged by 2 unless another scale is given."""
    make_photos(1)
    if calibration is None:
        model = save_random_multibox(tmp_path / "x.safetensors", merge=None)
    options = () if given is None else ("--superpixel-scale", str(given))
    assert propose(model, "both", "out", *options) == 0
    image = picture(0)
    search = selective_search(image, "single", superpixel_scale=given or 2, search_width=60, min_side=4)
    with one_torch_thread():
        multibox = build_multibox(model, device="cpu")(image)
    expected = merge(search, multibox, calibration or UNCALIBRATED)
    np.testing.assert_array_equal(found_in("out", 0).boxes, expected.boxes, strict=True)
    np.testing.assert_array_equal(found_in("out", 0).scores, expected.scores, strict=True)
    assert len(expected) > max(len(search), len(multibox))


def test_the_limit_is_that_of_the_merged_list(model: Path) -> None:
    make_photos(1)
    assert propose(model, "both", "whole") == 0
    assert propose(model, "both", "out", "--limit", "7") == 0
    assert found_in("out", 0).boxes.tolist() == found_in("whole", 0).boxes[:7].tolist()


def test_run_json_names_the_model_and_what_decides_the_boxes(model: Path) -> None:
    make_photos(1)
    assert propose(model, "both", "out") == 0
    run, digest = description("out"), file_sha256(model)
    assert run["multibox"] == {"name": "random multibox", "file": str(model), "sha256": digest}
    settings = run["settings"]
    assert (settings["method"], settings["multibox_sha256"], settings["multibox_limit"]) == ("both", digest, 200)
    assert (settings["superpixel_scale"], settings["device"]) == (2.0, "cpu")
    assert settings["precision"] in ("float32", "bfloat16"), "what auto came to"
    assert settings["merge"] == dataclasses.asdict(CALIBRATION)
    assert {"torch", "torchvision", "numba"} < set(settings["versions"])
    assert propose(model, "multibox", "alone") == 0
    assert not {"merge", "mode", "superpixel_scale", "seed"} & set(description("alone")["settings"])


# Whole runs


@pytest.mark.parametrize("method", METHODS)
def test_a_broken_image_and_any_number_of_workers(model: Path, capsys: pytest.CaptureFixture[str], method: str) -> None:
    make_photos(6, broken=2)
    for workers in ("1", "3"):
        assert propose(model, method, workers, "--workers", workers) == 3
        assert f"1 of 6 images failed; {workers}/proposals.jsonl says why" in capsys.readouterr().err
    assert all_but_times("1") == all_but_times("3")
    assert [("error" in record) for record in records("1")] == [False, False, True, False, False, False]
    assert len(list(Path("1").rglob("*.npz"))) == 5


@pytest.mark.parametrize("method", METHODS)
def test_threads_left_over_for_one_image_change_nothing(model: Path, method: str) -> None:
    make_photos(1)
    for workers in ("1", "4"):
        assert propose(model, method, workers, "--workers", workers) == 0
    assert all_but_times("1") == all_but_times("4")


@pytest.mark.parametrize("method", METHODS)
def test_an_interrupted_run_and_resume(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    make_photos(7, broken=1)
    assert propose(model, method, "whole") == 3
    capsys.readouterr()

    def interrupting(self: MultiBox, image: NDArray[np.uint8]) -> Proposals:
        if image.shape[1] == picture(5).shape[1]:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, image)

    real = MultiBox.__call__
    with monkeypatch.context() as patch:
        patch.setattr(MultiBox, "__call__", interrupting)
        assert propose(model, method, "out", "--workers", "1") == 1
    assert "; continue with --resume" in capsys.readouterr().err
    assert 0 < len(records("out")) < 7
    assert propose(model, method, "out", "--resume", "--workers", "2") == 3
    assert all_but_times("out") == all_but_times("whole")


def test_shards_together_are_the_whole(model: Path) -> None:
    make_photos(3)
    assert propose(model, "both", "whole") == 0
    files = {name: content for name, content in all_but_times("whole").items() if name.endswith(".npz")}
    parts: dict[str, Any] = {}
    for i in (1, 2):
        assert propose(model, "both", f"part{i}", "--shard", f"{i}/2") == 0
        parts |= {name: content for name, content in all_but_times(f"part{i}").items() if name.endswith(".npz")}
    assert parts == files


def test_torch_has_its_threads_back_afterwards(model: Path) -> None:
    make_photos(1)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert propose(model, "multibox", "out") == 0
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        (("--multibox-limit", "5"), "multibox_limit was 200, is 5;"),
        (("--superpixel-scale", "1"), "superpixel_scale was 2.0, is 1.0;"),
        (("--multibox-nms-iou", "0.7"), "multibox_nms_iou was 0.8, is 0.7;"),
        (("--multibox-crops", "5"), "multibox_crops was 1, is 5;"),
        (("--method", "multibox"), "method was 'both', is 'multibox';"),
    ],
)
def test_resume_with_another_setting(
    model: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], difference: str
) -> None:
    make_photos(1)
    assert propose(model, "both", "out") == 0
    argv = ["--method", "both", "--multibox", str(model), *SMALL, "--resume", *options]
    assert difference.removesuffix(";") in refused(capsys, *argv)


def test_resume_with_another_model_and_with_the_same_elsewhere(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_photos(1)
    assert propose(model, "multibox", "out") == 0
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(model.read_bytes())
    assert propose(moved, "multibox", "out", "--resume") == 0
    other = save_random_multibox(tmp_path / "other.safetensors", seed=1)
    text = refused(capsys, "--method", "multibox", "--multibox", str(other), *SMALL, "--resume")
    assert f"multibox_sha256 was '{file_sha256(model)}', is '{file_sha256(other)}'" in text


# Models that cannot be used: one line, and nothing is made


def test_no_model_came_with_the_package(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, here: Path
) -> None:
    make_photos(1)
    monkeypatch.setattr("detect.model_zoo.resources.files", lambda package: here / package)
    for method in METHODS:
        text = refused(capsys, "--method", method)
        where = f"{here}/detect/models/multibox.safetensors, and is not: install again"
        assert text == f"--multibox: the model multibox should be installed at {where}\n"
    assert not Path("out").exists()


def test_models_of_other_kinds(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    make_photos(1)
    detector = save_random_model(Path("detector.safetensors"))
    Path("cut.safetensors").write_bytes(model.read_bytes()[:5000])
    for name, message in (
        ("gone.safetensors", "--multibox: no MultiBox model file gone.safetensors, and the only one with a name is"),
        ("photos", "--multibox: no MultiBox model file photos"),
        (str(detector), "--multibox: detector.safetensors: expected a MultiBox model, got a detector"),
        ("cut.safetensors", "--multibox: cut.safetensors: not a whole safetensors file"),
    ):
        assert message in refused(capsys, "--method", "multibox", "--multibox", name)
    assert not Path("out").exists()


def test_priors_and_weights_that_disagree(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    make_photos(1)
    state = random_network().state_dict()
    state["priors"] = state["priors"].flip(0)
    Path("x.safetensors").write_bytes(save(state, metadata={HEADER: load_multibox(model).info.to_json()}))
    text = refused(capsys, "--method", "both", "--multibox", "x.safetensors")
    assert text == "--multibox: x.safetensors: priors: expected those that the weights were trained with, got others\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_there_is_not(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    make_photos(1)
    text = refused(capsys, "--method", "both", "--multibox", str(model), "--device", "cuda")
    assert text.startswith("device: expected an NVIDIA GPU for cuda, torch sees none")


def test_selective_search_needs_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    make_photos(1)
    monkeypatch.setattr("detect.multibox_file.load_multibox", lambda path: pytest.fail("read a model"))
    assert main(["propose", "photos", "--out", "out", *SMALL]) == 0
    assert "multibox" not in description("out")
    assert description("out")["settings"]["superpixel_scale"] == 1.0
