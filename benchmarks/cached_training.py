"""Training and detection on cached features: the tail and the heads of GoogLeNet, by the library's own parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from pooled_features import CachedRegions, PooledGoogLeNet
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from configs.training import HeadConfig, OptimisationConfig
from detect.region_classifier import RegionClassifier
from detect.suppression import suppress
from detect.training.averaging import Average
from detect.training.network_pass import freeze, step_seed, training_outputs
from detect.training.objective import Objective
from detect.training.optimiser import optimiser
from detect.training.region_samples import RegionBatch
from detect.training.schedules import schedule
from detect.training.training_set import TrainingSet
from detect.training.validation import MIN_SCORE, ValidationResult, score
from detect.view_averaging import average, joined

FROZEN = "4e"


@dataclass(frozen=True)
class CachedTraining:
    """One run on cached regions.

    Attributes:
        targets, regress: (N,) of the regions: their own, or as a variant changes them.
        foreground: (N,) bool.
        batch: regions a step, a quarter of them foreground.
        seed: of batches and dropout.
    """

    regions: CachedRegions
    targets: np.ndarray
    regress: np.ndarray
    foreground: np.ndarray
    batch: int
    seed: int

    def run(
        self, network: PooledGoogLeNet, objective: Objective, head: HeadConfig, settings: OptimisationConfig
    ) -> tuple[dict[str, Tensor], list[float]]:
        """Train a network in place; returns the state of its average, and the loss of every step."""
        freeze(network.train(), FROZEN)
        sgd = optimiser(network, settings)
        rates = LambdaLR(sgd, schedule(settings, len(self.regions) / self.batch))
        learning = [(name, one) for name, one in network.named_parameters() if one.requires_grad]
        average, losses = Average(settings.averaging, learning), []
        device = next(network.parameters()).device
        for step, rows in enumerate(batches_of(self.foreground, self.batch, settings.steps, self.seed)):
            loss = self._loss(network, objective, head, self._batch(rows, device), step)
            assert torch.isfinite(loss), f"loss {float(loss)} at step {step}"
            sgd.zero_grad(set_to_none=True)
            loss.backward()
            if settings.clip is not None:
                torch.nn.utils.clip_grad_norm_((one for _, one in learning), settings.clip)
            sgd.step()
            rates.step()
            average.update(learning)
            losses.append(float(loss.detach()))
        return average.over(network.state_dict()), losses

    def _loss(
        self, network: PooledGoogLeNet, objective: Objective, head: HeadConfig, batch: RegionBatch, step: int
    ) -> Tensor:
        with torch.autocast(batch.regions.device.type, torch.bfloat16):
            outputs = training_outputs(
                network,
                batch.regions,
                frozen=FROZEN,
                slots=batch.slots,
                generator_seed=step_seed(self.seed, step),
                total_slots=self.batch,
                dropout=head.dropout,
                auxiliary_dropout=0.0,
            )
        loss, _ = objective(outputs, batch)
        return loss / self.batch

    def _batch(self, rows: np.ndarray, device: torch.device) -> RegionBatch:
        def there(values: np.ndarray) -> Tensor:
            return torch.from_numpy(values).to(device)

        return RegionBatch(
            regions=self.regions.features(rows).to(device),
            targets=there(self.targets[rows]),
            deltas=there(self.regions.table["delta"][rows]),
            regress=there(self.regress[rows]),
            near=there(np.zeros(len(rows), np.bool_)),
            slots=there(np.arange(len(rows))),
        )


def batches_of(foreground: np.ndarray, size: int, steps: int, seed: int) -> Iterator[np.ndarray]:
    """Rows of each step, a quarter foreground as in R-CNN; each kind in random order, all of it before any again."""
    rng = np.random.default_rng([seed, 1])
    pools = [np.flatnonzero(foreground), np.flatnonzero(~foreground)]
    wanted = [size // 4, size - size // 4]
    if not all(map(len, pools)):
        wanted = [size if len(pool) else 0 for pool in pools]
    orders = []
    for pool, count in zip(pools, wanted, strict=True):
        turns = -(-steps * count // max(1, len(pool)))
        orders.append(np.concatenate([pool[:0], *(rng.permutation(pool) for _ in range(turns))]))
    for step in range(steps):
        parts = [order[step * count : (step + 1) * count] for order, count in zip(orders, wanted, strict=True)]
        yield np.concatenate(parts)


def detect_cached(classifier: RegionClassifier, regions: CachedRegions, held_back: TrainingSet) -> ValidationResult:
    """Detections of every photo, as `Detector` finds them, and their score."""
    detections = {}
    images, boxes, sizes = (regions.table[name] for name in ("image", "box", "size"))
    for image in np.unique(images):
        rows = np.flatnonzero(images == image)
        answers = [classifier.classify(regions.features(part)) for part in np.array_split(rows, -(-len(rows) // 64))]
        own = torch.from_numpy(boxes[rows]).to(classifier.device)
        found = average(own, [joined(answers)], tuple(sizes[rows[0]].tolist()))
        detections[int(image)] = suppress(*found, min_score=MIN_SCORE)
    return score(held_back, detections)
