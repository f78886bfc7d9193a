"""What a training run says of itself and of its data: `run.json`, `config.yaml`, `data/problems.txt`."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from configs.backbone_training import BackboneTrainingConfig
from configs.multibox_training import MultiBoxTrainingConfig
from configs.training import ClassifierTrainingConfig
from tools.run_description import commit, versions

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    from detect.training.data_sets import Problem

TrainingConfig = ClassifierTrainingConfig | MultiBoxTrainingConfig | BackboneTrainingConfig
PROBLEMS = "problems.txt"  # below data/


class RunData(Protocol):
    """What a run learns from, and what judges it; `configs.training_data.TrainingData` is one."""

    @property
    def held_back(self) -> object | None: ...
    @property
    def problems(self) -> tuple[Problem, ...]: ...
    def held_back_content(self) -> dict[str, Any]: ...
    def counts(self) -> dict[str, Any]: ...
    def in_words(self) -> str: ...


def run_description(config: TrainingConfig, settings: dict[str, Any], data: RunData, device: str) -> dict[str, Any]:
    """For `run.json`."""
    return {
        "config": dataclasses.asdict(saved_config(config)),
        "settings": settings,
        "commit": commit(),
        "versions": {**versions(), **versions(("lightning",))},
        "python": platform.python_version(),
        "processor": platform.processor() or platform.machine(),
        "device": device,
        "data": data.counts(),
    }


def saved_config(config: TrainingConfig) -> TrainingConfig:
    """The configuration as it means the same in any folder: where it names files, from the root on."""
    changes: dict[str, Any] = {
        "data_root": str(Path(config.data_root).absolute()),
        "model": _absolute_file(config.model),
    }
    if isinstance(config, ClassifierTrainingConfig) and config.proposals.store is not None:
        store = str(Path(config.proposals.store).absolute())
        changes["proposals"] = dataclasses.replace(config.proposals, store=store)
    if isinstance(config, ClassifierTrainingConfig):
        changes["distillation"] = dataclasses.replace(
            config.distillation, teacher=_absolute_file(config.distillation.teacher)
        )
    return dataclasses.replace(config, **changes)


def _absolute_file(model: str | None) -> str | None:
    """A file by its whole path; a known model's name as it is."""
    return str(Path(model).absolute()) if model is not None and Path(model).is_file() else model


def config_yaml(config: TrainingConfig) -> bytes:
    """`config.yaml`: every setting, from which the run can be made again."""
    import yaml

    plain = json.loads(json.dumps(dataclasses.asdict(saved_config(config))))
    text: str = yaml.safe_dump(plain, sort_keys=False)
    return text.encode()


def in_words(data: RunData) -> list[str]:
    """Sentences for the start of a run."""
    lines = [data.in_words()]
    if data.problems:
        lines.append(f"{len(data.problems)} problems with the data, listed in data/{PROBLEMS}")
    return lines


def write_problems(folder: Path, problems: Sequence[Problem]) -> None:
    """Write `problems.txt`, one line each; without problems there is no such file.

    Args:
        folder: data/ of the run.
    Raises:
        OutputError: if it cannot be written.
    """
    from detect.whole_files import output_error, write_whole

    listing = folder / PROBLEMS
    if problems:
        text = "".join(f"{line}\n" for line in problem_lines(problems))
        write_whole(listing, text.encode("utf-8", "surrogateescape"))
        return
    try:
        listing.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(listing, error) from error


def problem_lines(problems: Sequence[Problem]) -> list[str]:
    """`kind: file: what`, each on one line."""
    return [f"{one.kind}: {one.file}: {' '.join(one.what.split())}" for one in problems]
