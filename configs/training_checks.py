"""What every training configuration must obey, whatever it trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from configs.ranges import check_choice, check_least


class _OfAKind(Protocol):
    @property
    def kind(self) -> str: ...


class RunSettings(Protocol):
    """The settings that all training configurations have."""

    @property
    def images_per_batch(self) -> int: ...
    @property
    def devices(self) -> int: ...
    @property
    def workers(self) -> int: ...
    @property
    def checkpoint_every(self) -> int: ...
    @property
    def seed(self) -> int: ...


class TrainingSettings(RunSettings, Protocol):
    """The settings that `configs.training` and `configs.multibox_training` have in common."""

    @property
    def data(self) -> Sequence[_OfAKind]: ...
    @property
    def class_space(self) -> str: ...


def check_training(config: TrainingSettings) -> None:
    """Raises ValueError, naming the setting that is out of range, or that does not go with another."""
    if not config.data:
        raise ValueError("data: expected at least one data set, got none")
    check_choice("class_space", config.class_space, ("det", "own"))
    if config.class_space == "own" and len({one.kind for one in config.data}) > 1:
        raise ValueError("class_space: own needs data sets of one kind; use det to mix several")
    check_run(config)


def check_run(config: RunSettings) -> None:
    """Raises ValueError, naming the setting, where processes, threads, steps or the seed make no sense."""
    check_least("devices", config.devices, 1)
    check_least("workers", config.workers, 1)
    check_least("checkpoint_every", config.checkpoint_every, 1)
    check_least("seed", config.seed, 0)
    if config.images_per_batch % config.devices:
        raise ValueError(
            f"devices: expected a divisor of sampling.images_per_batch "
            f"({config.images_per_batch}), got {config.devices}"
        )
