"""The whole chain learns a few pictures by heart: sampling, warp, losses, loop, averaging, boxes, suppression, score.

So it does where shared regions take the warp's place. The network is a small one, so that it takes seconds;
`benchmarks/overfitting.py` does it with GoogLeNet on photos.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from tiny_training import TinyOutputs
from torch import Tensor, nn

from configs.training import OptimisationConfig
from configs.training_regions import SamplingConfig
from detect.box_coding import clip_boxes, decode_boxes
from detect.detector import Classified
from detect.input_format import InputFormat
from detect.region_warp import RegionWarper, WarpSettings
from detect.shared_regions import LevelImages, SharedRegions, SharedSettings, read_regions
from detect.suppression import suppress
from detect.training.batch_plan import BatchPlan
from detect.training.batch_stream import batches, flip_images, flip_regions
from detect.training.data_sets import read_data_set
from detect.training.generated_images import write_generated
from detect.training.objective import Objective
from detect.training.planned_stream import Share
from detect.training.region_training import RegionTraining
from detect.training.region_upload import upload
from detect.training.shared_upload import PlacedRegions, upload_shared
from detect.training.training_loop import fit
from detect.training.training_set import TrainingSet
from detect.training.validation import validate_detector

INPUT = InputFormat("rgb", (127.5, 127.5, 127.5), (1 / 64, 1 / 64, 1 / 64))
WARP = WarpSettings(size=64, context=8)
SHARED = SharedSettings(short_sides=(240,))
SAMPLING = SamplingConfig(images_per_batch=4, foreground=32, background=32, jittered=6, jitter=0.3, photometric=0.0)
RATES = OptimisationConfig(steps=200, learning_rate=0.05, warm_up=10, averaging=0.9, weight_decay=0.0)


class SmallNetwork(nn.Module):
    """Four convolutions, a classifier and a box regressor."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            widths = (3, 16, 32, 64, 64)
            self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths))
            self.classifier = nn.Linear(64 * 16, outputs)
            self.box_regressor = nn.Linear(64 * 16, 4)

    def forward(self, regions: Tensor) -> TinyOutputs:
        return self.tail(self.stem(regions))

    def stem(self, images: Tensor) -> Tensor:
        """Stride 16, as GoogLeNet's."""
        for layer in self.layers:
            images = torch.relu(layer(images))
        return images

    def tail(self, maps: Tensor) -> TinyOutputs:
        features = maps.flatten(1)
        return TinyOutputs(self.classifier(features), (), self.box_regressor(features))

    def shared(self, images: tuple[PlacedRegions, ...]) -> TinyOutputs:
        """Of 4 × 4 of the 14 × 14 cells that are read."""
        parts = [read_regions(one.places, lambda level, one=one: self.stem(one.images[level])) for one in images]
        return self.tail(quartered(torch.cat(parts)))


def quartered(maps: Tensor) -> Tensor:
    """(N, C, 14, 14) → (N, C, 4, 4), means over quarters of each side."""
    return F.adaptive_avg_pool2d(maps, 4)


@dataclass
class SmallDetector:
    """The trained network as validation uses a detector."""

    network: SmallNetwork
    shared: bool

    def detect(self, images: Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]) -> Iterator[Classified]:
        for image, boxes in images:
            with torch.no_grad():
                found = self._read(image, boxes)
            moved = clip_boxes(decode_boxes(torch.from_numpy(boxes), found.deltas), (image.shape[0], image.shape[1]))
            probs = torch.softmax(found.logits, dim=1)[:, :-1]
            yield Classified(suppress(moved, probs, min_score=0.001), 0.0)

    def _read(self, image: NDArray[np.uint8], boxes: NDArray[np.float32]) -> TinyOutputs:
        if not self.shared:
            return self.network(RegionWarper(image, INPUT, settings=WARP, device="cpu").regions(boxes))
        maps = SharedRegions(LevelImages(image, INPUT, settings=SHARED), self.network.stem).regions(boxes)
        return self.network.tail(quartered(maps))


def boxes_near(photos: TrainingSet, index: int) -> NDArray[np.float32]:
    """Proposals as a search makes them: near objects, and anywhere."""
    rng = np.random.default_rng([7, index])
    objects, _ = photos.objects(index)
    near = np.repeat(objects, 8, axis=0)
    sides = np.tile(near[:, 2:] - near[:, :2], 2)
    near = near + rng.uniform(-0.15, 0.15, near.shape) * sides
    corners = rng.uniform(0, 200, (40, 2))
    anywhere = np.concatenate([corners, corners + rng.uniform(20, 120, (40, 2))], axis=1)
    return np.concatenate([near, anywhere]).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True], ids=["warp", "shared"])
def test_four_pictures_are_learnt_by_heart(tmp_path: Path, shared: bool) -> None:
    write_generated(tmp_path / "pictures", 4, seed=3)
    photos, problems = read_data_set("generated", tmp_path / "pictures", class_space="own")
    assert not problems
    outputs = len(photos.classes) + 1
    classes = [one.__class__(one.wnid, one.name, (label,)) for label, one in enumerate(photos.classes)]
    network = SmallNetwork(outputs)
    before = validate_detector(SmallDetector(network, shared), photos, partial(boxes_near, photos))
    plan = BatchPlan(photos.weights, SAMPLING.images_per_batch, seed=0)
    known: dict[str, Any] = {"input_format": INPUT, "regions_per_image": SAMPLING.regions_per_image}
    module = RegionTraining(
        network=network,
        network_pass=lambda network, images, **_: (network.shared if shared else network)(images),
        upload=partial(upload_shared, settings=SHARED, **known) if shared else partial(upload, warp=WARP, **known),
        objective=Objective(
            allowed=photos.allowed, classes=classes, num_outputs=outputs, per_class=False, auxiliary=0.0, box_weight=1.0
        ),
        settings=RATES,
        steps_per_epoch=plan.steps_per_epoch,
        regions_per_batch=64,
        seed=0,
    )

    def stream(first: int, rank: int, world: int) -> Any:
        share = Share(first, RATES.steps, rank, world)
        flips = flip_images if shared else flip_regions
        return batches(photos, partial(boxes_near, photos), plan, SAMPLING, share, seed=0, flips=flips)

    fit(
        module,
        stream,
        steps=RATES.steps,
        out=tmp_path / "out",
        settings={},
        checkpoint_every=RATES.steps,
        device=torch.device("cpu"),
        precision="fp32",
        clip=10.0,
    )
    network.load_state_dict(module.averaged_state())
    after = validate_detector(SmallDetector(network, shared), photos, partial(boxes_near, photos))
    assert before.metrics["mAP"] < 0.5
    assert after.metrics["mAP"] >= 0.95
