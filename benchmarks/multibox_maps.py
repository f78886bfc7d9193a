"""Views of many photos as GoogLeNet's frozen trunk sees them, computed once, and training of MultiBox's heads on them.

What is kept in memory is what the heads read: 4e's map (832 × 14 × 14) and 5b's (1024 × 7 × 7), in bfloat16: 426 kB a
view.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from configs.multibox_training import MultiBoxSamplingConfig
from configs.training import OptimisationConfig
from detect.model_file import Model
from detect.multibox_trunk import GoogLeNetTrunk
from detect.training.averaging import Average
from detect.training.batch_plan import PlannedImage
from detect.training.multibox_samples import SIZE, MultiBoxSample
from detect.training.multibox_stream import sample_image_view
from detect.training.multibox_upload import upload_multibox
from detect.training.multibox_validation import CoverageResult, coverage
from detect.training.optimiser import optimiser
from detect.training.region_samples import TrainingBatch
from detect.training.schedules import schedule
from detect.training.training_set import TrainingSet
from proposals.multibox import MultiBoxSettings, PictureView, best_boxes
from proposals.multibox_boxes import decode
from proposals.multibox_heads import HeadSetting, build_head
from proposals.multibox_loss import MultiBoxLoss
from proposals.multibox_network import MultiBoxNetwork
from proposals.proposals import Proposals

Maps = tuple[Tensor, Tensor]
WHOLE = MultiBoxSamplingConfig(crops=0.0, flip=False, photometric=0.0)


class GivenMaps(nn.Module):
    """A trunk that is fed its own answer."""

    def forward(self, maps: Maps) -> Maps:
        return maps


@dataclass(frozen=True)
class Views:
    """N views.

    Attributes:
        map16: (N, 832, 14, 14) bfloat16, channels_last. map32: (N, 1024, 7, 7) alike.
        boxes: of each, (m, 4) normalised.
        photos: (N,) position in the set.
    """

    map16: Tensor
    map32: Tensor
    boxes: tuple[Tensor, ...]
    photos: np.ndarray


class ViewMaker:
    """The trunk of a model in bfloat16 on the CPU."""

    def __init__(self, model: Model) -> None:
        self.info = model.info
        self.trunk = GoogLeNetTrunk(model.network).eval().bfloat16().to(memory_format=torch.channels_last)

    def views(self, photos: TrainingSet, settings: MultiBoxSamplingConfig, passes: int, seed: int) -> Views:
        """Each photo `passes` times, each time looked at anew, those that cannot be read left out."""
        parts, started = [], time.perf_counter()
        total = passes * len(photos)
        for start in range(0, total, 32):
            parts.append(self._maps(photos, range(start, min(start + 32, total)), settings, seed))
            if start % 640 == 0:
                print(f"{start} of {total} views, {time.perf_counter() - started:.0f} s", file=sys.stderr)
        return Views(
            map16=torch.cat([one.map16 for one in parts]),
            map32=torch.cat([one.map32 for one in parts]),
            boxes=tuple(box for one in parts for box in one.boxes),
            photos=np.concatenate([one.photos for one in parts]),
        )

    @torch.no_grad()
    def _maps(self, photos: TrainingSet, numbers: range, settings: MultiBoxSamplingConfig, seed: int) -> Views:
        samples = []
        for number in numbers:
            epoch, index = divmod(number, len(photos))
            found = sample_image_view(photos, PlannedImage(index, 0, epoch), 0, 1.0, settings, seed=seed, size=SIZE)
            samples += [found] if isinstance(found, MultiBoxSample) else []
        batch = upload_multibox(TrainingBatch(0, 0, tuple(samples)), input_format=self.info.input, device="cpu")
        map16, map32 = self.trunk(batch.images.bfloat16().contiguous(memory_format=torch.channels_last))
        return Views(map16, map32, batch.boxes, np.array([one.index for one in samples]))


def train_head(
    views: Views,
    rows: np.ndarray,
    negatives: np.ndarray,
    setting: HeadSetting,
    priors: np.ndarray,
    loss: MultiBoxLoss,
    settings: OptimisationConfig,
    *,
    batch: int,
    seed: int,
) -> tuple[MultiBoxNetwork, list[float]]:
    """A head trained on some of the views by the library's own parts; its averaged weights, and every step's loss.

    Args:
        negatives: of each photo of the set, see `negative_weights`.
    """
    weights = torch.from_numpy(negatives[views.photos])
    torch.manual_seed(seed)
    network = MultiBoxNetwork(trunk=GivenMaps(), head=build_head(setting, len(priors)), priors=priors)
    learning = list(network.named_parameters())
    sgd = optimiser(network, settings)
    rates = LambdaLR(sgd, schedule(settings, len(rows) / batch))
    average, losses = Average(settings.averaging, learning), []
    for chosen in _batches(rows, batch, settings.steps, seed):
        with torch.autocast("cpu", torch.bfloat16):
            outputs = network((views.map16[chosen], views.map32[chosen]))
        total, _ = loss(outputs, network.priors, [views.boxes[one] for one in chosen], weights[chosen])
        sgd.zero_grad(set_to_none=True)
        (total / batch).backward()
        if settings.clip is not None:
            torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
        sgd.step()
        rates.step()
        average.update(learning)
        losses.append(float(total.detach()) / batch)
    network.load_state_dict(average.over(network.state_dict()))
    return network.eval(), losses


def head_coverage(
    network: MultiBoxNetwork, views: Views, photos: TrainingSet, limit: int, budgets: Sequence[int]
) -> CoverageResult:
    """Coverage of a set by a head, from whole views of all its photos, one each."""
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        outputs = network((views.map16, views.map32))
        boxes = decode(network.priors, outputs.offsets)
        answers = torch.cat([outputs.logits[..., None], boxes], dim=2)
    found = dict(zip(views.photos.tolist(), answers, strict=True))
    numbers = iter(sorted(found))

    def propose(images: Iterator[np.ndarray]) -> Iterator[Proposals]:
        for image in images:
            height, width = image.shape[:2]
            view = PictureView((height, width), np.array([[0, 0, width, height]]), torch.empty(0))
            yield best_boxes(view, found[next(numbers)][None], MultiBoxSettings(limit=limit))

    return coverage(propose, photos, budgets)


def _batches(rows: np.ndarray, size: int, steps: int, seed: int) -> Iterator[np.ndarray]:
    """Rows of each step, in random order, all of them before any again."""
    rng = np.random.default_rng([seed, 1])
    turns = -(-steps * size // len(rows))
    order = np.concatenate([rng.permutation(rows) for _ in range(turns)])
    yield from (order[step * size : (step + 1) * size] for step in range(steps))
