"""A step of a classification network's training: whole images on the device, logits, and GoogLeNet's loss."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detect.backbones.backbone import Backbone
from detect.training.backbone_samples import ClassBatch, ClassSample
from detect.training.network_pass import step_seed, training_outputs
from detect.training.objective import Outputs
from detect.training.optimiser import OptimiserSettings
from detect.training.region_samples import TrainingBatch
from detect.training.training_module import NetworkTraining

SUMS = ("class_loss", "auxiliary_loss", "right", "images")


class UploadClasses(Protocol):
    """`detect.training.backbone_upload.upload_classes` with its settings bound."""

    def __call__(self, batch: TrainingBatch[ClassSample], *, device: torch.device) -> ClassBatch: ...


class BackboneTraining(NetworkTraining[ClassSample]):
    """`NetworkTraining` of a classification network.

    Args:
        network: on the CPU, frozen where it is not to learn, with auxiliary classifiers if these are to learn.
        upload: a batch of views → images and labels on the device.
        settings: of the optimiser.
        steps_per_epoch: mean, for the googlenet schedule.
        images_per_batch: of a full global batch.
        auxiliary: weight of each auxiliary classifier's loss.
        dropout, auxiliary_dropout: fractions of features that are dropped.
        batch_statistics: batch normalisation that learns sees a batch by its own mean and variance, of each process its
            share's, and remembers them; False: by those that are stored, which stay. One image alone has none.
        frozen: the stages up to this one do not learn; "none": all do.
        seed: of dropout.
    """

    sum_names = SUMS
    unit = "images"

    def __init__(
        self,
        *,
        network: Backbone,
        upload: UploadClasses,
        settings: OptimiserSettings,
        steps_per_epoch: float,
        images_per_batch: int,
        auxiliary: float,
        dropout: float,
        auxiliary_dropout: float,
        batch_statistics: bool,
        frozen: str,
        seed: int,
    ) -> None:
        super().__init__(
            network=network,
            settings=settings,
            steps_per_epoch=steps_per_epoch,
            per_batch=images_per_batch,
            average_statistics=batch_statistics,
        )
        self._upload, self._auxiliary = upload, auxiliary
        self._dropout, self._auxiliary_dropout = dropout, auxiliary_dropout
        self._batch_statistics, self._frozen, self._seed = batch_statistics, frozen, seed

    def batch_loss(self, batch: TrainingBatch[ClassSample]) -> tuple[Tensor | None, Tensor]:
        """`classification_loss` of the batch's images."""
        if not batch.samples:
            return None, torch.zeros(len(SUMS), dtype=torch.float64, device=self.device)
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            images = self._upload(batch, device=self.device)
        network = self.network
        assert isinstance(network, Backbone)
        see_by_batch(network, self._batch_statistics and len(batch.samples) > 1)
        outputs = training_outputs(
            network,
            images.images,
            frozen=self._frozen,
            slots=images.slots,
            generator_seed=step_seed(self._seed, batch.step),
            total_slots=self.per_batch,
            dropout=self._dropout,
            auxiliary_dropout=self._auxiliary_dropout,
        )
        return classification_loss(outputs, images.labels, self._auxiliary)

    def figures_of(self, sums: dict[str, float]) -> dict[str, float]:
        """Each term over the nominal images, the auxiliary one unweighted, and the accuracy on what was trained on."""
        figures = {name: sums[name] / self.per_batch for name in SUMS[:2]} | {"images": sums["images"]}
        if sums["images"]:
            figures["training_accuracy"] = sums["right"] / sums["images"]
        return figures


def classification_loss(outputs: Outputs, labels: Tensor, auxiliary: float) -> tuple[Tensor, Tensor]:
    """The cross entropy, and weighted that of each auxiliary classifier (GoogLeNet, section 5), summed over the images.

    Args:
        labels: (N,) int64.
        auxiliary: weight of each auxiliary classifier's.
    Returns:
        A number to differentiate, and `SUMS`: its terms unweighted, and counts; detached (4,) float64. right: images
        whose most probable class is theirs.
    """
    logits = outputs.logits
    classes = F.cross_entropy(logits, labels, reduction="sum")
    nothing = torch.zeros_like(classes)
    others = sum((F.cross_entropy(one, labels, reduction="sum") for one in outputs.auxiliary), nothing)
    counts = ((logits.argmax(dim=1) == labels).sum(), torch.full_like(classes, len(labels)))
    sums = torch.stack([one.detach().double() for one in (classes, others, *counts)])
    return classes + auxiliary * others, sums


def see_by_batch(network: Backbone, wanted: bool) -> None:
    """Let layers of batch normalisation that learn use the batch's statistics, or the stored ones."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train(wanted and module.weight.requires_grad)
