"""What `run.json` says of a run: the settings that decide its output, how it was made, and its totals."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.detection import DetectionConfig
from configs.proposing import ProposeConfig, search_mode

if TYPE_CHECKING:
    from detect.detector import Detector

_SEARCH = ("googlenet-rcnn", "numpy", "numba", "opencv-contrib-python", "pillow")
_NUMERICS = (*_SEARCH, "torch", "torchvision")
_NOT_IN_THE_OUTPUT = ("workers", "device", "precision", "model", "batch_size")  # as they were asked for


def settings_of(config: DetectionConfig, detector: Detector, *, shard: str | None, draw: bool) -> dict[str, Any]:
    """All that decides the output, defaults resolved; the model by its content, so that a moved file is the same.

    On a CPU the number of torch's threads is among it: it decides in which order sums are taken.
    """
    import torch

    settings = {name: value for name, value in dataclasses.asdict(config).items() if name not in _NOT_IN_THE_OUTPUT}
    classifier = detector.classifier
    return {
        "model_sha256": classifier.sha256,
        "model_header": hashlib.sha256(detector.info.to_json().encode()).hexdigest()[:16],
        "versions": versions(),
        **settings,
        "proposals": _proposals(config, detector),
        "device": classifier.device.type,
        "precision": str(classifier.dtype).removeprefix("torch."),
        "batch_size": detector.batch_size,
        "threads": torch.get_num_threads() if classifier.device.type == "cpu" else None,
        "shard": shard,
        "draw": draw,
    }


def description_of(config: DetectionConfig, detector: Detector, sources: Sequence[str]) -> dict[str, Any]:
    """How the run was made, for people and to make it again."""
    return {
        "model": {"name": detector.info.name, "file": config.model, "sha256": detector.classifier.sha256},
        **_made_by(dataclasses.asdict(config), sources),
    }


def proposing_settings(config: ProposeConfig, *, shard: str | None) -> dict[str, Any]:
    """All that decides the proposals, defaults resolved; the number of workers does not."""
    settings = {name: value for name, value in dataclasses.asdict(config).items() if name != "workers"}
    return {**settings, "mode": search_mode(config), "shard": shard, "versions": versions(_SEARCH)}


def proposing_description(config: ProposeConfig, sources: Sequence[str]) -> dict[str, Any]:
    """How a proposal run was made, for people and to make it again."""
    return _made_by(dataclasses.asdict(config), sources)


def versions(packages: Sequence[str] = _NUMERICS) -> dict[str, str]:
    """Of the packages whose numerics reach the output."""
    return {name: version(name) for name in packages}


def commit() -> str | None:
    """The commit this code was checked out at; None where it is installed without its repository."""
    folder = Path(__file__).resolve().parent.parent
    if not (folder / ".git").exists():
        return None
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None


def count_records(records: Path) -> tuple[dict[str, int], dict[str, float]]:
    """Totals over all records, those of earlier sessions included: counts, and seconds by stage."""
    from detect.detection_records import read_records

    counts = {"images": 0, "failed": 0, "detections": 0, "proposals": 0}
    seconds: dict[str, float] = {}
    for record in read_records(records):
        counts["images"] += 1
        counts["failed"] += "error" in record
        counts["detections"] += len(record.get("detections", ()))
        counts["proposals"] += record.get("num_proposals", 0)
        for stage, value in record.get("seconds", {}).items():
            seconds[stage] = seconds.get(stage, 0.0) + value
    return counts, {stage: round(total, 2) for stage, total in seconds.items()}


def _made_by(config: dict[str, Any], sources: Sequence[str]) -> dict[str, Any]:
    return {
        "config": config,
        "sources": [os.fsencode(source).decode("utf-8", "backslashreplace") for source in sources],
        "commit": commit(),
        "python": platform.python_version(),
        "processor": platform.processor() or platform.machine(),
    }


def _proposals(config: DetectionConfig, detector: Detector) -> dict[str, Any]:
    """The model's proposal setting with what the configuration says instead."""
    chosen = {name: value for name, value in dataclasses.asdict(config.proposals).items() if value is not None}
    return {**dataclasses.asdict(detector.info.proposals), **chosen}
