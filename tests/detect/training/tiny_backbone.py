"""A backbone of two convolutions, with batch normalisation and an auxiliary classifier, and its training."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from tiny_training import TinySettings
from torch import Tensor, nn

from configs.backbone_training import ViewConfig
from detect.backbones.backbone import Backbone
from detect.backbones.map_grid import MapGrid
from detect.input_format import TORCHVISION_INPUT
from detect.training.backbone_stream import backbone_batches
from detect.training.backbone_training import BackboneTraining
from detect.training.backbone_upload import upload_classes
from detect.training.batch_plan import BatchPlan
from detect.training.checkpoints import find_checkpoint
from detect.training.labelled_set import LabelledSet
from detect.training.planned_stream import Share
from detect.training.training_loop import FitResult, fit

SIZE, BATCH, CLASSES = 32, 4, 3
VIEWS = ViewConfig(images_per_batch=BATCH)


class TinyBackbone(Backbone):
    """Some thousand weights, most of them the auxiliary classifier's."""

    name = "tiny"
    stages = ("one", "two")
    auxiliary_channels: ClassVar = {"one": 8}
    grid = MapGrid(cells=14, first_centre=8.0)
    map_channels = cell_channels = 12
    cell_side = 1
    num_features = 12
    input_format = TORCHVISION_INPUT
    least_side = 16

    def __init__(self, *, auxiliary: bool) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.one = nn.Conv2d(3, 8, 4, stride=4, bias=False)
            self.norm = nn.BatchNorm2d(8)
            self.two = nn.Conv2d(8, 12, 4, stride=4)
            self.dropout = nn.Dropout(0.4)
            self.classifier = nn.Linear(12, CLASSES)
            self.add_auxiliary(CLASSES, auxiliary, cells=SIZE // 4)
            self.add_box_regressor(0, cells=False)
        self.train()

    def stage(self, name: str, features: Tensor) -> Tensor:
        if name == "one":
            return torch.relu(self.norm(self.one(features)))
        return torch.relu(self.two(features))

    def stage_modules(self, name: str) -> tuple[nn.Module, ...]:
        return (self.one, self.norm) if name == "one" else (self.two,)

    def cells(self, maps: Tensor) -> Tensor:
        return maps

    def features(self, cells: Tensor) -> Tensor:
        return cells.mean(dim=(2, 3)).float()


def backbone_module(network: Backbone, settings: TinySettings | None = None, **changes: Any) -> BackboneTraining:
    """A module in its first state."""
    given: dict[str, Any] = {
        "upload": partial(upload_classes, input_format=network.input_format, size=SIZE),
        "settings": settings or TinySettings(),
        "steps_per_epoch": 5.0,
        "images_per_batch": BATCH,
        "auxiliary": 0.3,
        "dropout": 0.4,
        "auxiliary_dropout": 0.7,
        "batch_statistics": False,
        "frozen": "none",
        "seed": 1,
    }
    return BackboneTraining(network=network, **given | changes)


def backbone_stream(photos: LabelledSet, steps: int) -> Any:
    """(first step, process, processes) → batches."""
    plan = BatchPlan(np.ones(len(photos)), BATCH, 0)

    def stream(first_step: int, rank: int, world: int) -> Any:
        return backbone_batches(photos, plan, VIEWS, Share(first_step, steps, rank, world), size=SIZE, seed=0)

    return stream


def backbone_fit(module: BackboneTraining, photos: LabelledSet, out: Path, *, steps: int, **changes: Any) -> FitResult:
    """`fit` on the CPU, going on from what is in `out`."""
    given: dict[str, Any] = {"checkpoint_every": 4, "device": torch.device("cpu"), "precision": "fp32", "clip": 10.0}
    found = find_checkpoint(out / "checkpoints", {"seed": 1})
    return fit(
        module,
        backbone_stream(photos, steps),
        steps=steps,
        out=out,
        settings={"seed": 1},
        resume_from=found,
        **given | changes,
    )
