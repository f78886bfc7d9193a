"""A step of MultiBox's training: what is logged, what learns, and that it does not matter how a batch is divided."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_training import TinySettings
from torch import Tensor, nn

from detect.googlenet import GoogLeNet
from detect.googlenet_bn import GoogLeNetBN
from detect.input_format import BVLC_INPUT
from detect.multibox_trunk import GoogLeNetTrunk
from detect.training.multibox_samples import MultiBoxSample
from detect.training.multibox_training import MultiBoxTraining
from detect.training.multibox_upload import upload_multibox
from detect.training.region_samples import TrainingBatch
from detect.training.training_logs import read_metrics
from detect.training.training_loop import fit
from proposals.multibox_heads import HeadSetting, build_head
from proposals.multibox_loss import SUMS, MultiBoxLoss
from proposals.multibox_network import MultiBoxNetwork
from proposals.multibox_priors import grid_priors

IMAGES, SIDE = 4, 16
PRIORS = torch.tensor([[0.1, 0.1, 0.5, 0.5], [0.4, 0.4, 0.9, 0.9], [0.0, 0.0, 1.0, 1.0]])


class TinyTrunk(nn.Module):
    """Two maps of any image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        hidden = torch.relu(self.conv(images))
        return hidden, hidden.mean(dim=(2, 3))


class TinyHead(nn.Module):
    """A linear layer on the mean."""

    num_priors = len(PRIORS)

    def __init__(self) -> None:
        super().__init__()
        self.outputs = nn.Linear(6, 5 * self.num_priors)

    def forward(self, map16: Tensor, map32: Tensor) -> tuple[Tensor, Tensor]:
        answers = self.outputs(map32).view(-1, self.num_priors, 5)
        return answers[..., 0], answers[..., 1:] / 10


def tiny_network() -> MultiBoxNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MultiBoxNetwork(trunk=TinyTrunk(), head=TinyHead(), priors=PRIORS)


def sample(step: int, slot: int) -> MultiBoxSample:
    """A function of the step and the slot alone; slot 2 has no object, slot 3 teaches no negatives."""
    rng = np.random.default_rng([step, slot])
    corner = rng.uniform(0, 0.5, (0 if slot == 2 else 1 + slot % 2, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0.2, 0.5, corner.shape)], axis=1).astype(np.float32)
    pixels = torch.from_numpy(rng.integers(0, 256, (3, SIDE, SIDE), dtype=np.uint8))
    return MultiBoxSample(slot, slot, Path(f"step{step}_slot{slot}.jpg"), pixels, boxes, float(slot != 3))


def batch(step: int, *slots: int) -> TrainingBatch[MultiBoxSample]:
    return TrainingBatch(step, 0, tuple(sample(step, slot) for slot in slots))


def module(**changes: Any) -> MultiBoxTraining:
    given: dict[str, Any] = {
        "network": tiny_network(),
        "upload": functools.partial(upload_multibox, input_format=BVLC_INPUT, size=SIDE),
        "objective": MultiBoxLoss(),
        "settings": TinySettings(learning_rate=1e-3),
        "steps_per_epoch": 5.0,
        "images_per_batch": IMAGES,
    }
    return MultiBoxTraining(**given | changes)


def test_the_loss_of_a_batch_is_that_of_its_images_together() -> None:
    training = module()
    whole, sums = training.batch_loss(batch(0, 0, 1, 2, 3))
    parts = [training.batch_loss(batch(0, slot)) for slot in range(4)]
    assert whole is not None
    torch.testing.assert_close(whole, sum(loss for loss, _ in parts))
    torch.testing.assert_close(sums, sum(found for _, found in parts))
    named = dict(zip(SUMS, sums.tolist(), strict=True))
    assert (named["images"], named["objects"]) == (4, 1 + 2 + 0 + 2)
    figures = training.figures_of(named)
    assert figures["location_loss"] == named["location_loss"] / IMAGES
    assert figures["matched_confidence"] == named["matched_probability"] / 5
    assert float(whole.detach()) == pytest.approx(0.3 * named["location_loss"] + named["confidence_loss"])


def test_two_halves_change_the_weights_as_the_whole_does() -> None:
    training = module()
    gradients = []
    for shares in ([(0, 1, 2, 3)], [(0, 1), (2, 3)], [(0, 1, 2, 3), ()]):
        training.zero_grad()
        for share in shares:
            training._loss(batch(0, *share))[0].backward()
        gradients.append([parameter.grad.clone() for parameter in training.network.parameters()])
    for other in gradients[1:]:
        for one, another in zip(gradients[0], other, strict=True):
            torch.testing.assert_close(one, another)


def test_without_objects_there_is_no_confidence_to_log() -> None:
    training = module()
    _, sums = training.batch_loss(batch(0, 2))
    assert "matched_confidence" not in training.figures_of(dict(zip(SUMS, sums.tolist(), strict=True)))
    assert training.batch_loss(TrainingBatch(0, 0, ()))[0] is None


def test_a_run_logs_and_learns(tmp_path: Path) -> None:
    @contextmanager
    def stream(first: int, rank: int, world: int) -> Iterator[Iterator[TrainingBatch[MultiBoxSample]]]:
        yield (batch(0, 0, 1, 2, 3) for _ in range(first, 12))

    training = module()
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    fit(
        training,
        stream,
        steps=12,
        out=tmp_path,
        settings={},
        checkpoint_every=6,
        device=torch.device("cpu"),
        precision="fp32",
    )
    rows = read_metrics(tmp_path / "logs" / "metrics.csv")
    assert [row["images"] for row in rows] == [4] * 12
    assert rows[-1]["loss"] < rows[0]["loss"]
    after = training.averaged_state()
    assert torch.equal(after["priors"], before["priors"])
    assert not torch.equal(after["trunk.conv.weight"], before["trunk.conv.weight"])


@pytest.mark.slow
@pytest.mark.parametrize("network", [GoogLeNet, GoogLeNetBN])
@pytest.mark.parametrize("setting", [HeadSetting("fully_connected", 2), HeadSetting("convolutional", 4, (14, 7, 1))])
@pytest.mark.parametrize("frozen", ["none", "4e"])
def test_all_that_learns_gets_a_gradient(network: Any, setting: HeadSetting, frozen: str) -> None:
    priors = torch.from_numpy(grid_priors(setting.grids)) if setting.grids else PRIORS
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = GoogLeNetTrunk(network(1), frozen=frozen)
        whole = MultiBoxNetwork(trunk=trunk, head=build_head(setting, len(priors)), priors=priors).train()
    images = 30 * torch.randn(2, 3, 224, 224)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = whole(images)
    boxes = [torch.tensor([[0.1, 0.2, 0.6, 0.7]]), torch.zeros(0, 4)]
    loss, _ = MultiBoxLoss()(outputs, whole.priors, boxes, torch.ones(2))
    loss.backward()
    without = [name for name, one in whole.named_parameters() if one.requires_grad and one.grad is None]
    assert without == []
    assert all(one.grad.isfinite().all() for one in whole.parameters() if one.grad is not None)
    frozen_ones = [name for name, one in whole.named_parameters() if not one.requires_grad]
    assert bool(frozen_ones) == (frozen != "none")
