"""The comparison of MultiBox's heads on kept maps: it trains, covers, and tells its rows apart."""

from __future__ import annotations

import dataclasses
import json
import sys

import multibox_ablations
import numpy as np
import pytest
import torch
from multibox_ablations import BUDGETS, VARIANTS
from multibox_maps import WHOLE, ViewMaker, head_coverage, train_head
from small_voc import write_small_voc

from configs.training import OptimisationConfig
from detect.googlenet import GoogLeNet
from detect.model_file import bvlc_info, load_model, save_model
from detect.model_info import Provenance
from detect.multibox_trunk import GoogLeNetTrunk
from detect.training.data_sets import read_data_set
from detect.training.multibox_validation import UNCERTAIN, CoverageResult, coverage
from proposals.multibox import MultiBox
from proposals.multibox_heads import HeadSetting
from proposals.multibox_loss import MultiBoxLoss
from proposals.multibox_network import MultiBoxNetwork
from proposals.multibox_priors import grid_priors


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    info = dataclasses.replace(bvlc_info(), name="random", provenance=Provenance("tests", "none", "MIT"))
    save_model(path, info, GoogLeNet(1000).state_dict())
    return path


@pytest.mark.slow
def test_kept_maps_give_what_the_whole_network_gives(tmp_path, model_file):
    photos, _ = read_data_set("voc", write_small_voc(tmp_path / "voc", tmp_path / "store"))
    model = load_model(model_file)
    maker = ViewMaker(model)
    views = maker.views(photos, WHOLE, 1, 0)
    assert views.map16.shape[1:] == (832, 14, 14)
    assert views.map32.shape[1:] == (1024, 7, 7)
    setting, priors, steps = HeadSetting("convolutional", 4, (7, 3, 1)), grid_priors((7, 3, 1)), 3
    settings = OptimisationConfig(steps=steps, warm_up=0)
    how = {"batch": 2, "seed": 0}
    data = views, np.arange(len(photos)), np.ones(len(photos), np.float32)
    head, losses = train_head(*data, setting, priors, MultiBoxLoss(), settings, **how)
    assert len(losses) == steps
    again, _ = train_head(*data, setting, priors, MultiBoxLoss(), settings, **how)
    assert all(torch.equal(one, other) for one, other in zip(head.parameters(), again.parameters(), strict=True))
    short = head_coverage(head, views, photos, 50, (10, 50))
    whole = MultiBoxNetwork(trunk=GoogLeNetTrunk(model.network), head=head.head, priors=priors)
    proposer = MultiBox(network=whole, normalise=model.info.input.normalise, precision=torch.float32)
    full = coverage(proposer.propose, photos, (10, 50))
    assert short.overlaps.shape == full.overlaps.shape
    np.testing.assert_allclose(short.overlaps[1], full.overlaps[1], atol=0.1)  # bfloat16 against float32


def test_hidden_and_shown_classes_apart_by_hand():
    overlaps = np.array([[0.6, 0.4, 0.5, 0.0, 0.9]])
    result = CoverageResult((50,), overlaps, np.array([0, 0, 2, 1, UNCERTAIN]), 3, np.array([50]))
    found = multibox_ablations.hidden_coverage(result, np.array([True, False, False]))
    assert found == {"hidden_objects": 2, "shown_objects": 2, "hidden_50": 1 / 2, "shown_50": 1 / 2}


@pytest.mark.slow
def test_a_quick_run_prints_a_table(tmp_path, model_file, monkeypatch, capsys):
    voc = write_small_voc(tmp_path / "voc", tmp_path / "store")
    small = ["--passes", "1", "--steps", "2", "--batch", "2", "--held-back", "0.5"]
    how = ["--model", str(model_file), "--json", str(tmp_path / "found.json"), "--variants", "cells_7,quarter"]
    monkeypatch.setattr(sys, "argv", ["ablations", "--data", f"voc={voc}", *small, *how])
    multibox_ablations.main()
    table = capsys.readouterr().out
    assert "| cells_7 |" in table
    found = json.loads((tmp_path / "found.json").read_text())["results"]
    assert found["quarter"]["photos"] <= found["cells_7"]["photos"]
    for one in found.values():
        assert all(0 <= one[f"coverage_{budget}"] <= 1 for budget in BUDGETS)
    how[-1] = "tenth_near"
    monkeypatch.setattr(sys, "argv", ["ablations", "--data", f"voc={voc}", *small, *how, "--hide"])
    multibox_ablations.main()
    assert "| AR, 200 | hidden, 50 | hidden, 100 | hidden, 200 | shown, 50 |" in capsys.readouterr().out


def test_an_unknown_variant_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ablations", "--data", "voc=x", "--variants", "paper,nothing"])
    with pytest.raises(SystemExit):
        multibox_ablations.parse()
    assert "expected some of " + ", ".join(VARIANTS) + ", got nothing" in capsys.readouterr().err
