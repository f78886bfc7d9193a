from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from detect.cell_box_regressor import HIDDEN, CellBoxRegressor
from detect.googlenet import STAGES, GoogLeNet
from detect.googlenet_bn import GoogLeNetBN
from detect.region_fit import HIDDEN as FIT_HIDDEN
from detect.training.network_pass import (
    TrainingOutputs,
    dropout_mask,
    freeze,
    frozen_stages,
    step_seed,
    tail_outputs,
    training_outputs,
)

OPTIONS = {"generator_seed": 5, "total_slots": 8, "dropout": 0.0, "auxiliary_dropout": 0.0}


def random(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, 3, 224, 224, generator=torch.Generator().manual_seed(seed)) * 60


@pytest.fixture(scope="module", params=["googlenet", "googlenet_bn"])
def shared_network(request: pytest.FixtureRequest) -> GoogLeNet | GoogLeNetBN:
    torch.manual_seed(0)
    kind = GoogLeNet if request.param == "googlenet" else GoogLeNetBN
    network = kind(6, auxiliary=True, box_outputs=4)
    assert network.box_regressor is not None
    torch.nn.init.normal_(network.box_regressor.weight)
    return network.to(memory_format=torch.channels_last).train()


@pytest.fixture
def network(shared_network: GoogLeNet | GoogLeNetBN) -> GoogLeNet | GoogLeNetBN:
    return copy.deepcopy(shared_network)


def run(network: GoogLeNet | GoogLeNetBN, images: Tensor, **options: object) -> TrainingOutputs:
    slots = torch.arange(len(images))
    return training_outputs(network, images, **{"frozen": "none", "slots": slots, **OPTIONS, **options})  # type: ignore[arg-type]


def everything(outputs: TrainingOutputs) -> Tensor:
    assert outputs.deltas is not None
    return torch.cat([outputs.logits, *outputs.auxiliary, outputs.deltas], dim=1)


def test_without_dropout_it_is_the_network(network: GoogLeNet | GoogLeNetBN) -> None:
    network.eval()
    images = random(2)
    before = images.clone()
    with torch.no_grad():
        outputs = run(network, images)
        features = network.tail(network.stem_to_4e(images))
        torch.testing.assert_close(outputs.logits, network(images))
        assert outputs.deltas is not None
        assert network.box_regressor is not None
        torch.testing.assert_close(outputs.deltas, network.box_regressor(features))
        assert len(outputs.auxiliary) == 2
        if isinstance(network, GoogLeNet):
            for got, expected in zip(outputs.auxiliary, network.forward_with_auxiliary(images)[1:], strict=True):
                torch.testing.assert_close(got, expected)
    assert torch.equal(images, before)


@pytest.mark.parametrize(("frozen", "auxiliary"), [("conv2", 2), ("4a", 1), ("4d", 0), ("4e", 0)])
def test_frozen_stages_change_no_output_and_get_no_gradient(
    network: GoogLeNet | GoogLeNetBN, frozen: str, auxiliary: int
) -> None:
    images = random(1)
    free, held = run(network, images), run(network, images, frozen=frozen)
    torch.testing.assert_close(held.logits, free.logits, rtol=1e-4, atol=1e-4)
    assert len(held.auxiliary) == auxiliary
    freeze(network, frozen)
    everything(held).square().sum().backward()
    reached = {name for name, p in network.named_parameters() if p.grad is not None}
    assert reached == {name for name, p in network.named_parameters() if p.requires_grad}, "what DDP needs"
    for name in STAGES:
        weights = [p for module in network.stage_modules(name) for p in module.parameters()]
        assert weights
        assert all(p.requires_grad == (name not in frozen_stages(network, frozen)) for p in weights)


def test_unfreezing(network: GoogLeNet | GoogLeNetBN) -> None:
    freeze(network, "4e")
    assert not all(p.requires_grad for p in network.parameters())
    freeze(network, "none")
    assert all(p.requires_grad for p in network.parameters())
    everything(run(network, random(1))).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_a_batch_in_two_processes_is_one_batch(network: GoogLeNet | GoogLeNetBN) -> None:
    """Dropout follows the place in the global batch, not the process or the position in its share."""
    images, options = random(4), {"dropout": 0.4, "auxiliary_dropout": 0.7, "frozen": "3b"}
    with torch.no_grad():
        together = everything(run(network, images, **options))
        shares = [
            everything(run(network, images[[a, b]], slots=torch.tensor([a, b]), **options)) for a, b in ((0, 2), (3, 1))
        ]
        another = everything(run(network, images, **{**options, "generator_seed": 6}))
    torch.testing.assert_close(torch.cat(shares)[[0, 3, 1, 2]], together, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(another, together, rtol=1e-2), "another step, another dropout"


def test_boxes_see_all_features(network: GoogLeNet | GoogLeNetBN) -> None:
    with torch.no_grad():
        with_dropout, without = run(network, random(1), dropout=0.9), run(network, random(1))
    assert with_dropout.deltas is not None
    assert without.deltas is not None
    assert torch.equal(with_dropout.deltas, without.deltas)
    assert not torch.equal(with_dropout.logits, without.logits)


def test_outputs_are_float32_under_autocast(network: GoogLeNet | GoogLeNetBN) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        outputs = run(network, random(1), dropout=0.4, auxiliary_dropout=0.7)
    assert everything(outputs).dtype == torch.float32
    assert {outputs.logits.dtype, outputs.auxiliary[0].dtype} == {torch.float32}
    everything(outputs).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_no_regions_and_no_extras() -> None:
    network = GoogLeNet(6)
    outputs = run(network, random(0))
    assert outputs.logits.shape == (0, 6)
    assert outputs.auxiliary == ()
    assert outputs.deltas is None
    outputs.logits.sum().backward()
    assert all(p.grad is not None and not p.grad.any() for p in network.parameters())


def test_a_mask_by_hand() -> None:
    mask = dropout_mask(torch.tensor([3, 0]), 4, 1000, 0.75, 9, "tail")
    assert mask is not None
    assert mask.unique().tolist() == [0, 4], "1 / (1 − 0.75)"
    whole = dropout_mask(torch.arange(4), 4, 1000, 0.75, 9, "tail")
    assert whole is not None
    assert torch.equal(mask, whole[[3, 0]])
    assert (whole == 0).float().mean().item() == pytest.approx(0.75, abs=0.02)
    for seed, layer in ((9, "4a"), (10, "tail")):
        other = dropout_mask(torch.arange(4), 4, 1000, 0.75, seed, layer)
        assert other is not None
        assert not torch.equal(whole, other)
    assert dropout_mask(torch.arange(4), 4, 1000, 0.0, 9, "tail") is None


def test_seeds_of_steps() -> None:
    assert step_seed(0, 0) == step_seed(0, 0)
    assert len({step_seed(seed, step) for seed in range(5) for step in range(50)}) == 250
    dropout_mask(torch.arange(1), 1, 1, 0.5, step_seed(2**31, 10**9), "tail")


def test_stages_by_name() -> None:
    network = GoogLeNet(2)
    assert frozen_stages(network, "none") == ()
    assert frozen_stages(network, "3a") == ("conv1", "conv2", "3a")
    assert frozen_stages(network, "4e") == STAGES
    with pytest.raises(ValueError, match=r"frozen: expected none or conv1 or .* or 4e with googlenet, got '5a'"):
        frozen_stages(network, "5a")


def test_places_that_do_not_fit() -> None:
    network = GoogLeNet(2)
    with pytest.raises(ValueError, match=r"slots: expected 1 places below 8, got \[8\]"):
        run(network, random(1), slots=torch.tensor([8]))
    with pytest.raises(ValueError, match=r"slots: expected 1 places below 8, got \[0, 1\]"):
        run(network, random(1), slots=torch.tensor([0, 1]))


def test_statistics_of_batch_norm_stay_in_training() -> None:
    network = GoogLeNetBN(2).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    run(network, random(1))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.training
    assert network.network.training


@pytest.mark.parametrize("kind", [GoogLeNet, GoogLeNetBN])
def test_boxes_from_cells_have_dropout_of_their_own(kind: type[GoogLeNet] | type[GoogLeNetBN]) -> None:
    torch.manual_seed(0)
    network = kind(6, box_outputs=4, box_cells=True)
    regressor = network.box_regressor
    assert isinstance(regressor, CellBoxRegressor)
    torch.nn.init.normal_(regressor.output.weight)
    images = random(3)
    maps = network.stem_to_4e(images).detach()
    given = {"slots": torch.tensor([4, 0, 7]), "generator_seed": 5, "total_slots": 8}
    plain = tail_outputs(network, maps, dropout=0.0, **given)
    pooled = network.cells(maps)
    torch.testing.assert_close(plain.deltas, regressor(pooled))
    mask = dropout_mask(given["slots"], 8, HIDDEN, 0.4, 5, "boxes")
    assert mask is not None
    dropped = tail_outputs(network, maps, dropout=0.4, **given)
    torch.testing.assert_close(dropped.deltas, regressor.output(regressor.hidden_of(pooled) * mask))
    assert dropped.deltas is not None
    dropped.deltas.sum().backward()
    assert all(one.grad is not None and one.grad.any() for one in regressor.parameters())


@pytest.mark.parametrize("kind", [GoogLeNet, GoogLeNetBN])
@pytest.mark.parametrize("cells", [True, False])
def test_how_well_boxes_fit_is_learnt_of_what_detection_says_and_teaches_nothing(
    kind: type[GoogLeNet] | type[GoogLeNetBN], cells: bool
) -> None:
    torch.manual_seed(0)
    network = kind(6, box_outputs=4, box_cells=cells)
    regressor = network.box_regressor
    assert regressor is not None
    torch.nn.init.normal_((regressor.output if isinstance(regressor, CellBoxRegressor) else regressor).weight)
    maps = network.stem_to_4e(random(3)).detach()
    given = {"slots": torch.tensor([4, 0, 7]), "generator_seed": 5, "total_slots": 8, "dropout": 0.4}
    before = tail_outputs(network, maps, **given)  # type: ignore[arg-type]
    assert before.fit is None
    assert before.corrections is None
    network.add_region_fit()
    fit = network.region_fit
    assert fit is not None
    torch.nn.init.normal_(fit.output.weight)
    outputs = tail_outputs(network, maps, **given)  # type: ignore[arg-type]
    assert torch.equal(outputs.logits, before.logits), "all else is as without"
    pooled = network.cells(maps)
    features = network.features(pooled)
    read = pooled if isinstance(regressor, CellBoxRegressor) else features
    assert outputs.corrections is not None
    assert not outputs.corrections.requires_grad
    torch.testing.assert_close(outputs.corrections, regressor(read).detach())
    mask = dropout_mask(torch.tensor([4, 0, 7]), 8, FIT_HIDDEN, 0.4, 5, "fit")
    assert mask is not None
    assert outputs.fit is not None
    torch.testing.assert_close(outputs.fit, fit.output(fit.hidden_of(pooled, features) * mask)[:, 0])
    outputs.fit.sum().backward()
    taught = {name for name, one in network.named_parameters() if one.grad is not None}
    assert taught == {name for name, _ in network.named_parameters() if name.startswith("region_fit.")}


def test_frozen_classifier_wants_something_that_says_something_of_boxes() -> None:
    network = GoogLeNet(3)
    with pytest.raises(
        ValueError, match=r"got classifier, which leaves nothing to learn but head.fit and head.box_regression"
    ):
        freeze(network, "classifier")
    network = GoogLeNet(3, box_outputs=4)
    freeze(network, "classifier")
    learning = {name for name, one in network.named_parameters() if one.requires_grad}
    assert learning == {"box_regressor.weight", "box_regressor.bias"}


def test_frozen_all_leaves_that_alone_to_learn() -> None:
    network = GoogLeNet(3, auxiliary=True, box_outputs=4, box_cells=True)
    with pytest.raises(
        ValueError, match=r"frozen: expected none or conv1 or .* got all, which leaves nothing to learn"
    ):
        freeze(network, "all")
    assert all(one.requires_grad for one in network.parameters())
    network.add_region_fit()
    freeze(network, "all")
    learning = {name for name, one in network.named_parameters() if one.requires_grad}
    assert learning == {name for name, _ in network.named_parameters() if name.startswith("region_fit.")}
    assert frozen_stages(network, "all") == STAGES
    freeze(network, "classifier")
    learning = {name for name, one in network.named_parameters() if one.requires_grad}
    heads = ("region_fit.", "box_regressor.")
    assert learning == {name for name, _ in network.named_parameters() if name.startswith(heads)}
    assert frozen_stages(network, "classifier") == STAGES
    freeze(network, "none")
    assert all(one.requires_grad for one in network.parameters())
