"""`googlenet-rcnn train backbone`: images with a class each in, a classification network's model file out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ActionSubCommands, Namespace

from configs.backbone_training import BackboneTrainingConfig
from tools.backbone_check import check_labels
from tools.train_backbone_options import build_parser, config_of
from tools.train_verb import run_training_verb

if TYPE_CHECKING:  # it takes seconds to import; `--help` must not
    import torch

    from detect.run_folder import Mode
    from tools.backbone_job import BackboneJob

VERB = "train backbone"


def add_to(parent: ActionSubCommands) -> None:
    """Add `train backbone`."""
    parent.add_subcommand("backbone", build_parser(), help="train a classification network")


def run(options: Namespace) -> int:
    """Train, or check the data; returns the exit status."""
    return run_training_verb(options, verb=VERB, config_of=config_of, train=_train, check=check_labels)


def _train(config: BackboneTrainingConfig, out: Path, mode: Mode) -> int:
    from tools.backbone_job import BackboneJob
    from tools.training_run import train

    def build(device: torch.device, writes: bool) -> BackboneJob:
        return BackboneJob(config, out, device)

    return train(build, config.device, out, mode, verb=VERB)
