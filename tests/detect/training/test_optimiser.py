"""Who learns how fast, and what a step of SGD does to a weight and to a bias."""

from __future__ import annotations

import pytest
import torch
from random_multibox import random_network
from tiny_training import TinyNetwork, TinySettings

from detect.training.optimiser import optimiser, parameter_groups, rate_of


def test_heads_have_their_rate_and_biases_do_not_decay() -> None:
    network = TinyNetwork()
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    groups = parameter_groups(network, TinySettings(learning_rate=0.1, head_rate=3.0, weight_decay=0.01))
    found = {
        names[id(parameter)]: (pytest.approx(group["lr"]), group["weight_decay"])
        for group in groups
        for parameter in group["params"]
    }
    heads = ("classifier", "auxiliary_4a", "box_regressor")
    expected = {"conv.weight": (0.1, 0.01), "conv.bias": (0.1, 0)}
    expected |= {f"{head}.weight": (0.3, 0.01) for head in heads} | {f"{head}.bias": (0.3, 0) for head in heads}
    assert found == expected


def test_what_multibox_has_beyond_its_trunk_is_a_head() -> None:
    settings = TinySettings(head_rate=3.0, rates={"trunk.network.inception_4a": 0.1})
    network = random_network()
    rates = {name: rate_of(name, settings) for name, _ in network.named_parameters()}
    assert {rate for name, rate in rates.items() if name.startswith("head.")} == {3.0}
    assert {rate for name, rate in rates.items() if "inception_4a" in name} == {0.1}
    assert {rate for name, rate in rates.items() if "inception_4b" in name} == {1.0}
    assert len(parameter_groups(network, settings)) == 6


def test_single_modules_have_their_own_rate() -> None:
    settings = TinySettings(learning_rate=0.1, head_rate=3.0, rates={"conv": 0.5, "conv.bias": 0.0, "classifier": 2.0})
    rates = {name: rate_of(name, settings) for name, _ in TinyNetwork().named_parameters()}
    assert rates["conv.weight"] == 0.5
    assert rates["conv.bias"] == 0.0
    assert rates["classifier.weight"] == rates["classifier.bias"] == 2.0
    assert rates["box_regressor.weight"] == rate_of("region_fit.hidden.weight", settings) == 3.0
    assert {round(group["lr"], 9) for group in parameter_groups(TinyNetwork(), settings)} == {0.05, 0.0, 0.2, 0.3}


def test_a_rate_of_no_module_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rates: expected beginnings .* such as conv.weight, got 'inception_4z'"):
        parameter_groups(TinyNetwork(), TinySettings(rates={"inception_4z": 0.1}))


def test_frozen_parameters_are_in_no_group() -> None:
    network = TinyNetwork()
    network.conv.requires_grad_(False)
    groups = parameter_groups(network, TinySettings())
    assert sum(len(group["params"]) for group in groups) == 6
    network.requires_grad_(False)
    with pytest.raises(ValueError, match="network: expected parameters that learn, got none"):
        parameter_groups(network, TinySettings())


def test_two_steps_by_hand() -> None:
    network = torch.nn.Linear(1, 1)
    with torch.no_grad():
        network.weight.fill_(2.0)
        network.bias.fill_(1.0)
    sgd = optimiser(network, TinySettings(learning_rate=0.1, momentum=0.5, weight_decay=0.25))
    for parameter in (network.weight, network.bias):
        parameter.grad = torch.ones_like(parameter)
    sgd.step()  # weight: 2 − 0.1 · (1 + 0.25 · 2) = 1.85; bias: 1 − 0.1 · 1 = 0.9
    assert [network.weight.item(), network.bias.item()] == pytest.approx([1.85, 0.9])
    sgd.step()  # velocity 0.5 · 1.5 + 1 + 0.25 · 1.85 = 2.2125; and 0.5 · 1 + 1 = 1.5
    assert [network.weight.item(), network.bias.item()] == pytest.approx([1.85 - 0.22125, 0.9 - 0.15])


def test_two_steps_of_adamw_by_hand() -> None:
    network = torch.nn.Linear(1, 1)
    with torch.no_grad():
        network.weight.fill_(2.0)
        network.bias.fill_(1.0)
    settings = TinySettings(optimiser="adamw", learning_rate=0.1, momentum=0.5, weight_decay=0.25)
    adamw = optimiser(network, settings)
    for gradient in (4.0, -2.0):
        for parameter in (network.weight, network.bias):
            parameter.grad = torch.full_like(parameter, gradient)
        adamw.step()
    # Step 1: mean 2 / (1 − 0.5) = 4, root of squares 4: both fall by 0.1; the weight by 0.1 · 0.25 of itself before.
    # Step 2: mean (0.5 · 2 − 0.5 · 2) / 0.75 = 0: only the weight decays.
    assert network.weight.item() == pytest.approx((2 * 0.975 - 0.1) * 0.975)
    assert network.bias.item() == pytest.approx(0.9)


def test_another_optimiser_is_refused() -> None:
    with pytest.raises(ValueError, match="optimiser: expected sgd or adamw, got 'lion'"):
        optimiser(TinyNetwork(), TinySettings(optimiser="lion"))
