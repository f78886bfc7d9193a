"""`googlenet-rcnn train classifier` with a teacher, boxes from cells, and what `detect` is told: a few steps."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from small_voc import write_small_voc
from tiny_runs import tiny_config
from training_outputs import described, one_line, weights

from detect.class_tables import ilsvrc_detection_classes
from detect.model_file import build_network, bvlc_info, file_sha256, load_model, save_model
from detect.model_info import ProposalSetting
from detect.training.class_maps_cls import KINDRED, with_kindred
from detect.training.training_logs import read_metrics
from tools.cli import main

LEARNT = {
    "distillation": "{weight: 1.0, regions: 3}",
    "detection": "{method: both, limit: 7, kindred: true}",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, random_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_small_voc(tmp_path / "voc", tmp_path / "store")
    Path("tiny.yaml").write_text(tiny_config(random_model, tmp_path, **LEARNT))
    return tmp_path


def train(out: str, *more: str) -> int:
    return main(["train", "classifier", "--config", "tiny.yaml", "--out", out, *more])


def taught(out: str) -> list[float]:
    return [row["distillation_loss"] for row in read_metrics(Path(out, "logs", "metrics.csv"))]


@pytest.mark.slow
def test_the_answers_are_learnt_and_an_interrupted_run_ends_alike(random_model: Path) -> None:
    assert train("out") == 0
    info = load_model(Path("out/model.safetensors")).info
    assert (info.box_regression, info.head) == ("cells", "marginal")
    assert info.proposals == ProposalSetting(method="both", mode="balanced", superpixel_scale=2.0, limit=7)
    assert "store" not in info.provenance.config, "a file that travels names no folder of this machine"
    members = {one.name: one.members for one in info.classes}
    official = {one.name: one.members for one in ilsvrc_detection_classes()}
    assert {name for name in members if members[name] != official[name]} == set(KINDRED)
    assert all(members[name] == tuple(sorted({*official[name], *KINDRED[name]})) for name in KINDRED)
    assert len(taught("out")) == 2
    assert all(one > 0 for one in taught("out"))
    assert described(Path("out"))["settings"]["distillation"] == {"weight": 1.0, "regions": 3, "temperature": 2.0}

    assert train("alone", "--distillation.weight", "0") == 0
    assert taught("alone") == [0, 0]
    assert "distillation" not in described(Path("alone"))["settings"], "as of runs from before there was any"
    ours, alone = (weights(Path(one))["classifier.weight"] for one in ("out", "alone"))
    assert not torch.equal(ours, alone)

    teacher, given = Path("teacher.safetensors"), load_model(random_model)
    state = given.network.state_dict()
    save_model(teacher, given.info, {**state, "classifier.weight": state["classifier.weight"].flip(0)})
    assert train("other", "--distillation.teacher", str(teacher), "--optimisation.steps", "1") == 0
    told = described(Path("other"))
    assert told["settings"]["distillation"]["teacher"] == file_sha256(teacher)
    assert told["config"]["distillation"]["teacher"] == str(teacher.absolute())
    assert taught("other")[0] != taught("out")[0]

    Path("out/checkpoints/step-000002.ckpt").unlink()
    Path("out/model.safetensors").rename("first.safetensors")
    assert train("out", "--resume") == 0
    assert Path("out/model.safetensors").read_bytes() == Path("first.safetensors").read_bytes()


def test_a_learner_that_is_its_teacher_has_nothing_to_learn_from_it() -> None:
    """On warped regions that are neither mirrored nor distorted, the first step's answers are the network's own."""
    plain = ("--head.dropout", "0", "--sampling.flip", "false", "--sampling.photometric", "0", "--regions", "warp")
    once = ("--optimisation.steps", "1")
    assert train("same", *plain, *once) == 0
    assert taught("same")[0] == pytest.approx(0, abs=1e-6)
    assert train("dropped", *plain[2:], *once) == 0
    assert taught("dropped")[0] > 1e-4


def test_what_people_wear_and_pictures_of_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, random_model: Path
) -> None:
    """And what is refused of them."""
    data = f"[{{kind: voc, path: {tmp_path / 'voc'}}}, {{kind: empty, path: 3}}]"
    once = ("--optimisation.steps", "1", "--data", data, "--head.kindred", "true")
    assert train("out", *once, "--head.common", "[person, car]") == 0
    assert len(list(Path("out/data/empty").glob("*.png"))) == 3
    model = load_model(Path("out/model.safetensors"))
    assert model.info.classes == with_kindred(ilsvrc_detection_classes(), worn=True)
    assert "images of voc + empty" in model.info.provenance.data
    told = described(Path("out"))["settings"]["head"]
    assert (told["kindred"], told["common"]) == (True, ["person", "car"])
    end, start = weights(Path("out")), load_model(random_model).network.state_dict()
    assert train("out", *once, "--head.common", "[person, car]", "--resume", "--start_share", "0.25") == 0
    kept = weights(Path("out"))["inception_5a.conv1x1.weight"].float()
    name = "inception_5a.conv1x1.weight"
    expected = 0.75 * end[name].float() + 0.25 * start[name]
    torch.testing.assert_close(kept, expected, atol=1e-3, rtol=1e-2)
    assert not torch.equal(kept, end[name].float())
    assert '"start_share": 0.25' in load_model(Path("out/model.safetensors")).info.provenance.config
    assert train("next", *once, "--model", "out/model.safetensors", "--distillation.teacher", "x.safetensors") == 2
    assert "x.safetensors" in one_line(capsys)
    assert train("out", *once, "--overwrite", "--head.common", "[persons]") == 2
    assert "head.common: no class 'persons' among the 200 of the network (did you mean person?)" in one_line(capsys)
    assert train("out", *once, "--overwrite", "--data", "[{kind: empty, path: none}]") == 2
    assert "expected a number of images to draw from 1 on for empty, got 'none'" in one_line(capsys)


def test_what_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for more in (("--model", "null"), ("--head.kind", "softmax")):
        assert train("out", *more) == 2
        assert "distillation.weight: expected 0 without a model to start from" in one_line(capsys)
    info = dataclasses.replace(bvlc_info(), num_outputs=999, classes=bvlc_info().classes[:1])
    save_model(Path("999.safetensors"), info, build_network(info).state_dict())
    assert train("out", "--distillation.teacher", "999.safetensors") == 2
    assert "distillation.teacher: expected 1000 classification outputs, as of model, got 999" in one_line(capsys)
    assert train("out", "--distillation.weight", "0", "--distillation.teacher", "x.safetensors") == 2
    assert "distillation.teacher: expected a weight above 0 with it, got 0" in one_line(capsys)
    assert train("out", "--detection.method", "guess") == 2
    assert "--detection.method: expected one of" in one_line(capsys)
    assert not Path("out/model.safetensors").exists()


@pytest.mark.slow
def test_classes_that_count_others_are_not_compared_with_those_that_do_not(capsys: pytest.CaptureFixture[str]) -> None:
    """`detection` may change when a run goes on; what was measured before the first step then was something else."""
    more = ("--optimisation.steps", "1", "--validation.every", "1", "--validation.held_back", "0.3")
    assert train("out", *more) == 0
    assert described(Path("out"))["figures"]["mAP_before"] is not None
    capsys.readouterr()
    assert train("out", *more, "--resume", "--detection.kindred", "false") == 0
    assert "other images or settings than at the first step: no figures from before" in capsys.readouterr().err
    assert described(Path("out"))["figures"]["mAP_before"] is None
