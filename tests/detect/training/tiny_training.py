"""A training run small enough to repeat many times: a network of some hundred weights on made-up regions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detect.class_tables import DetectionClass
from detect.training.checkpoints import find_checkpoint
from detect.training.network_pass import dropout_mask
from detect.training.objective import Objective
from detect.training.region_samples import ImageSample, RegionBatch, SampledRegions, TrainingBatch
from detect.training.region_training import RegionTraining
from detect.training.training_loop import FitResult, fit

IMAGES, REGIONS_PER_IMAGE = 4, 3  # of the global batch
CLASSES = (DetectionClass("", "left", (0, 1)), DetectionClass("", "right", (2,)))
OUTPUTS = 5  # 3 and 4 are background
ALLOWED = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1]], bool)
SIDE = 6


@dataclass(frozen=True)
class TinySettings:
    """What `configs.training.OptimisationConfig` has."""

    steps: int = 12
    optimiser: str = "sgd"
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "cosine"
    drops: tuple[float, ...] = ()
    warm_up: int = 3
    head_rate: float = 2.0
    rates: Mapping[str, float] = field(default_factory=dict)
    averaging: float = 0.9


@dataclass(frozen=True)
class TinyOutputs:
    """What the tiny network says."""

    logits: Tensor
    auxiliary: tuple[Tensor, ...]
    deltas: Tensor | None
    fit: Tensor | None = None
    corrections: Tensor | None = None


class TinyNetwork(nn.Module):
    """A convolution, a classifier, an auxiliary one and a box regressor."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.conv = nn.Conv2d(3, 8, 3)
            self.classifier = nn.Linear(8, OUTPUTS)
            self.auxiliary_4a = nn.Linear(8, OUTPUTS)
            self.box_regressor = nn.Linear(8, 4)


def tiny_pass(
    network: TinyNetwork, images: Tensor, *, slots: Tensor, generator_seed: int, total_slots: int
) -> TinyOutputs:
    """One pass, with dropout that follows the slot as in the real one."""
    hidden = torch.relu(network.conv(images)).mean(dim=(2, 3))
    mask = dropout_mask(slots, total_slots, 8, 0.4, generator_seed, "tail")
    assert mask is not None
    return TinyOutputs(
        network.classifier(hidden * mask), (network.auxiliary_4a(hidden),), network.box_regressor(hidden)
    )


def tiny_upload(batch: TrainingBatch, *, device: torch.device) -> RegionBatch:
    """Cuts nothing: a region is the image's corner plus a number of its own."""
    regions, slots = [], []
    for sample in batch.samples:
        base = torch.from_numpy(sample.image[:SIDE, :SIDE].copy()).permute(2, 0, 1).float() / 255
        for place in range(len(sample.regions)):
            regions.append(base + place / 10)
            slots.append(sample.slot * REGIONS_PER_IMAGE + place)
    targets = [torch.from_numpy(sample.regions.targets) for sample in batch.samples]
    regress = [torch.from_numpy(sample.regions.regress) for sample in batch.samples]
    count = len(slots)
    return RegionBatch(
        regions=(torch.stack(regions) if count else torch.zeros(0, 3, SIDE, SIDE)).to(device),
        targets=(torch.cat(targets) if count else torch.zeros(0, dtype=torch.int64)).to(device),
        deltas=torch.full((count, 4), 0.3, device=device),
        regress=(torch.cat(regress) if count else torch.zeros(0, dtype=torch.bool)).to(device),
        near=torch.zeros(count, dtype=torch.bool, device=device),
        slots=torch.tensor(slots, dtype=torch.int64, device=device),
    )


def tiny_sample(step: int, slot: int) -> ImageSample:
    """A function of the step and the slot alone."""
    rng = np.random.default_rng([step, slot])
    targets = rng.integers(0, len(ALLOWED), REGIONS_PER_IMAGE)
    image = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image[..., 0] = 80 * targets[0]
    boxes = np.tile(np.array([0, 0, 4, 4], np.float32), (REGIONS_PER_IMAGE, 1))
    regions = SampledRegions(boxes, targets.astype(np.int64), boxes, targets < 2, targets < 2)
    flipped = np.zeros(REGIONS_PER_IMAGE, bool)
    return ImageSample(slot, slot, Path(f"step{step}_slot{slot}.jpg"), image, regions, flipped)


def tiny_stream(
    last_step: int, change: Callable[[TrainingBatch], TrainingBatch] = lambda batch: batch
) -> Callable[[int, int, int], Any]:
    """The stream of a run; `change` sees every batch."""

    @contextmanager
    def stream(first_step: int, rank: int, world: int) -> Iterator[Iterator[TrainingBatch]]:
        share = range(rank * IMAGES // world, (rank + 1) * IMAGES // world)
        yield (
            change(TrainingBatch(step, 0, tuple(tiny_sample(step, slot) for slot in share)))
            for step in range(first_step, last_step)
        )

    return stream


def tiny_objective(**changes: Any) -> Objective:
    """Of the tiny classes."""
    given: dict[str, Any] = {"per_class": False, "auxiliary": 0.3, "box_weight": 1.0} | changes
    return Objective(allowed=ALLOWED, classes=CLASSES, num_outputs=OUTPUTS, **given)


def tiny_module(settings: TinySettings | None = None, **changes: Any) -> RegionTraining:
    """A module in its first state."""
    given: dict[str, Any] = {
        "network": TinyNetwork(),
        "network_pass": tiny_pass,
        "upload": tiny_upload,
        "objective": tiny_objective(),
        "settings": settings or TinySettings(),
        "steps_per_epoch": 5.0,
        "regions_per_batch": IMAGES * REGIONS_PER_IMAGE,
        "seed": 1,
    }
    return RegionTraining(**given | changes)


def tiny_fit(
    module: RegionTraining,
    out: Path,
    *,
    steps: int = 12,
    change: Callable[[TrainingBatch], TrainingBatch] = lambda batch: batch,
    resume: bool = False,
    **changes: Any,
) -> FitResult:
    """`fit` on the CPU with the tiny stream; `steps` may be fewer than the schedule of the module has."""
    given: dict[str, Any] = {
        "settings": {"seed": 1},
        "checkpoint_every": 4,
        "device": torch.device("cpu"),
        "precision": "fp32",
        "clip": 10.0,
        "resume_from": find_checkpoint(out / "checkpoints", {"seed": 1}) if resume else None,
    }
    return fit(module, tiny_stream(steps, change), steps=steps, out=out, **given | changes)
