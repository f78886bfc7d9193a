"""A step against the same step written out in plain torch, and every way it can fail."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_training import (
    TinyNetwork,
    TinyOutputs,
    TinySettings,
    tiny_fit,
    tiny_module,
    tiny_objective,
    tiny_pass,
    tiny_stream,
    tiny_upload,
)
from torch import Tensor

from detect.training.failures import TrainingFailure
from detect.training.network_pass import step_seed
from detect.training.region_samples import RegionBatch, SampledRegions, TrainingBatch
from detect.training.schedules import schedule
from detect.training.training_logs import read_metrics

CPU = torch.device("cpu")


def plain_training(settings: TinySettings, clip: float) -> tuple[TinyNetwork, dict[str, Tensor], list[float]]:
    """The whole of training in one slow loop: SGD with momentum, decay, schedule, clipping, averages."""
    network, objective, factor = TinyNetwork(), tiny_objective(), schedule(settings, 5.0)
    parameters = dict(network.named_parameters())
    velocity: dict[str, Tensor] = {}
    average = {name: value.detach().clone() for name, value in parameters.items()}
    losses = []
    with tiny_stream(settings.steps)(0, 0, 1) as batches:
        for t, batch in enumerate(batches):
            regions = tiny_upload(batch, device=CPU)
            outputs = tiny_pass(
                network, regions.regions, slots=regions.slots, generator_seed=step_seed(1, t), total_slots=12
            )
            loss = objective(outputs, regions)[0] / 12
            gradients = torch.autograd.grad(loss, list(parameters.values()))
            norm = float(torch.sqrt(sum((one**2).sum() for one in gradients)))
            losses.append(loss.item())
            with torch.no_grad():
                for (name, weight), gradient in zip(parameters.items(), gradients, strict=True):
                    gradient = gradient * min(1.0, clip / (norm + 1e-6))
                    decayed = gradient + (settings.weight_decay * weight if weight.ndim > 1 else 0)
                    velocity[name] = settings.momentum * velocity[name] + decayed if t else decayed
                    rate = settings.learning_rate * factor(t) * (1 if name.startswith("conv") else settings.head_rate)
                    weight -= rate * velocity[name]
                    decay = min(settings.averaging, (1 + t) / (10 + t))
                    average[name] = decay * average[name] + (1 - decay) * weight
    return network, average, losses


@pytest.mark.parametrize("clip", [10.0, 0.2])
def test_training_against_the_plain_loop(tmp_path: Path, clip: float) -> None:
    settings = TinySettings(weight_decay=0.01)
    module = tiny_module(settings)
    tiny_fit(module, tmp_path, clip=clip)
    network, average, losses = plain_training(settings, clip)
    for name, weight in network.named_parameters():
        torch.testing.assert_close(module.network.get_parameter(name), weight, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(module.averaged_state()[name], average[name], rtol=1e-4, atol=1e-5)
    rows = read_metrics(tmp_path / "logs" / "metrics.csv")
    assert [row["loss"] for row in rows] == pytest.approx(losses, rel=1e-4)
    assert [row["step"] for row in rows] == list(range(12))


def test_what_is_logged(tmp_path: Path) -> None:
    tiny_fit(tiny_module(), tmp_path)
    for row in read_metrics(tmp_path / "logs" / "metrics.csv"):
        terms = row["class_loss"] + 0.3 * row["auxiliary_loss"] + row["box_loss"]
        assert row["loss"] == pytest.approx(terms, rel=1e-5)
        assert 0 <= row["foreground_accuracy"] <= 1
        assert row["regions"] == 12
        assert row["regions_per_second"] > 0
        assert row["gradient_norm"] > 0
        assert row["learning_rate"] == pytest.approx(0.05 * schedule(TinySettings(), 5.0)(int(row["step"])))


def test_a_region_counts_alike_in_a_batch_that_is_not_full(tmp_path: Path) -> None:
    def loss(images: int, folder: Path) -> float:
        def change(batch: TrainingBatch) -> TrainingBatch:
            return dataclasses.replace(batch, samples=batch.samples[:images])

        tiny_fit(tiny_module(), folder, steps=1, change=change)
        return read_metrics(folder / "logs" / "metrics.csv")[0]["class_loss"]

    def alone(batch: TrainingBatch) -> TrainingBatch:
        return dataclasses.replace(batch, samples=batch.samples[1:])

    tiny_fit(tiny_module(), tmp_path / "rest", steps=1, change=alone)
    rest = read_metrics(tmp_path / "rest" / "logs" / "metrics.csv")[0]["class_loss"]
    assert loss(4, tmp_path / "all") == pytest.approx(loss(1, tmp_path / "one") + rest, rel=1e-5)


def test_frozen_weights_do_not_change(tmp_path: Path) -> None:
    network = TinyNetwork()
    network.conv.requires_grad_(False)
    module = tiny_module(network=network)
    tiny_fit(module, tmp_path)
    assert torch.equal(network.conv.weight, TinyNetwork().conv.weight)
    assert not torch.equal(network.classifier.weight, TinyNetwork().classifier.weight)
    assert torch.equal(module.averaged_state()["conv.weight"], network.conv.weight)


def nan_regions(batch: TrainingBatch, *, device: torch.device) -> RegionBatch:
    regions = tiny_upload(batch, device=device)
    return dataclasses.replace(regions, regions=regions.regions / (0 if batch.step == 2 else 1))


def broken_gradient(network: TinyNetwork, images: Tensor, **given: Any) -> TinyOutputs:
    """A loss of which nothing is amiss, with a gradient of 0 · ∞ from the third step on."""
    outputs = tiny_pass(network, images, **given)
    nothing = torch.sqrt(network.conv.bias.sum() * 0) if given["generator_seed"] == step_seed(1, 2) else 0
    return dataclasses.replace(outputs, logits=outputs.logits + nothing)


@pytest.mark.parametrize(
    ("what", "changes"),
    [("the loss", {"upload": nan_regions}), ("the gradient", {"network_pass": broken_gradient})],
)
def test_what_is_not_finite_stops_before_the_weights_change(tmp_path: Path, what: str, changes: Any) -> None:
    module, sound = tiny_module(**changes), tiny_module()
    wanted = f"{what} of step 2 is not finite; the batch's files: step2_slot0.jpg, .*step2_slot3.jpg"
    with pytest.raises(TrainingFailure, match=wanted):
        tiny_fit(module, tmp_path / "broken")
    tiny_fit(sound, tmp_path / "sound", steps=2)
    for name, weight in sound.network.named_parameters():
        assert torch.equal(module.network.get_parameter(name), weight)


def test_images_that_cannot_be_read_are_recorded(tmp_path: Path) -> None:
    def change(batch: TrainingBatch) -> TrainingBatch:
        if batch.step != 1:
            return batch
        return dataclasses.replace(batch, samples=batch.samples[1:], unreadable=((Path("bad.jpg"), "truncated"),))

    module = tiny_module()
    tiny_fit(module, tmp_path, change=change)
    assert module.unreadable == {Path("bad.jpg"): "truncated"}
    regions = [row["regions"] for row in read_metrics(tmp_path / "logs" / "metrics.csv")]
    assert regions == [12, 9] + [12] * 10


def test_images_that_could_not_be_read_before_an_interruption_are_recorded(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(b"sub/\xff.jpg"))

    def change(batch: TrainingBatch) -> TrainingBatch:
        if batch.step not in (1, 9):
            return batch
        missing = ((odd, "truncated"),) if batch.step == 1 else ((Path("late.jpg"), "empty"),)
        return dataclasses.replace(batch, samples=batch.samples[1:], unreadable=missing)

    tiny_fit(tiny_module(), tmp_path, steps=4, change=change)
    resumed = tiny_module()
    tiny_fit(resumed, tmp_path, change=change, resume=True)
    assert resumed.unreadable == {odd: "truncated", Path("late.jpg"): "empty"}


def test_a_batch_of_which_nothing_can_be_read_stops(tmp_path: Path) -> None:
    def change(batch: TrainingBatch) -> TrainingBatch:
        return TrainingBatch(batch.step, 0, (), ((Path("bad.jpg"), "truncated"),))

    with pytest.raises(TrainingFailure, match=r"no image of step 0 could be read: bad\.jpg: truncated"):
        tiny_fit(tiny_module(), tmp_path, change=change)


def test_a_batch_without_regions_changes_weights_by_momentum_and_decay_alone(tmp_path: Path) -> None:
    def change(batch: TrainingBatch) -> TrainingBatch:
        empty = SampledRegions(
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.int64),
            np.zeros((0, 4), np.float32),
            np.zeros(0, bool),
            np.zeros(0, bool),
        )
        bare = [dataclasses.replace(one, regions=empty, flipped=np.zeros(0, bool)) for one in batch.samples]
        return dataclasses.replace(batch, samples=tuple(bare))

    module = tiny_module(TinySettings(weight_decay=0.0))
    tiny_fit(module, tmp_path, steps=3, change=change)
    for name, weight in TinyNetwork().named_parameters():
        assert torch.equal(module.network.get_parameter(name), weight)
    (row, *_) = read_metrics(tmp_path / "logs" / "metrics.csv")
    assert (row["loss"], row["regions"]) == (0, 0)
    assert "foreground_accuracy" not in row


def test_bfloat16_keeps_float32_weights_and_about_the_same_losses(tmp_path: Path) -> None:
    module = tiny_module()
    tiny_fit(module, tmp_path / "bf16", precision="bf16")
    tiny_fit(tiny_module(), tmp_path / "fp32")
    assert {one.dtype for one in module.network.parameters()} == {torch.float32}
    losses = [
        [row["loss"] for row in read_metrics(tmp_path / name / "logs" / "metrics.csv")] for name in ("bf16", "fp32")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert losses[0] != losses[1]
