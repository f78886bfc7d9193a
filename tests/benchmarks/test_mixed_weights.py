"""A model between two others."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest
import torch
from mixed_weights import main, mixed

from detect.class_tables import DetectionClass
from detect.model_file import Model, build_network, bvlc_info, load_model, save_model


def saved(path: Path, seed: int, *, fit: bool = False, regression: bool = True) -> Model:
    info = bvlc_info()
    if regression:
        info = dataclasses.replace(info, box_regression="cells", fit=fit, regions=("shared",), short_sides=(224,))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        save_model(path, info, build_network(info).state_dict(), dtype=torch.float16)
    return load_model(path)


def test_a_share_of_the_other_in_float32(tmp_path: Path) -> None:
    first, second = (saved(tmp_path / f"{seed}.safetensors", seed) for seed in (1, 2))
    before = {name: value.clone() for name, value in first.network.state_dict().items()}
    state = mixed(first, second, 0.25)
    other = second.network.state_dict()
    assert state.keys() == before.keys()
    for name, value in state.items():
        torch.testing.assert_close(value, 0.75 * before[name].float() + 0.25 * other[name].float())
        assert torch.equal(first.network.state_dict()[name], before[name]), "the models stay as they are"
    assert any(not torch.equal(value, value.half().float()) for value in state.values()), "not rounded again"
    assert all(torch.equal(value, before[name]) for name, value in mixed(first, second, 0).items())
    assert all(torch.equal(value, other[name]) for name, value in mixed(first, second, 1).items())


def test_heads_for_boxes_that_the_other_lacks_stay(tmp_path: Path) -> None:
    first = saved(tmp_path / "first.safetensors", 1, fit=True)
    second = saved(tmp_path / "second.safetensors", 2)
    state = mixed(first, second, 0.5)
    own = first.network.state_dict()
    fit = [name for name in state if name.startswith("region_fit.")]
    assert fit
    assert all(torch.equal(state[name], own[name]) for name in fit)
    assert not torch.equal(state["box_regressor.hidden.weight"], own["box_regressor.hidden.weight"])
    assert mixed(second, first, 0.5).keys() == second.network.state_dict().keys()


def test_what_cannot_be_mixed_is_refused(tmp_path: Path) -> None:
    model = saved(tmp_path / "one.safetensors", 1)
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"share: expected a number in \[0, 1\]"):
            mixed(model, model, share)
    few = dataclasses.replace(bvlc_info(), num_outputs=4, classes=(DetectionClass("", "thing", (0,)),))
    other = dataclasses.replace(model, network=build_network(few))
    with pytest.raises(ValueError, match="one architecture and the same classes"):
        mixed(model, dataclasses.replace(other, info=few), 0.5)
    with pytest.raises(ValueError, match=r"classifier.*expected \(1000,.*got \(4,"):
        mixed(model, other, 0.5)
    with pytest.raises(ValueError, match="expected it in both, got it in one"):
        mixed(model, dataclasses.replace(model, network=torch.nn.Linear(2, 2)), 0.5)


def test_the_file_is_a_model_and_none_is_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in (1, 2):
        saved(tmp_path / f"{seed}.safetensors", seed, fit=True)
    out = tmp_path / "mixed.safetensors"
    models = ["--model", str(tmp_path / "1.safetensors"), "--other", str(tmp_path / "2.safetensors")]
    monkeypatch.setattr(sys, "argv", ["mixed_weights.py", *models, "--out", str(out)])
    main()
    assert load_model(out).info == load_model(tmp_path / "1.safetensors").info
    before = out.read_bytes()
    with pytest.raises(SystemExit):
        main()
    assert "is there already" in capsys.readouterr().err
    assert out.read_bytes() == before
