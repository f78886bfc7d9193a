"""The copy of a model that does not know how well boxes fit: the same in all else."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from region_fit import without_fit

from detect.model_file import build_network, bvlc_info, load_model, save_model


def test_all_else_is_the_same(tmp_path: Path) -> None:
    info = dataclasses.replace(bvlc_info(), box_regression="cells", fit=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_model(tmp_path / "with.safetensors", info, build_network(info).state_dict())
    given = load_model(tmp_path / "with.safetensors")
    plain = load_model(without_fit(tmp_path / "with.safetensors", tmp_path / "without.safetensors"))
    assert plain.info == dataclasses.replace(given.info, fit=False)
    assert plain.network.region_fit is None
    state = given.network.state_dict()
    assert all(torch.equal(one, state[name]) for name, one in plain.network.state_dict().items())
    with pytest.raises(ValueError, match="expected a model that knows how well boxes fit"):
        without_fit(tmp_path / "without.safetensors", tmp_path / "x.safetensors")
