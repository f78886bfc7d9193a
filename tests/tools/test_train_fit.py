"""`googlenet-rcnn train classifier` that learns how well boxes fit: beside all else, and by itself. A few steps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_voc import write_small_voc
from tiny_runs import tiny_config
from training_outputs import described, one_line, weights

from detect.model_file import load_model
from detect.training.training_logs import read_metrics
from tools.cli import main

LEARNT = {
    "head": "{kind: marginal, box_regression: cells, fit: true, auxiliary: 0.0, carry_over: 0}",
    "optimisation": "{steps: 2, frozen: 4e, warm_up: 1, averaging: 0.5, precision: fp32, clip: null}",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, random_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_small_voc(tmp_path / "voc", tmp_path / "store")
    for regions in ("shared", "warp"):
        Path(f"{regions}.yaml").write_text(tiny_config(random_model, tmp_path, regions=regions, **LEARNT))
    return tmp_path


def train(out: str, *more: str, regions: str = "shared") -> int:
    return main(["train", "classifier", "--config", f"{regions}.yaml", "--out", out, *more])


def changed(one: str, other: str) -> set[str]:
    """Modules of the second run's model whose weights are others than the first's."""
    ours, theirs = weights(Path(one)), weights(Path(other))
    return {name.split(".")[0] for name in theirs if not torch.equal(ours[name], theirs[name])}


def losses(out: str) -> list[float]:
    return [row["fit_loss"] for row in read_metrics(Path(out, "logs", "metrics.csv"))]


def test_it_is_learnt_beside_all_else_which_it_does_not_change() -> None:
    """But through the norm of the gradient, which is not clipped here."""
    assert train("out") == 0
    assert load_model(Path("out/model.safetensors")).info.fit
    assert all(one > 0 for one in losses("out"))
    assert weights(Path("out"))["region_fit.output.weight"].any()
    assert described(Path("out"))["settings"]["head"]["fit"] is True

    assert train("without", "--head.fit", "false") == 0
    assert changed("out", "without") == set()
    told = described(Path("without"))["settings"]
    assert "fit" not in told["head"], "as of runs from before there was any"
    assert "fit_iou" not in told["sampling"]
    assert losses("without") == [0, 0]


@pytest.mark.parametrize("regions", ["shared", "warp"])
def test_by_itself_after_a_run_and_an_interrupted_run_ends_alike(regions: str) -> None:
    assert train("first", "--head.fit", "false", regions=regions) == 0
    alone = ("--model", "first/model.safetensors", "--optimisation.frozen", "all")
    assert train("second", *alone, regions=regions) == 0
    assert changed("second", "first") == set()
    assert weights(Path("second"))["region_fit.output.weight"].any()
    Path("second/checkpoints/step-000002.ckpt").unlink()
    whole = Path("second/model.safetensors").rename("whole.safetensors")
    assert train("second", *alone, "--resume", regions=regions) == 0
    assert Path("second/model.safetensors").read_bytes() == whole.read_bytes()

    assert train("third", "--model", "second/model.safetensors", "--optimisation.steps", "1", regions=regions) == 0
    assert changed("third", "second") >= {"region_fit", "classifier"}, "it is learnt further"


@pytest.mark.parametrize("regions", ["shared", "warp"])
def test_with_box_regression_alone_it_ends_alike_too(regions: str) -> None:
    heads = {"region_fit", "box_regressor"}
    boxes = ("--optimisation.frozen", "classifier", "--sampling.regression_iou", "0.3")
    assert train("first", "--head.fit", "false", "--head.box_regression", "none", regions=regions) == 0
    assert train("second", "--model", "first/model.safetensors", *boxes, regions=regions) == 0
    assert changed("second", "first") == set()
    assert all(weights(Path("second"))[f"{head}.output.weight"].any() for head in heads), "both begin here"
    on = ("--model", "second/model.safetensors", *boxes)
    assert train("third", *on, regions=regions) == 0
    assert changed("third", "second") == heads
    Path("third/checkpoints/step-000002.ckpt").unlink()
    whole = Path("third/model.safetensors").rename("whole.safetensors")
    assert train("third", *on, "--resume", regions=regions) == 0
    assert Path("third/model.safetensors").read_bytes() == whole.read_bytes()


def test_a_share_of_the_start_leaves_out_what_began_without_an_opinion() -> None:
    once = ("--optimisation.steps", "1")
    assert train("out", *once) == 0
    assert train("mixed", *once, "--start_share", "0.5") == 0
    assert "region_fit" not in changed("out", "mixed")
    assert "classifier" in changed("out", "mixed")
    on = (*once, "--model", "out/model.safetensors")
    assert train("next", *on) == 0
    assert train("next_mixed", *on, "--start_share", "0.5") == 0
    assert "region_fit" in changed("next", "next_mixed"), "now there is something to share"


def test_a_head_of_other_classes_is_not_left_at_random(capsys: pytest.CaptureFixture[str]) -> None:
    softmax = ("--head.kind", "softmax")
    assert train("first", *softmax, "--class_space", "own") == 0
    on = (*softmax, "--model", "first/model.safetensors", "--optimisation.frozen", "classifier")
    assert train("second", *on, "--class_space", "own") == 0
    assert changed("second", "first") == {"region_fit", "box_regressor"}
    assert train("third", *on) == 2
    assert "expected with classifier the model's classes, got data of others" in one_line(capsys)


def test_what_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("out", "--optimisation.frozen", "all", "--head.fit", "false") == 2
    assert "optimisation.frozen: expected with all head.fit, which alone learns then" in one_line(capsys)
    for more, got in ((("--model", "null"), "model None"), (("--head.start", "random"), "start random")):
        assert train("out", "--optimisation.frozen", "all", *more) == 2
        assert got in one_line(capsys)
    assert train("out", "--optimisation.frozen", "all") == 2
    boxes = "expected with all head.box_regression none, as the model, which does not learn, got cells"
    assert boxes in one_line(capsys), "the box regressor would start anew, and stay that way"
    for frozen in ("all", "classifier"):
        assert train("out", "--optimisation.frozen", frozen, "--head.kind", "softmax") == 2
        assert f"expected with {frozen} head.kind marginal, as the model, got softmax" in one_line(capsys)
        assert train("out", "--optimisation.frozen", frozen, "--distillation.weight", "1") == 2
        assert f"distillation.weight: expected 0 with optimisation.frozen {frozen}" in one_line(capsys)
    nothing = ("--head.fit", "false", "--head.box_regression", "none")
    assert train("out", "--optimisation.frozen", "classifier", *nothing) == 2
    assert "expected with classifier head.fit or head.box_regression, a model" in one_line(capsys)
    assert train("out", "--optimisation.frozen", "classifier", "--head.box_weight", "0") == 2
    assert "head.box_weight: expected above 0 with optimisation.frozen classifier" in one_line(capsys), "it would decay"
    assert train("out", "--head.box_regression", "per_class") == 2
    assert "head.fit: expected false with box_regression per_class" in one_line(capsys)
    assert train("out", "--sampling.fit_iou", "1.5") == 2
    assert "sampling.fit_iou" in one_line(capsys)
    assert not Path("out/model.safetensors").exists()
