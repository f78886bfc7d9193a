from __future__ import annotations

import json
import sys
from pathlib import Path

import merging
import numpy as np
import pytest
import torch
from small_voc import write_small_voc

from detect.multibox_file import load_multibox, save_multibox
from proposals import Proposals
from proposals.merge_calibration import FirstRanks
from proposals.merged_proposals import MergeCalibration, RankValue

sys.path.append(str(Path(__file__).parents[1] / "detect"))

CALIBRATION = MergeCalibration(RankValue(0.1, 0, 1), RankValue(0.5, 0, 1))


def first(*ranks):
    return FirstRanks(np.array(ranks), np.full(len(ranks), 9))


def test_the_best_split_by_hand():
    """Of two boxes: the search's first two cover 2 of 4 objects, MultiBox's 1; one of each covers 3."""
    search, multibox = first(1, 1, 2, 0), first(3, 0, 0, 1)
    assert merging.best_split(search, multibox, 1) == 2 / 4
    assert merging.best_split(search, multibox, 2) == 3 / 4
    assert merging.best_split(search, multibox, 3) == 4 / 4
    assert merging.best_split(first(0), first(0), 5) == 0


def test_multibox_first_is_what_it_says():
    boxes = np.zeros((300, 4), np.float32)
    boxes[:, 0], boxes[:, 2], boxes[:, 3] = 10 * np.arange(300), 10 * np.arange(300) + 9, 9
    lists = {
        merging.SEARCH: [Proposals(boxes, np.zeros(300, np.float32))],
        merging.MULTIBOX: [Proposals(boxes[:200] + np.float32(5000), np.zeros(200, np.float32))],
    }
    (found,) = merging.merged_lists(lists, CALIBRATION, CALIBRATION)["merged, MultiBox first"]
    assert (found.boxes[:200, 0] >= 5000).all()
    assert len(found) == 500


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_saved_model_has_the_calibration_and_the_weights_it_had(tmp_path, dtype):
    from random_multibox import multibox_info, random_network

    network = random_network()
    path, copy = tmp_path / "m.safetensors", tmp_path / "c.safetensors"
    save_multibox(path, multibox_info(network.priors, merge=None), network.state_dict(), dtype=dtype)
    model = load_multibox(path)
    merging.save_calibrated(copy, model, CALIBRATION)
    saved = load_multibox(copy)
    assert (saved.info.merge, saved.info.name) == (CALIBRATION, "c")
    assert all(
        torch.equal(value, model.network.state_dict()[name]) for name, value in saved.network.state_dict().items()
    )
    assert copy.stat().st_size == pytest.approx(path.stat().st_size, rel=0.01)


def near_the_object(image):
    """Three boxes at the object of any photo of `write_small_voc`, after one of nothing."""
    boxes = np.array([[0, 0, 9, 9], [9, 7, 70, 80], [12, 7, 72, 80], [40, 7, 128, 90]], np.float32)
    return Proposals(boxes, np.array([3, 2, 1, 0], np.float32))


def test_the_whole_benchmark(tmp_path, monkeypatch, capsys):
    from random_multibox import save_random_multibox

    model = save_random_multibox(tmp_path / "m.safetensors", merge=None)
    voc = write_small_voc(tmp_path / "voc", tmp_path / "store")
    names = [f"{voc}/JPEGImages/{i:06}.jpg\n" for i in range(8)]
    (tmp_path / "fit.txt").write_text("".join(names[::2]))
    (tmp_path / "data.txt").write_text("".join(names[1::2]))
    real = merging.build_proposers
    monkeypatch.setattr(merging, "build_proposers", lambda *args: {**real(*args), merging.MULTIBOX: near_the_object})
    argv = ["merging.py", "--multibox", str(model), "--mode", "single", "--workers", "1"]
    argv += ["--fit", "A", str(tmp_path / "fit.txt"), str(voc), "--json", str(tmp_path / "r.json")]
    monkeypatch.setattr(sys, "argv", [*argv, "--data", "B", str(tmp_path / "data.txt"), str(voc)])
    merging.main()
    output = capsys.readouterr().out
    assert "fitted on A: 4 photos, 4 objects of 2 of 20 classes" in output
    assert "B: 4 photos, 4 objects of 2 of 20 classes" in output
    results = json.loads((tmp_path / "r.json").read_text())
    assert results["data"]["B"]["lists"][merging.MULTIBOX]["10"]["coverage"] == 1
    assert results["data"]["B"]["any_split"]["10"] == 1
    assert results["calibration"]["multibox"]["a"] > 0
    monkeypatch.setattr(sys, "argv", [*argv, "--data", "B", str(tmp_path / "fit.txt"), str(voc)])
    with pytest.raises(SystemExit, match=r"--data: expected other photos than .*000000\.jpg in both"):
        merging.main()
