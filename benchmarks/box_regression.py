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
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from measuring import environment, markdown, write_json
from torch import Tensor, nn
from torchvision.ops import box_iou

from configs.training_data import read_training_data
from configs.training_parts import build_start, build_store, build_stream, load_start
from detect.box_coding import decode_boxes
from detect.cell_box_regressor import CellBoxRegressor
from detect.detector import shared_settings
from detect.model_file import Model
from detect.region_classifier import RegionClassifier
from detect.shared_regions import SharedSettings, read_regions
from detect.training.region_samples import ImageSample, TrainingBatch
from detect.training.shared_upload import upload_shared
from tools.train_options import build_parser, config_of

A_PHOTO = 24  # regions, at most
JUDGED = 0.2  # of the photos, the last ones
BATCH, RATES = 64, (0.001, 0.004, 0.02)


class Averages(nn.Linear):
    """What `box_regression: agnostic` has."""

    def __init__(self) -> None:
        super().__init__(1024, 4)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regions", type=int, default=12_000, help="on objects, all in all")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--json", type=Path, help="write the results here")
    options, training = parser.parse_known_args()
    pooled, averages, deltas, boxes, fit = collect(training, options.regions)
    zero = loss(torch.zeros_like(deltas[fit:]), deltas[fit:])
    truth = decode_boxes(boxes, deltas)[:, 0]
    rows, results = [["none", "", "1", f"{mean_iou(boxes[fit:], truth[fit:]):.3f}"]], []
    for name, kind, features in (
        ("linear, the averaged features", Averages, averages),
        ("pool4's cells", CellBoxRegressor, pooled),
    ):
        for rate in RATES:
            torch.manual_seed(0)
            regressor = kind()
            learn(regressor, features[:fit], deltas[:fit], rate, options.steps)
            with torch.no_grad():
                found = torch.cat([regressor(few.float()) for few in torch.split(features[fit:], 256)])
            part = loss(found, deltas[fit:]) / zero
            overlap = mean_iou(decode_boxes(boxes[fit:], found)[:, 0], truth[fit:])
            rows.append([name, f"{rate:g}", f"{part:.3f}".removeprefix("0"), f"{overlap:.3f}"])
            results.append({"regressor": name, "rate": rate, "loss": part, "IoU": overlap})
            print(rows[-1], file=sys.stderr)
    print(f"{fit} regions to learn from, {len(deltas) - fit} of other photos to judge\n")
    print(markdown(["regressor", "learning rate", "loss, of that without", "mean IoU with the object"], rows))
    write_json(options.json, {**environment(torch.get_num_threads()), "rows": results})


def collect(arguments: list[str], wanted: int) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
    """pool4's cells (N, 832, 7, 7), averaged features, deltas, boxes; and how many are of photos to learn from."""
    config = config_of(build_parser().parse_args(arguments))
    out = Path(build_parser().parse_args(arguments).out)
    start = load_start(config)
    data = read_training_data(config, out)
    info, network = build_start(config, start, data)
    classifier = RegionClassifier(Model(info, network.eval(), ""), device="cpu")
    settings = shared_settings(info)
    assert settings is not None, "a configuration of shared regions"
    parts: list[tuple[Tensor, ...]] = []
    photos: list[int] = []
    store = build_store(config, out)
    rng = np.random.default_rng(0)
    with build_stream(config, data, store)(0, 0, 1) as batches:
        for batch in batches:
            for sample in batch.samples:
                regress = np.flatnonzero(sample.regions.regress)
                chosen = rng.permutation(regress)[:A_PHOTO]
                if len(chosen):
                    parts.append(read(sample, chosen, classifier, batch, settings, config.sampling.regions_per_image))
                    photos += [sample.index] * len(chosen)
            print(f"{len(photos)}/{wanted} regions", end="\r", file=sys.stderr)
            if len(photos) >= wanted:
                break
    # The stream may come to a photo a second time, by when it is one to judge: it must not have been learnt from.
    learnt = set(photos[: int(len(photos) * (1 - JUDGED))])
    fit = np.array([photo in learnt for photo in photos])
    order = torch.from_numpy(np.argsort(~fit, kind="stable"))
    pooled, averages, deltas, boxes = (torch.cat(part)[order] for part in zip(*parts, strict=True))
    return pooled, averages, deltas, boxes, int(fit.sum())


def read(
    sample: ImageSample,
    chosen: np.ndarray,
    classifier: RegionClassifier,
    batch: TrainingBatch[ImageSample],
    settings: SharedSettings,
    regions_per_image: int,
) -> tuple[Tensor, ...]:
    """What the network makes of some of a photo's regions, and what is to be learnt from them."""
    uploaded = upload_shared(
        dataclasses.replace(batch, samples=(sample,)),
        input_format=classifier.info.input,
        settings=settings,
        device="cpu",
        regions_per_image=regions_per_image,
    )
    (placed,) = uploaded.regions
    maps = read_regions(placed.places, lambda level: classifier.stem(placed.images[level]))
    with torch.inference_mode():
        pooled = classifier.network.pool4(maps[chosen])
        averages = classifier.network.after_pool4(pooled)
    return pooled.clone(), averages.clone(), uploaded.deltas[chosen], torch.from_numpy(sample.regions.boxes[chosen])


def learn(regressor: nn.Module, features: Tensor, deltas: Tensor, rate: float, steps: int) -> None:
    """In place; momentum 0.9, weight decay 5e-4, no dropout."""
    sgd = torch.optim.SGD(regressor.parameters(), lr=rate, momentum=0.9, weight_decay=5e-4)
    for step in range(steps):
        for group in sgd.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 30) * (1 + math.cos(math.pi * step / steps)) / 2
        rows = torch.randint(0, len(deltas), (BATCH,))
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
