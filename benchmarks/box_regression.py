"""Which features know where an object ends? Box regressors of several kinds, fitted to one set of regions.

Regions on objects of the training photos are read as the configuration says, and go through the network that training
starts from, once. Each regressor then learns from the same regions, by SGD with a cosine schedule, and is judged on
regions of other photos: the smooth L1 loss as a part of what leaving boxes as they are costs, and the mean IoU with
the object before and after.

    python benchmarks/box_regression.py --config configs/train_det200.yaml --data_root PHOTOS --out OUT --regions 12000
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from measuring import environment, markdown, write_json
from torch import Tensor, nn
from torchvision.ops import box_iou

from configs.backbone_choice import load_start
from configs.training_data import read_training_data
from configs.training_parts import build_start, build_store, build_stream
from detect.box_coding import decode_boxes
from detect.cell_box_regressor import CellBoxRegressor
from detect.model_file import Model
from detect.region_choice import shared_settings
from detect.region_classifier import RegionClassifier
from detect.shared_regions import read_regions
from detect.training.region_samples import ImageSample, RegionBatch
from detect.training.shared_upload import upload_shared
from tools.train_options import build_parser, config_of

A_PHOTO = 24  # regions, at most
JUDGED = 0.2  # of the photos, the last that were drawn
BATCH, RATES = 64, (0.001, 0.004, 0.02)


@dataclass(frozen=True)
class Regions:
    """N regions on objects, of F photos to learn from first, then of other photos.

    Attributes:
        pooled, last: (N, 832, 7, 7) of pool4 and (N, 1024, 7, 7) of 5b, in the network's type.
        deltas, boxes: (N, 4). Where training mirrors a photo, its deltas are mirrored and its boxes not, which changes
            no IoU.
        fit: how many are to learn from.
    """

    pooled: Tensor
    last: Tensor
    deltas: Tensor
    boxes: Tensor
    fit: int


class Averages(nn.Linear):
    """What `box_regression: agnostic` has, on 5b's average."""

    def __init__(self) -> None:
        super().__init__(1024, 4)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, cells: Tensor) -> Tensor:
        return super().forward(cells.mean(dim=(2, 3)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regions", type=int, default=12_000, help="on objects, all in all")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--json", type=Path, help="write the results here")
    options, training = parser.parse_known_args()
    regions = collect(training, options.regions)
    fit, deltas, boxes = regions.fit, regions.deltas, regions.boxes
    zero = loss(torch.zeros_like(deltas[fit:]), deltas[fit:])
    truth = decode_boxes(boxes, deltas)
    rows, results = [["none", "", "1", f"{mean_iou(boxes[fit:], truth[fit:]):.3f}"]], []
    for name, make, features in (
        ("linear, of 5b's average", Averages, regions.last),
        ("cells of 5b", lambda: CellBoxRegressor(1024), regions.last),
        ("cells of pool4", CellBoxRegressor, regions.pooled),
    ):
        for rate in RATES:
            torch.manual_seed(0)
            regressor = make()
            learn(regressor, features[:fit], deltas[:fit], rate, options.steps)
            with torch.no_grad():
                found = torch.cat([regressor(few.float()) for few in torch.split(features[fit:], 256)])
            part = loss(found, deltas[fit:]) / zero
            overlap = mean_iou(decode_boxes(boxes[fit:], found), truth[fit:])
            rows.append([name, f"{rate:g}", f"{part:.3f}".removeprefix("0"), f"{overlap:.3f}"])
            results.append({"regressor": name, "rate": rate, "loss": part, "IoU": overlap})
            print(rows[-1], file=sys.stderr)
    print(f"{fit} regions to learn from, {len(deltas) - fit} of other photos to judge\n")
    print(markdown(["regressor", "learning rate", "loss, of that without", "mean IoU with the object"], rows))
    write_json(options.json, {**environment(torch.get_num_threads()), "rows": results})


def collect(arguments: list[str], wanted: int) -> Regions:
    """Draw photos as training does, each once, until there are so many regions or no more photos."""
    config = config_of(build_parser().parse_args(arguments))
    out = Path(build_parser().parse_args(arguments).out)
    start = load_start(config)
    data = read_training_data(config, out)
    info, network = build_start(config, start, data)
    classifier = RegionClassifier(Model(info, network.eval(), ""), device="cpu")
    settings = shared_settings(info)
    if settings is None:
        raise SystemExit("--config: expected a configuration of shared regions")
    upload = partial(
        upload_shared,
        input_format=classifier.info.input,
        settings=settings,
        device="cpu",
        regions_per_image=config.sampling.regions_per_image,
    )
    photos: dict[int, tuple[Tensor, ...]] = {}
    rng = np.random.default_rng(0)
    with build_stream(config, data, build_store(config, out))(0, 0, 1) as batches:
        for batch in batches:
            for sample in batch.samples:
                chosen = rng.permutation(np.flatnonzero(sample.regions.regress))[:A_PHOTO]
                if len(chosen) and sample.index not in photos:
                    alone = dataclasses.replace(batch, samples=(sample,))
                    photos[sample.index] = read(upload(alone), torch.from_numpy(chosen), sample, classifier)
            count = sum(len(one[2]) for one in photos.values())
            print(f"{count}/{wanted} regions", end="\r", file=sys.stderr)
            if count >= wanted or batch.epoch > 0:
                break
    parts = list(photos.values())
    learnt = len(parts) - max(1, round(len(parts) * JUDGED))
    if learnt < 1:
        raise SystemExit(f"expected at least two photos with objects, got {len(parts)}")
    pooled, last, deltas, boxes = (torch.cat(part) for part in zip(*parts, strict=True))
    return Regions(pooled, last, deltas, boxes, sum(len(one[2]) for one in parts[:learnt]))


def read(
    uploaded: RegionBatch[Any], chosen: Tensor, sample: ImageSample, classifier: RegionClassifier
) -> tuple[Tensor, ...]:
    """pool4, 5b, deltas and boxes of some of a photo's regions."""
    (placed,) = uploaded.regions
    maps = read_regions(placed.places, lambda level: classifier.stem(placed.images[level]))
    last: list[Tensor] = []
    hook = classifier.network.inception("5b").register_forward_hook(lambda *given: last.append(given[2]))
    with torch.inference_mode():
        pooled = classifier.network.cells(maps[chosen])
        classifier.network.features(pooled)
    hook.remove()
    return pooled.clone(), last[0].clone(), uploaded.deltas[chosen], torch.from_numpy(sample.regions.boxes)[chosen]


def learn(regressor: nn.Module, features: Tensor, deltas: Tensor, rate: float, steps: int) -> None:
    """In place; momentum 0.9, weight decay 5e-4, no dropout."""
    drawn = torch.Generator().manual_seed(1)  # the same regions for every regressor
    sgd = torch.optim.SGD(regressor.parameters(), lr=rate, momentum=0.9, weight_decay=5e-4)
    for step in range(steps):
        for group in sgd.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 30) * (1 + math.cos(math.pi * step / steps)) / 2
        rows = torch.randint(0, len(deltas), (BATCH,), generator=drawn)
        sgd.zero_grad()
        (F.smooth_l1_loss(regressor(features[rows].float()), deltas[rows], reduction="sum") / BATCH).backward()
        nn.utils.clip_grad_norm_(regressor.parameters(), 5.0)
        sgd.step()


def loss(found: Tensor, deltas: Tensor) -> float:
    """Smooth L1, summed over the four."""
    return float(F.smooth_l1_loss(found, deltas, reduction="none").sum(dim=1).mean())


def mean_iou(boxes: Tensor, truth: Tensor) -> float:
    """Of pairs."""
    return float(torch.cat([box_iou(a[None], b[None])[0] for a, b in zip(boxes, truth, strict=True)]).mean())


if __name__ == "__main__":
    main()
