"""`googlenet-rcnn train multibox`: annotated images in, a MultiBox model file out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ActionSubCommands, Namespace

from configs.multibox_training import MultiBoxTrainingConfig
from tools.train_multibox_options import build_parser, config_of
from tools.train_verb import run_training_verb
from tools.training_check import check_annotations

if TYPE_CHECKING:  # it takes seconds to import; `--help` must not
    import torch

    from detect.run_folder import Mode
    from tools.multibox_job import MultiBoxJob

VERB = "train multibox"


def add_to(parent: ActionSubCommands) -> None:
    """Add `train multibox`."""
    parent.add_subcommand("multibox", build_parser(), help="train a network that proposes boxes")


def run(options: Namespace) -> int:
    """Train, or check the data; returns the exit status."""
    return run_training_verb(options, verb=VERB, config_of=config_of, train=_train, check=check_annotations)


def _train(config: MultiBoxTrainingConfig, out: Path, mode: Mode) -> int:
    from tools.multibox_job import MultiBoxJob
    from tools.training_run import train

    def build(device: torch.device, writes: bool) -> MultiBoxJob:
        return MultiBoxJob(config, out, device)

    return train(build, config.device, out, mode, verb=VERB)
