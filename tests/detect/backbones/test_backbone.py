"""The contract that every architecture keeps."""

from __future__ import annotations

import copy
import re

import pytest
import torch
from torch import Tensor, nn

from detect.backbones.backbone import Backbone
from detect.backbones.registry import BACKBONES
from detect.cell_box_regressor import CellBoxRegressor
from detect.inception import AuxiliaryClassifier


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_region_goes_through_in_the_sizes_that_the_class_says(network: Backbone) -> None:
    images = random(1, 3, 224, 224)
    before = images.clone()
    with torch.inference_mode():
        maps = network.stem(images)
        cells = network.cells(maps)
        features = network.features(cells)
        logits = network(images)
    assert maps.shape == (1, network.map_channels, network.grid.cells, network.grid.cells)
    assert cells.shape == (1, network.cell_channels, network.cell_side, network.cell_side)
    assert features.shape == (1, network.num_features)
    assert features.dtype == torch.float32
    torch.testing.assert_close(logits, network.classifier(features))
    assert logits.std() > 0, "the image matters"
    assert torch.equal(images, before)


def test_stages_in_turn_are_the_stem(network: Backbone) -> None:
    features = images = random(1, 3, 96, 80)
    with torch.inference_mode():
        for name in network.stages:
            features = network.stage(name, features)
        assert torch.equal(features, network.stem(images))
        assert torch.equal(network.tail(features), network.features(network.cells(features)))


def test_every_weight_is_in_one_stage_in_the_tail_or_in_a_head(network: Backbone) -> None:
    trained = copy.deepcopy(network).requires_grad_(True)
    of_stages = [p for name in trained.stages for m in trained.stage_modules(name) for p in m.parameters()]
    assert len({id(p) for p in of_stages}) == len(of_stages)
    trained.tail(random(1, network.map_channels, network.grid.cells, network.grid.cells)).sum().backward()
    of_tail = [p for p in trained.parameters() if p.grad is not None]
    heads = (f"{network.classifier_name}.", "box_regressor.", "region_fit.")
    of_heads = [p for name, p in trained.named_parameters() if name.startswith(heads)]
    together = [id(p) for p in (*of_stages, *of_tail, *of_heads)]
    assert sorted(together) == sorted(id(p) for p in trained.parameters())


def test_the_classifier_by_its_name(network: Backbone) -> None:
    assert network.get_submodule(network.classifier_name) is network.classifier
    assert network.classifier.in_features == network.num_features
    assert isinstance(network.dropout, nn.Dropout)


def test_the_box_regressor_reads_its_cells(network: Backbone) -> None:
    regressor = network.box_regressor
    assert isinstance(regressor, CellBoxRegressor)
    assert regressor(random(2, network.cell_channels, network.cell_side, network.cell_side)).tolist() == [[0] * 4] * 2
    with pytest.raises(ValueError, match="box_outputs: expected 0 or 4 of cells, got 8"):
        network.add_box_regressor(8, cells=True)


def test_how_well_boxes_fit_is_read_from_cells_and_features(network: Backbone) -> None:
    assert network.region_fit is not None
    cells = random(2, network.cell_channels, network.cell_side, network.cell_side)
    assert network.region_fit(cells, network.features(cells)).shape == (2,)


def test_the_smallest_image(network: Backbone) -> None:
    least = network.least_side
    with torch.inference_mode():
        assert network(random(1, 3, least, least + 30)).shape == (1, 7)
        message = (
            f"images: expected at least {least} x {least} pixels for {network.name}, got {least + 9} x {least - 1}"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            network(random(1, 3, least + 9, least - 1))


def test_other_errors_are_torchs_own(network: Backbone) -> None:
    with torch.inference_mode(), pytest.raises(RuntimeError, match="to have 3 channels"):
        network(random(1, 2, 224, 224))


def test_no_images(network: Backbone) -> None:
    with torch.inference_mode():
        assert network(random(0, 3, 224, 224)).shape == (0, 7)


def test_channels_last_and_bfloat16(network: Backbone) -> None:
    half = copy.deepcopy(network).to(torch.bfloat16).to(memory_format=torch.channels_last)
    half.classifier.float()
    images = random(2, 3, 96, 96)
    with torch.inference_mode():
        maps = half.stem(images.to(torch.bfloat16, memory_format=torch.channels_last))
        assert maps.is_contiguous(memory_format=torch.channels_last)
        features, exact = half.tail(maps), network.tail(network.stem(images))
    assert features.dtype == torch.float32
    assert 0 < (features - exact).abs().max() < 0.1 * exact.abs().max()


def test_statistics_of_batch_normalisation_stay_in_training(network: Backbone) -> None:
    training = copy.deepcopy(network).train()
    before = {name: value.clone() for name, value in training.state_dict().items()}
    training(random(2, 3, 80, 80))
    assert all(torch.equal(value, before[name]) for name, value in training.state_dict().items())
    assert training.training
    assert training.dropout.training


@pytest.mark.parametrize("name", BACKBONES)
def test_auxiliary_classifiers_where_there_are_any(name: str) -> None:
    kind = BACKBONES[name]
    if not kind.auxiliary_channels:
        with pytest.raises(ValueError, match=f"^auxiliary: expected none with {name}, which has no auxiliary classif"):
            kind(3, auxiliary=True)
        return
    with torch.device("meta"):
        network, without = kind(3, auxiliary=True), kind(3)
    x = torch.empty(1, 3, 224, 224, device="meta")
    seen = []
    for stage in network.stages:
        x = network.stage(stage, x)
        head = network.auxiliary_on(stage)
        if head is not None:
            assert isinstance(head, AuxiliaryClassifier)
            assert head(x).shape == (1, 3)
            seen.append(stage)
        assert without.auxiliary_on(stage) is None
    assert seen == list(kind.auxiliary_channels)
