"""Which regions are collected, that the same ones are learnt from, and that position is there to be learnt."""

from __future__ import annotations

from pathlib import Path

import box_regression
import torch
from box_regression import Averages, collect, learn, loss
from small_voc import NAMES, write_small_voc

from detect.box_coding import decode_boxes
from detect.cell_box_regressor import CellBoxRegressor
from detect.model_file import build_network, bvlc_info, save_model

CONFIG = """
model: {model}
data: [{{kind: voc, path: {tree}}}]
regions: shared
short_sides: [64, 96]
proposals: {{store: {store}}}
sampling: {{images_per_batch: 2, foreground: 8, background: 8, jittered: 6, flip: false}}
head: {{kind: marginal, box_regression: cells, auxiliary: 0.0, carry_over: 0}}
validation: {{held_back: 0.0}}
"""


def test_photos_are_drawn_once_and_some_only_judge(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_model(tmp_path / "x.safetensors", bvlc_info(), build_network(bvlc_info()).state_dict())
    tree = write_small_voc(tmp_path / "voc", tmp_path / "store")
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(model=tmp_path / "x.safetensors", tree=tree, store=tmp_path / "store"))
    found = collect(["--config", str(config), "--out", str(tmp_path / "out")], wanted=10_000)
    count = len(found.deltas)
    assert found.pooled.shape == (count, 832, 7, 7)
    assert found.last.shape == (count, 1024, 7, 7)
    assert found.boxes.shape == found.deltas.shape == (count, 4)
    objects = decode_boxes(found.boxes, found.deltas).round().int().tolist()
    drawn = [tuple(one) for one in objects]
    assert set(drawn) == {(9 + n, 7, 70 + n, 80) for n in range(len(NAMES))}, "each photo's one object"
    assert len(set(drawn[: found.fit])) == 6, "a fifth of eight photos, rounded, is left"
    assert not set(drawn[: found.fit]) & set(drawn[found.fit :])


def test_cells_know_where_a_thing_is_and_averages_do_not() -> None:
    """A bright column at a random place, and the shift to it: the average is the same wherever it is."""
    generator = torch.Generator().manual_seed(0)
    columns = torch.randint(0, 7, (256,), generator=generator)
    features = torch.zeros(256, 832, 7, 7)
    features[torch.arange(256), :, :, columns] = 8.0
    deltas = torch.zeros(256, 4)
    deltas[:, 0] = (columns - 3) / 3
    zero = loss(torch.zeros(256, 4), deltas)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        cells, averages = CellBoxRegressor(), Averages()
    learn(cells, features, deltas, 0.004, 40)
    last = torch.cat([features, features[:, :192]], dim=1)
    learn(averages, last, deltas, 0.001, 40)
    with torch.no_grad():
        assert loss(cells(features), deltas) < 0.2 * zero
        assert loss(averages(last), deltas) > 0.8 * zero


def test_overlap_of_pairs() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10]])
    truth = torch.tensor([[0.0, 0, 10, 5], [20, 20, 30, 30]])
    assert box_regression.mean_iou(boxes, truth) == 0.25
