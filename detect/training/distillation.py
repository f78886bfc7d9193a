"""What a classification network says of some regions, as targets beside the annotations.

After Li and Hoiem, Learning without forgetting (2016), and Hinton et al., Distilling the knowledge in a neural network
(2015): most of the 1000 classes have no box in any training set, and what training makes of them is whatever comes of
teaching others. The answers of the network as it was, on regions without a class of their own, keep them what they are.
The teacher sees each region warped by itself, as it learnt to; of shared regions the learner so gets what these miss.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from detect.model_file import Model
from detect.region_classifier import RegionClassifier
from detect.region_warp import RegionWarper, WarpSettings
from detect.training.region_samples import Answers, ImageSample, RegionBatch, TrainingBatch, Upload
from proposals.device_copy import on_device

REGIONS_AT_ONCE = 64  # 224 × 224 pixels each


@dataclass
class Teacher:
    """A classification network that answers for regions of a batch.

    Args:
        model: it goes to a device at the first question. Regions have the context that it was trained with.
        asked: (T,) bool, of every target, whether regions with it are asked about.
        regions: at most so many of each image, the first that the sampler drew.
        temperature: that the answers' logits are divided by.
        precision: "auto", "fp32" or "bf16".
    Raises:
        ValueError: if no region is to be asked about, or the temperature is not above 0.
    """

    model: Model
    asked: NDArray[np.bool_]
    regions: int
    temperature: float
    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.regions < 1 or self.temperature <= 0:
            raise ValueError(
                f"expected at least 1 region and a temperature above 0, got {self.regions} and {self.temperature}"
            )
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
        warp = WarpSettings(context=self.model.info.context)
        rows, crops, first = [], [], 0
        for sample in batch.samples:
            chosen = self.chosen(sample)
            if len(chosen):
                warper = RegionWarper(sample.image, classifier.info.input, settings=warp, device=device)
                crops.append(warper.regions(sample.regions.boxes[chosen]))
                rows.append(first + chosen)
            first += len(sample.regions)
        if not rows:
            none = torch.zeros(0, dtype=torch.int64, device=device)
            return Answers(none, torch.zeros(0, self.outputs, device=device), self.temperature)
        logits = [classifier.logits(few) for few in torch.split(torch.cat(crops), REGIONS_AT_ONCE)]
        # Tensors made in inference mode cannot take part in a loss; what is made of them outside it can.
        probs = F.softmax(torch.cat(logits)[:, : self.outputs] / self.temperature, dim=1)
        return Answers(on_device(torch.from_numpy(np.concatenate(rows)), device), probs, self.temperature)

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


def check_teacher(teacher: Model, learner: Model) -> None:
    """Raises ValueError if they do not mean the same by their outputs, or the teacher has not learnt warped regions."""
    theirs, ours = classification_outputs(teacher), classification_outputs(learner)
    if theirs != ours:
        raise ValueError(f"distillation.teacher: expected {ours} classification outputs, as of model, got {theirs}")
    if "warp" not in teacher.info.regions:
        raise ValueError(
            f"distillation.teacher: expected a network trained for warped regions, got {teacher.info.name}, which is "
            f"for {teacher.info.regions[0]} ones"
        )
    members = {one.wnid: set(one.members) for one in learner.info.classes}
    for one in teacher.info.classes:
        theirs_of, ours_of = set(one.members), members.get(one.wnid, set(one.members))
        if not (theirs_of <= ours_of or ours_of <= theirs_of):  # one of them may count kindred classes too
            raise ValueError(f"distillation.teacher: expected the order of model's outputs, got another for {one.name}")


def upload_and_ask(
    batch: TrainingBatch[ImageSample], *, upload: Upload, teacher: Teacher, device: torch.device
) -> RegionBatch[Any]:
    """What `upload` makes of a batch, with the teacher's answers."""
    return dataclasses.replace(upload(batch, device=device), answers=teacher(batch, device))


def trusted_weights(weights: Tensor, answers: Answers, members: Tensor, trust: float) -> Tensor:
    """How right each output is for regions of which a teacher says that they are of an unannotated class.

    A background region may be of a class that its image is not annotated for, at the same small weight for all of
    them (`losses.log_weights`). If a teacher is surer than that of one of them, what it says counts.

    Args:
        weights: (N, O) logarithms, of every region of the batch.
        members: (O, K + 1) bool, `losses.memberships`.
        trust: what the teacher's probabilities are multiplied by, in [0, 1].
    Returns:
        (N, O), where regions have answers at least `trust` · probability of the output's class, for outputs that
        already have a weight below 1; new, unless trust is 0.
    """
    if not trust:
        return weights
    probs = F.softmax(answers.temperature * answers.probs.clamp(min=1e-30).log(), dim=1)  # as at a temperature of 1
    classes = members[:, :-1].to(probs.dtype)
    of_class = (probs @ classes[: probs.shape[1]]) @ classes.T
    rows = weights.index_select(0, answers.rows)
    seldom = (rows < 0) & (rows > -torch.inf)
    raised = torch.where(seldom, torch.maximum(rows, (trust * of_class).clamp(min=1e-30).log()), rows)
    return weights.index_copy(0, answers.rows, raised)


def distillation_loss(logits: Tensor, answers: Answers) -> Tensor:
    """T² · KL(teacher ‖ learner) of the regions with answers, among the teacher's outputs alone.

    How probable background is, is left to the annotations: a classification network knows no background.

    Args:
        logits: (N, O) of all regions, O at least the teacher's C; the first C are the same outputs.
        answers: their temperature is T; T² keeps gradients of one size (Hinton et al., section 2.1).
    Returns:
        (n,) float32, at least 0 but for rounding.
    """
    ours = logits.float().index_select(0, answers.rows)[:, : answers.probs.shape[1]]
    logs = F.log_softmax(ours / answers.temperature, dim=1)
    return F.kl_div(logs, answers.probs, reduction="none").sum(dim=1) * answers.temperature**2
