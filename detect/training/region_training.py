"""A step of the region classifier's training: images become regions on the device, logits, and a loss."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from detect.training.network_pass import step_seed
from detect.training.objective import LOSSES, SUMS, Objective, Outputs
from detect.training.optimiser import OptimiserSettings
from detect.training.region_samples import ImageSample, TrainingBatch, Upload
from detect.training.training_module import NetworkTraining


class NetworkPass(Protocol):
    """`network_pass.training_outputs`, or `shared_pass.shared_outputs`, with its settings bound.

    What it is given of the regions is `RegionBatch.regions`, of the upload that goes with it.
    """

    def __call__(
        self, network: Any, regions: Any, /, *, slots: Tensor, generator_seed: int, total_slots: int
    ) -> Outputs: ...


class RegionTraining(NetworkTraining[ImageSample]):
    """`NetworkTraining` of a region classifier.

    Args:
        network: any, as long as `network_pass` takes it; on the CPU, frozen where it is not to learn.
        network_pass: regions → logits, auxiliary logits, box deltas.
        upload: a batch of images → its regions on the device.
        objective: outputs and regions → loss.
        settings: of the optimiser.
        steps_per_epoch: mean, for the googlenet schedule.
        regions_per_batch: of a full global batch.
        seed: of dropout.
    """

    sum_names = SUMS

    def __init__(
        self,
        *,
        network: nn.Module,
        network_pass: NetworkPass,
        upload: Upload,
        objective: Objective,
        settings: OptimiserSettings,
        steps_per_epoch: float,
        regions_per_batch: int,
        seed: int,
    ) -> None:
        super().__init__(
            network=network, settings=settings, steps_per_epoch=steps_per_epoch, per_batch=regions_per_batch
        )
        self.objective, self._network_pass, self._upload, self._seed = objective, network_pass, upload, seed

    def batch_loss(self, batch: TrainingBatch[ImageSample]) -> tuple[Tensor | None, Tensor]:
        """The objective of the batch's regions."""
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            regions = self._upload(batch, device=self.device)
        if not len(regions.targets):
            return None, torch.zeros(len(SUMS), dtype=torch.float64, device=self.device)
        outputs = self._network_pass(
            self.network,
            regions.regions,
            slots=regions.slots,
            generator_seed=step_seed(self._seed, batch.step),
            total_slots=self.per_batch,
        )
        loss, sums = self.objective(outputs, regions)
        return loss, sums

    def figures_of(self, sums: dict[str, float]) -> dict[str, float]:
        """Losses over the nominal regions, and the accuracy where there is foreground."""
        figures = {name: sums[name] / self.per_batch for name in LOSSES} | {"regions": sums["regions"]}
        if sums["foreground"]:
            figures["foreground_accuracy"] = sums["right"] / sums["foreground"]
        return figures
