"""`googlenet-rcnn train classifier`: annotated images in, a detector's model file out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ActionSubCommands, Namespace

from configs.training import ClassifierTrainingConfig
from tools.train_options import build_parser, config_of
from tools.train_verb import run_training_verb
from tools.training_check import check_annotations

if TYPE_CHECKING:  # it takes seconds to import; `--help` must not
    import torch

    from detect.run_folder import Mode
    from tools.classifier_job import ClassifierJob

VERB = "train classifier"


def add_to(parent: ActionSubCommands) -> None:
    """Add `train classifier`."""
    parent.add_subcommand("classifier", build_parser(), help="fine-tune a network into a detector")


def run(options: Namespace) -> int:
    """Train, or check the data; returns the exit status."""
    return run_training_verb(options, verb=VERB, config_of=config_of, train=_train, check=check_annotations)


def _train(config: ClassifierTrainingConfig, out: Path, mode: Mode) -> int:
    from tools.classifier_job import ClassifierJob
    from tools.training_run import train

    def build(device: torch.device, writes: bool) -> ClassifierJob:
        return ClassifierJob(config, out, device, writes=writes)

    return train(build, config.device, out, mode, verb=VERB)
