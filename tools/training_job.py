"""What a training run is of: all that runs of different kinds do differently."""

from __future__ import annotations

import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.run_description import commit
from tools.training_description import RunData, TrainingConfig, config_yaml
from tools.training_judge import Judge

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    from torch import Tensor

    from detect.model_info import Provenance
    from detect.training.training_loop import Stream
    from detect.training.training_module import NetworkTraining
    from detect.training.training_report import Summary


class TrainingJob(ABC):
    """All parts of one process's run, built and found to fit together; nothing is written yet.

    Attributes:
        config: the resolved configuration, a dataclass.
        data: what is trained on, and what judges.
        settings: all that decides the course of training, for checkpoints.
        module: what Lightning trains.
        judge: None where there is nothing to validate on, or no wish to.
        description: of the run, for `run.json`.
        outcome: (words, the summary's key) of the figure that is told at the end.
    """

    config: TrainingConfig
    data: RunData
    settings: dict[str, Any]
    module: NetworkTraining[Any]
    judge: Judge | None
    description: dict[str, Any]
    outcome: tuple[str, str]
    _out: Path

    def check(self) -> None:  # noqa: B027
        """Whatever else would stop the run at its start.

        Raises:
            ValueError, OutputError: what the user has to change.
        """

    def prepare(self) -> list[tuple[Path, str]]:
        """Work before the first step, on the main process; returns what could not be read, and why."""
        return []

    def config_text(self) -> bytes:
        """`config.yaml`."""
        return config_yaml(self.config)

    def build_judge(self, **settings: Any) -> Judge | None:
        """What validates on the images that were held back; None where there are none, or validation is off.

        Args:
            settings: of the validation, whatever changes the figures of the same weights on the same images.
        """
        if self.data.held_back is None or self.config.validation.every == 0:
            return None
        validated_on = {**self.data.held_back_content(), **settings}
        return Judge(out=self._out, validate=self.validate, validated_on=validated_on)

    @abstractmethod
    def validate(self, state: dict[str, Tensor]) -> tuple[Summary, Mapping[str, float]]:
        """A state dict → what is reported of it, and the figures that are logged."""

    @abstractmethod
    def stream(self) -> Stream:
        """The batches, for `training_loop.fit`."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write the model file of the averaged weights."""

    @abstractmethod
    def report(self, *, metrics: Path, before: Summary | None, after: Summary | None) -> Mapping[str, Any]:
        """Write the tables and pictures of a finished run; returns its figures for `run.json`."""

    @abstractmethod
    def last_words(self, path: Path) -> str:
        """What to do with the model file now."""


def with_origin(before: Provenance, *, data: str, images: int, settings: Mapping[str, Any]) -> Provenance:
    """What a model's file says of its origin, after a run.

    Args:
        before: of what the run started from.
        data: name of what was trained on.
        images: number of them.
        settings: of the run.
    """
    learnt = f"{images} images of {data.encode('utf-8', 'backslashreplace').decode()}"
    return dataclasses.replace(
        before,
        data=f"{before.data}; fine-tuned on {learnt}" if before.data else learnt,
        config=json.dumps(settings, sort_keys=True),
        commit=commit() or "",
    )
