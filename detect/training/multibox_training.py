"""A step of MultiBox's training: whole images on the device, a confidence and a place for each prior, and a loss."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from detect.training.multibox_samples import MultiBoxBatch, MultiBoxSample
from detect.training.optimiser import OptimiserSettings
from detect.training.region_samples import TrainingBatch
from detect.training.training_module import NetworkTraining
from proposals.multibox_loss import SUMS, MultiBoxLoss
from proposals.multibox_network import MultiBoxNetwork


class UploadImages(Protocol):
    """`detect.training.multibox_upload.upload_multibox` with its settings bound."""

    def __call__(self, batch: TrainingBatch[MultiBoxSample], *, device: torch.device) -> MultiBoxBatch: ...


class MultiBoxTraining(NetworkTraining[MultiBoxSample]):
    """`NetworkTraining` of a MultiBox network.

    Args:
        network: on the CPU, its trunk frozen where it is not to learn.
        upload: a batch of crops → the network's input and the objects, on the device.
        objective: outputs and objects → loss.
        settings: of the optimiser.
        steps_per_epoch: mean, for the googlenet schedule.
        images_per_batch: of a full global batch.
    """

    sum_names = SUMS
    unit = "images"

    def __init__(
        self,
        *,
        network: MultiBoxNetwork,
        upload: UploadImages,
        objective: MultiBoxLoss,
        settings: OptimiserSettings,
        steps_per_epoch: float,
        images_per_batch: int,
    ) -> None:
        super().__init__(
            network=network, settings=settings, steps_per_epoch=steps_per_epoch, per_batch=images_per_batch
        )
        self._upload, self._objective = upload, objective

    def batch_loss(self, batch: TrainingBatch[MultiBoxSample]) -> tuple[Tensor | None, Tensor]:
        """The objective of the batch's images."""
        if not batch.samples:
            return None, torch.zeros(len(SUMS), dtype=torch.float64, device=self.device)
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            images = self._upload(batch, device=self.device)
        network = self.network
        assert isinstance(network, MultiBoxNetwork)
        return self._objective(network(images.images), network.priors, images.boxes, images.negatives)

    def figures_of(self, sums: dict[str, float]) -> dict[str, float]:
        """Each term over the nominal images, unweighted, and how sure the network is of what it was matched with."""
        figures = {name: sums[name] / self.per_batch for name in SUMS[:2]} | {"images": sums["images"]}
        if sums["objects"]:
            figures["matched_confidence"] = sums["matched_probability"] / sums["objects"]
        return figures
