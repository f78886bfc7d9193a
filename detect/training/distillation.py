"""What the network that training starts from says of some regions, as targets beside the annotations.

After Li and Hoiem, Learning without forgetting (2016), and Hinton et al., Distilling the knowledge in a neural network
(2015): most of the 1000 classes have no box in any training set, and what training makes of them is whatever comes of
teaching others. The answers of the network as it was, on regions that nobody has annotated, keep them what they are.
The teacher sees each region warped by itself, as it learnt to; of shared regions the learner so gets what these miss.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from detect.model_file import Model
from detect.region_classifier import RegionClassifier
from detect.region_warp import RegionWarper, WarpSettings
from detect.training.region_samples import Answers, ImageSample, RegionBatch, TrainingBatch
from proposals.device_copy import on_device

REGIONS_AT_ONCE = 64  # 224 × 224 pixels each


class Upload(Protocol):
    """`region_upload.upload`, or `shared_upload.upload_shared`, with its settings bound."""

    def __call__(self, batch: TrainingBatch[ImageSample], *, device: torch.device) -> RegionBatch[Any]: ...


@dataclass
class Teacher:
    """A classification network that answers for regions of a batch.

    Args:
        model: what training starts from; on a device at the first question.
        asked: (T,) bool, of every target, whether regions with it are asked about.
        regions: at most so many of each image, the first that the sampler drew.
        temperature: that the answers' logits are divided by.
        context: pixels of surroundings on each side of a warped region, of 224.
        precision: "auto", "fp32" or "bf16".
    """

    model: Model
    asked: NDArray[np.bool_]
    regions: int
    temperature: float
    context: int
    precision: str = "auto"

    def __post_init__(self) -> None:
        self._classifier: RegionClassifier | None = None

    @property
    def outputs(self) -> int:
        """C: the classification classes, background, which a detector has behind them, not among them."""
        return classification_outputs(self.model)

    def chosen(self, sample: ImageSample) -> NDArray[np.int64]:
        """Which regions of an image are asked about, ascending."""
        rows: NDArray[np.int64] = np.flatnonzero(self.asked[sample.regions.targets])[: self.regions]
        return rows

    def __call__(self, batch: TrainingBatch[ImageSample], device: torch.device) -> Answers:
        """The answers for a batch's regions, neither mirrored nor distorted; there may be none."""
        classifier = self._on(device)
        rows, crops, first = [], [], 0
        for sample in batch.samples:
            chosen = self.chosen(sample)
            if len(chosen):
                warper = RegionWarper(
                    sample.image,
                    classifier.info.input,
                    settings=WarpSettings(context=self.context),
                    device=classifier.device,
                )
                crops.append(warper.regions(sample.regions.boxes[chosen]))
                rows.append(first + chosen)
            first += len(sample.regions)
        if not rows:
            none = torch.zeros(0, dtype=torch.int64, device=device)
            return Answers(none, torch.zeros(0, self.outputs, device=device))
        logits = [classifier.logits(few) for few in torch.split(torch.cat(crops), REGIONS_AT_ONCE)]
        # A tensor made in inference mode cannot take part in a loss; what softmax makes outside it can.
        probs = F.softmax(torch.cat(logits)[:, : self.outputs].clone() / self.temperature, dim=1)
        return Answers(on_device(torch.from_numpy(np.concatenate(rows)), device), probs)

    def _on(self, device: torch.device) -> RegionClassifier:
        if self._classifier is None or self._classifier.device != device:
            self._classifier = RegionClassifier(self.model, device=str(device), precision=self.precision)
        return self._classifier


def classification_outputs(model: Model) -> int:
    """Of a classification network all outputs, of a marginal detector all but background, its last.

    Raises:
        ValueError: of a softmax detector, whose outputs are other classes.
    """
    if model.info.head == "softmax":
        raise ValueError(f"distillation: expected a network of classification outputs, got softmax {model.info.name}")
    return model.info.num_outputs - (model.info.head == "marginal")


def upload_and_ask(
    batch: TrainingBatch[ImageSample], *, upload: Upload, teacher: Teacher, device: torch.device
) -> RegionBatch[Any]:
    """What `upload` makes of a batch, with the teacher's answers."""
    return dataclasses.replace(upload(batch, device=device), answers=teacher(batch, device))


def distillation_loss(logits: Tensor, answers: Answers, temperature: float) -> Tensor:
    """T² · KL(teacher ‖ learner) of the regions with answers, among the teacher's outputs alone.

    How probable background is, is left to the annotations: a classification network knows no background.

    Args:
        logits: (N, O) of all regions, O at least the teacher's C; the first C are the same outputs.
        temperature: T, of the answers; T² keeps gradients of one size (Hinton et al., section 2.1).
    Returns:
        (n,) float32, at least 0 but for rounding.
    """
    ours = logits.float().index_select(0, answers.rows)[:, : answers.probs.shape[1]]
    logs = F.log_softmax(ours / temperature, dim=1)
    return F.kl_div(logs, answers.probs, reduction="none").sum(dim=1) * temperature**2
