"""What stops a training run, in a sentence that names the step and the files of its batch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from detect.training.region_samples import TrainingBatch


class TrainingFailure(Exception):
    """One sentence: why training cannot go on."""


def not_finite(what: str, step: int, files: Iterable[Path]) -> TrainingFailure:
    """The failure of a step whose loss or gradient is NaN or infinite; the weights are still those before it."""
    return TrainingFailure(
        f"{what} of step {step} is not finite; the batch's files: {_listed(files)}. "
        "Where the files are sound, start again with a lower learning rate or a smaller clip, and --overwrite"
    )


def nothing_readable(batch: TrainingBatch[Any]) -> TrainingFailure:
    """The failure of a step none of whose images could be read."""
    file, reason = batch.unreadable[0]
    return TrainingFailure(f"no image of step {batch.step} could be read: {file}: {reason}")


def batch_files(batch: TrainingBatch[Any]) -> list[Path]:
    """The files that a batch was made from, in the order of their slots."""
    return [sample.path for sample in batch.samples]


def _listed(files: Iterable[Path]) -> str:
    return ", ".join(map(str, files)) or "none"
