"""What a training run says of itself and of its data: `run.json`, `config.yaml`, `data/problems.txt`."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.multibox_training import MultiBoxTrainingConfig
from configs.training import ClassifierTrainingConfig
from tools.run_description import commit, versions

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    from configs.training_data import TrainingData
    from detect.training.data_sets import Problem

TrainingConfig = ClassifierTrainingConfig | MultiBoxTrainingConfig
PROBLEMS = "problems.txt"  # below data/


def run_description(
    config: TrainingConfig, settings: dict[str, Any], data: TrainingData, device: str
) -> dict[str, Any]:
    """For `run.json`."""
    return {
        "config": dataclasses.asdict(saved_config(config)),
        "settings": settings,
        "commit": commit(),
        "versions": {**versions(), **versions(("lightning",))},
        "python": platform.python_version(),
        "processor": platform.processor() or platform.machine(),
        "device": device,
        "data": _counts(data),
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


def data_summary(data: TrainingData) -> dict[str, Any]:
    """What is told of the data where a run is resumed with others (`checkpoints.DATA_SUMMARY`)."""
    content = "\n".join(data.hashes_of(data.train))
    return {
        "name": data.train.name,
        "images": len(data.train),
        "objects": len(data.train.targets),
        "content": hashlib.sha256(content.encode()).hexdigest()[:16],
    }


def in_words(data: TrainingData) -> list[str]:
    """Sentences for the start of a run."""
    counts = _counts(data)
    lines = [
        f"{counts['images']} images to train on, {counts['objects']} objects, {counts['classes_with_boxes']} of "
        f"{len(data.train.classes)} classes have boxes; {counts['held_back_images']} images held back"
    ]
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


def _counts(data: TrainingData) -> dict[str, Any]:
    from detect.training.data_check import data_report

    report = data_report(data.train, data.problems)
    return {
        "name": report.name,
        "images": report.images,
        "objects": report.objects,
        "ambiguous": report.ambiguous,
        "outside": report.outside,
        "ignored": report.ignored,
        "classes_with_boxes": report.classes_with_boxes,
        "held_back_images": 0 if data.held_back is None else len(data.held_back),
        "problems": report.problems,
    }
