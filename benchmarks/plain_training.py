"""Training as one writes it in an afternoon: a DataLoader that decodes, crops and resizes each region by itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from configs.training import HeadConfig, OptimisationConfig
from detect.backbones.backbone import Backbone
from detect.box_coding import encode_boxes
from detect.input_format import InputFormat
from detect.region_warp import WarpSettings, add_context
from detect.training.network_pass import training_outputs
from detect.training.objective import Objective
from detect.training.optimiser import optimiser
from detect.training.region_samples import ImageSample, RegionBatch


@dataclass(frozen=True)
class PlainRegions(Dataset):
    """Regions one by one, as a detection tutorial's dataset gives them.

    Attributes:
        regions: (path, box (4,), target, delta (4,), whether it regresses, whether it is mirrored) of each.
    """

    regions: list[tuple[Path, np.ndarray, int, np.ndarray, bool, bool]]
    input: InputFormat
    warp: WarpSettings

    def __len__(self) -> int:
        return len(self.regions)

    def __getitem__(self, index: int) -> tuple[Tensor, int, np.ndarray, bool]:
        path, box, target, delta, regress, mirrored = self.regions[index]
        crop = self.crop(Image.open(path).convert("RGB"), box)
        if mirrored:
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = torch.from_numpy(np.array(crop)).permute(2, 0, 1)
        return self.input.normalise(pixels[None])[0], target, delta, regress

    def crop(self, image: Image.Image, box: np.ndarray) -> Image.Image:
        """A box with its context, the mean outside of the image, resized."""
        x1, y1, x2, y2 = (round(float(value)) for value in add_context(box[None], self.warp)[0])
        mean = self.input.mean[::-1] if self.input.order == "bgr" else self.input.mean
        padded = Image.new("RGB", (x2 - x1, y2 - y1), tuple(round(value) for value in mean))
        padded.paste(image.crop((max(0, x1), max(0, y1), x2, y2)), (max(0, -x1), max(0, -y1)))
        width, height = min(x2, image.width) - x1, min(y2, image.height) - y1
        if width < x2 - x1:  # what PIL fills with black beyond the right and lower edges
            padded.paste(tuple(round(value) for value in mean), (width, 0, x2 - x1, y2 - y1))
        if height < y2 - y1:
            padded.paste(tuple(round(value) for value in mean), (0, height, x2 - x1, y2 - y1))
        return padded.resize((self.warp.size, self.warp.size), Image.Resampling.BILINEAR)


def plain_regions(samples: list[ImageSample], input_format: InputFormat, warp: WarpSettings) -> PlainRegions:
    """The regions that our own sampler has drawn, to be cut the plain way."""
    regions = []
    for sample in samples:
        boxes, matched = (torch.from_numpy(one) for one in (sample.regions.boxes, sample.regions.matched))
        signs = np.where(sample.flipped[:, None], np.array([-1, 1, 1, 1], np.float32), np.float32(1))
        deltas = encode_boxes(boxes, matched).numpy() * signs
        rows = zip(
            sample.regions.boxes,
            sample.regions.targets.tolist(),
            deltas,
            sample.regions.regress.tolist(),
            sample.flipped.tolist(),
            strict=True,
        )
        regions += [(sample.path, *row) for row in rows]
    return PlainRegions(regions, input_format, warp)


def train_plainly(
    network: Backbone,
    regions: PlainRegions,
    objective: Objective,
    head: HeadConfig,
    settings: OptimisationConfig,
    *,
    batch: int,
    workers: int,
    bfloat16: bool,
) -> list[tuple[float, int]]:
    """Train on all regions once; the seconds and the number of regions of each step, the loader's wait included."""
    sgd = optimiser(network, settings)
    loader = DataLoader(regions, batch_size=batch, num_workers=workers)
    steps, since = [], time.perf_counter()
    for images, targets, deltas, regress in loader:
        if bfloat16:
            images = images.contiguous(memory_format=torch.channels_last)
        slots = torch.arange(len(images))
        batch = RegionBatch(images, targets, deltas, regress, torch.zeros_like(regress), slots)
        gradients_of(network, batch, objective, head, settings, bfloat16)
        torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
        sgd.step()
        sgd.zero_grad(set_to_none=True)
        now = time.perf_counter()
        steps.append((now - since, len(images)))
        since = now
    return steps


def gradients_of(
    network: Backbone,
    batch: RegionBatch,
    objective: Objective,
    head: HeadConfig,
    settings: OptimisationConfig,
    bfloat16: bool,
) -> float:
    """The network's own work on a batch: forward, loss, backward. Returns the loss."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        outputs = training_outputs(
            network,
            batch.regions,
            frozen=settings.frozen,
            slots=batch.slots,
            generator_seed=0,
            total_slots=len(batch.slots),
            dropout=head.dropout,
            auxiliary_dropout=head.auxiliary_dropout,
        )
    loss, _ = objective(outputs, batch)
    (loss / len(batch.slots)).backward()
    return float(loss.detach()) / len(batch.slots)
