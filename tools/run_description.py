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
from configs.proposing import MultiBoxPart, ProposeConfig, search_mode, search_scale

if TYPE_CHECKING:
    from detect.detector import Detector
    from detect.ensemble import Member
    from detect.region_classifier import RegionClassifier

_SEARCH = ("googlenet-rcnn", "numpy", "numba", "opencv-contrib-python", "pillow")
_NUMERICS = (*_SEARCH, "torch", "torchvision")
_NOT_IN_THE_OUTPUT = ("workers", "device", "precision", "model", "batch_size")  # as they were asked for


def settings_of(config: DetectionConfig, detector: Detector, *, shard: str | None, draw: bool) -> dict[str, Any]:
    """All that decides the output, defaults resolved; the model by its content, so that a moved file is the same.

    Further models of an ensemble are `others`, in their order; one model by itself, regions that are not flipped, and
    boxes that are corrected where the model can, say nothing of them. The number of cores is not among it: an image of
    several has one of torch's threads. A run of a single photo has all of them, which may change last digits.
    """
    settings = {name: value for name, value in dataclasses.asdict(config).items() if name not in _NOT_IN_THE_OUTPUT}
    settings["regions"] = "warp" if detector.shared is None else "shared"
    del settings["short_sides"]
    if detector.shared is not None:
        settings["short_sides"] = detector.shared.short_sides
    if not detector.flip:
        del settings["flip"]
    if config.box_regression:
        del settings["box_regression"]
    if detector.others:
        settings["others"] = [_other_settings(one) for one in detector.others]
    classifier = detector.classifier
    return {
        **_content(classifier),
        "versions": versions(),
        **settings,
        "proposals": _proposals(config, detector),
        "device": classifier.device.type,
        "precision": str(classifier.dtype).removeprefix("torch."),
        "batch_size": detector.batch_size,
        "shard": shard,
        "draw": draw,
    }


def description_of(config: DetectionConfig, detector: Detector, sources: Sequence[str]) -> dict[str, Any]:
    """How the run was made, for people and to make it again: the `model`, or the `models` of an ensemble."""
    made_by = _made_by(dataclasses.asdict(config), sources)
    classifiers = [detector.classifier, *(one.classifier for one in detector.others)]
    files = [config.model] if isinstance(config.model, str) else config.model
    models = [
        {"name": classifier.info.name, "file": file, "sha256": classifier.sha256}
        for classifier, file in zip(classifiers, files, strict=True)
    ]
    return {"model": models[0], **made_by} if len(models) == 1 else {"models": models, **made_by}


def proposing_settings(
    config: ProposeConfig, *, shard: str | None, multibox: MultiBoxPart | None = None
) -> dict[str, Any]:
    """All that decides the proposals, defaults resolved; the number of workers does not, nor a part that is left out.

    MultiBox counts by its content, and works in one thread whatever the processor; see `one_torch_thread`.

    Args:
        multibox: where it takes part.
    """
    settings: dict[str, Any] = {"method": config.method}
    if config.searches:
        settings |= {name: getattr(config, name) for name in ("seed", "search_width", "min_side")}
        settings |= {"mode": search_mode(config), "superpixel_scale": search_scale(config)}
    if multibox is not None:
        settings |= {"multibox_sha256": multibox.sha256}
        settings |= {name: getattr(config, name) for name in ("multibox_limit", "multibox_nms_iou", "multibox_crops")}
        settings |= {"device": multibox.device, "precision": multibox.precision}
    if multibox is not None and config.searches:
        settings["merge"] = dataclasses.asdict(multibox.calibration)
    packages = _SEARCH if multibox is None else _NUMERICS
    return {**settings, "limit": config.limit, "shard": shard, "versions": versions(packages)}


def proposing_description(
    config: ProposeConfig, sources: Sequence[str], *, multibox: MultiBoxPart | None = None
) -> dict[str, Any]:
    """How a proposal run was made, for people and to make it again."""
    made_by = _made_by(dataclasses.asdict(config), sources)
    if multibox is None:
        return made_by
    return {"multibox": {"name": multibox.info.name, "file": multibox.file, "sha256": multibox.sha256}, **made_by}


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


def _content(classifier: RegionClassifier) -> dict[str, str]:
    header = hashlib.sha256(classifier.info.to_json().encode()).hexdigest()[:16]
    return {"model_sha256": classifier.sha256, "model_header": header}


def _other_settings(member: Member) -> dict[str, Any]:
    """A model's content, and how it reads regions."""
    if member.shared is None:
        return {**_content(member.classifier), "regions": "warp"}
    return {**_content(member.classifier), "regions": "shared", "short_sides": member.shared.short_sides}


def _proposals(config: DetectionConfig, detector: Detector) -> dict[str, Any]:
    """The model's proposal setting with what the configuration says instead; MultiBox by its content, if it takes part.

    A part that is left out says nothing, so that runs from before there was one can be resumed.
    """
    from detect.model_file import file_sha256
    from detect.multibox_file import find_multibox_file

    chosen = {name: value for name, value in dataclasses.asdict(config.proposals).items() if value is not None}
    settings: dict[str, Any] = {**dataclasses.asdict(detector.info.proposals), **chosen}
    multibox, limit = settings.pop("multibox"), settings.pop("multibox_limit")
    if settings["method"] == "selective_search":
        return settings
    return {**settings, "multibox_sha256": file_sha256(find_multibox_file(multibox)), "multibox_limit": limit}
