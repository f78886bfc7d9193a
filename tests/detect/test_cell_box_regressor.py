"""Boxes from pool4's cells: what is computed, in which type, and that positions matter to it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from detect.cell_box_regressor import CellBoxRegressor
from detect.cell_head import SCALE
from detect.googlenet import GoogLeNet
from detect.googlenet_bn import GoogLeNetBN
from detect.model_file import Model, build_network, bvlc_info, load_model, save_model
from detect.model_info import ModelInfo
from detect.region_classifier import RegionClassifier


@pytest.fixture
def regressor() -> CellBoxRegressor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = CellBoxRegressor()
        torch.nn.init.normal_(made.output.weight, std=0.1)
    return made.requires_grad_(False)


def cells(count: int, seed: int = 0) -> Tensor:
    return 8 * torch.randn(count, 832, 7, 7, generator=torch.Generator().manual_seed(seed)).abs()


def test_it_is_a_convolution_and_two_layers_on_all_cells(regressor: CellBoxRegressor) -> None:
    pooled = cells(3)
    weight, bias = regressor.reduce.weight[:, :, 0, 0], regressor.reduce.bias
    reduced = torch.einsum("nchw,oc->nohw", SCALE * pooled, weight) + bias[None, :, None, None]  # type: ignore[index]
    hidden = F.relu(F.relu(reduced).reshape(3, -1) @ regressor.hidden.weight.T + regressor.hidden.bias)
    torch.testing.assert_close(regressor.hidden_of(pooled), hidden, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(regressor(pooled), hidden @ regressor.output.weight.T, rtol=1e-4, atol=1e-4)
    nhwc = pooled.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(regressor(nhwc), regressor(pooled))


def test_it_knows_left_from_right(regressor: CellBoxRegressor) -> None:
    """What the average of the cells cannot tell."""
    pooled = cells(1)
    assert (regressor(pooled) - regressor(pooled.flip(3))).abs().max() > 1e-2


def test_no_regions_and_other_sizes(regressor: CellBoxRegressor) -> None:
    assert regressor(cells(0)).shape == (0, 4)
    with pytest.raises(ValueError, match=re.escape("pooled: expected (N, 832, 7, 7), got (1, 832, 6, 7)")):
        regressor(torch.zeros(1, 832, 6, 7))


def test_it_starts_at_zero_and_leaves_other_random_numbers_alone() -> None:
    networks = []
    for box_cells in (False, True):
        torch.manual_seed(3)
        networks.append(GoogLeNet(5, box_outputs=4, box_cells=box_cells))
    before, after = (network.state_dict() for network in networks)
    same = [name for name in before if not name.startswith("box_regressor")]
    assert all(torch.equal(before[name], after[name]) for name in same)
    made = networks[1].box_regressor
    assert isinstance(made, CellBoxRegressor)
    assert made(cells(2)).tolist() == [[0] * 4] * 2
    assert made.hidden_of(cells(2)).any()


def test_under_autocast_the_convolution_alone_is_rounded(regressor: CellBoxRegressor) -> None:
    pooled = cells(4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = regressor(pooled.bfloat16())
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, regressor(pooled), rtol=3e-2, atol=3e-2)


def test_cells_give_four_numbers() -> None:
    with pytest.raises(ValueError, match="box_outputs: expected 0 or 4 of cells, got 8"):
        GoogLeNet(5, box_outputs=8, box_cells=True)
    assert GoogLeNet(5, box_outputs=0, box_cells=True).box_regressor is None


def described(architecture: str) -> ModelInfo:
    return dataclasses.replace(bvlc_info(), architecture=architecture, box_regression="cells")


@pytest.mark.parametrize("architecture", ["googlenet", "googlenet_bn"])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("bf16", 3e-2)])
def test_the_classifier_reads_cells(
    tmp_path: Path, architecture: str, regressor: CellBoxRegressor, precision: str, tolerance: float
) -> None:
    info = described(architecture)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(info).eval()
    network.box_regressor = regressor
    save_model(tmp_path / "x.safetensors", info, network.state_dict())
    loaded = load_model(tmp_path / "x.safetensors")
    maps = F.relu(torch.randn(5, 832, 14, 14, generator=torch.Generator().manual_seed(1)))
    expected = regressor(F.max_pool2d(maps, 3 if architecture == "googlenet" else 2, 2, ceil_mode=True))
    found = RegionClassifier(loaded, device="cpu", precision=precision).classify_maps(maps)
    assert found.deltas is not None
    assert found.deltas.dtype == torch.float32
    torch.testing.assert_close(found.deltas, expected, rtol=tolerance, atol=tolerance)
    without = RegionClassifier(loaded, device="cpu", precision=precision, box_regression=False).classify_maps(maps)
    assert without.deltas is None
    torch.testing.assert_close(without.probs, found.probs)


@pytest.mark.parametrize("kind", [GoogLeNet, GoogLeNetBN])
def test_the_tail_is_its_two_parts(kind: type[GoogLeNet] | type[GoogLeNetBN]) -> None:
    network = kind(3).eval()
    maps = torch.rand(2, 832, 14, 14)
    with torch.inference_mode():
        assert torch.equal(network.features(network.cells(maps)), network.tail(maps))


def test_a_model_keeps_its_kind(tmp_path: Path) -> None:
    info = described("googlenet")
    assert (info.box_outputs, ModelInfo.from_json(info.to_json())) == (4, info)
    model = Model(info, build_network(info), "")
    assert isinstance(model.network.box_regressor, CellBoxRegressor)


def test_what_gives_probabilities_and_boxes_is_not_rounded() -> None:
    info = described("googlenet")
    model = Model(info, build_network(info).eval(), "")
    network = RegionClassifier(model, device="cpu", precision="bf16").network
    ours, theirs = network.box_regressor, model.network.box_regressor
    assert isinstance(ours, CellBoxRegressor)
    assert isinstance(theirs, CellBoxRegressor)
    assert torch.equal(ours.hidden.weight, theirs.hidden.weight)
    assert torch.equal(network.classifier.weight, model.network.classifier.weight)
    assert ours.reduce.weight.dtype == torch.bfloat16


def test_its_convolution_is_exact_too(monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[bool] = []
    entered = [0]

    @contextmanager
    def switch(device: torch.device) -> Iterator[None]:
        entered[0] += 1
        yield
        entered[0] -= 1

    info = described("googlenet")
    classifier = RegionClassifier(Model(info, build_network(info).eval(), ""), device="cpu")
    classifier.device = torch.device("cuda")  # it is asked for its type alone
    monkeypatch.setattr("detect.region_classifier.exact_cudnn", switch)
    regressor = classifier.network.box_regressor
    assert isinstance(regressor, CellBoxRegressor)
    regressor.reduce.register_forward_hook(lambda *_: inside.append(entered[0] > 0))
    classifier._classify(cells(2).to(classifier.dtype), torch.zeros(2, 1024))
    assert inside == [True]
