"""Checkpoints of a training run: written whole, found again, and refused where they belong to another run."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from detect.whole_files import OutputError, output_error, write_whole

KEPT = 2
SETTINGS = "settings"  # of a run, in its checkpoints
DATA_SUMMARY = "data_summary"  # among the settings: what is told where "data", a fingerprint, differs
DIFFERENCES_TOLD = 3
# What may differ in a resumed run: it changes where and how fast training runs, or what is done beside and after it.
FREE_SETTINGS = (
    "workers",
    "device",
    "devices",
    "checkpoint_every",
    "name",
    DATA_SUMMARY,
    "proposals.store",
    "head.carry_over",
    "validation.data",
    "validation.every",
    "validation.images",
    "validation.limit",
)
OPEN_SCHEDULES = ("constant", "googlenet")  # whose rates do not depend on the number of steps


@dataclass(frozen=True)
class FoundCheckpoint:
    """Where a run goes on.

    Attributes:
        path: of the checkpoint; None: there is none, the run starts at its beginning.
        step: number of steps that it has behind it.
        notes: a sentence for each damaged checkpoint that was passed over, and one more where no other was there.
        damaged: their files.
    """

    path: Path | None
    step: int
    notes: tuple[str, ...] = ()
    damaged: tuple[Path, ...] = ()


def checkpoint_path(folder: Path, step: int) -> Path:
    """The file of a run that has `step` steps behind it."""
    return folder / f"step-{step:06d}.ckpt"


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint whole.

    Raises:
        OutputError: if it cannot be written, a full disk among the reasons; those before it are as they were.
    """
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    write_whole(path, buffer.getvalue())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU; nothing in it is executed.

    Raises:
        ValueError: if it is truncated or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"its part {damaged} is damaged")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds
        raise ValueError(f"{path} is not a whole checkpoint: {error}") from error
    if not isinstance(content, dict) or not {"global_step", SETTINGS} <= content.keys():
        raise ValueError(f"{path} is not a whole checkpoint: expected one of a training run")
    return content


def remove_old(folder: Path, kept: int = KEPT) -> None:
    """Delete all but the newest checkpoints of a folder.

    Raises:
        OutputError: if one cannot be deleted.
    """
    try:
        for path in _newest_first(folder)[kept:]:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error


def find_checkpoint(folder: Path, settings: Mapping[str, Any]) -> FoundCheckpoint:
    """The newest whole checkpoint of a run; where the newest is damaged, the one before it, with a note.

    Args:
        folder: of the checkpoints; it need not exist.
        settings: of the run, nested, of what JSON can hold.
    Raises:
        ValueError: if the run that wrote it had other settings; it names the first that differ. `FREE_SETTINGS` may,
            and so may the number of steps if the schedule's rates do not depend on it.
    """
    notes: list[str] = []
    damaged: list[Path] = []
    for path in _newest_first(folder):
        content = _read_or_note(path, notes)
        if content is None:
            damaged.append(path)
            continue
        differences = list(setting_differences(content[SETTINGS], settings))
        if differences:
            more = f"; and {len(differences) - DIFFERENCES_TOLD} more" if len(differences) > DIFFERENCES_TOLD else ""
            raise ValueError(
                f"{path} belongs to a run with other settings: {'; '.join(differences[:DIFFERENCES_TOLD])}{more}. "
                "Choose another output folder, or go on with the settings of that run"
            )
        return FoundCheckpoint(path, int(content["global_step"]), tuple(notes), tuple(damaged))
    if damaged:
        notes.append("no whole checkpoint: starting at step 0")
    return FoundCheckpoint(None, 0, tuple(notes), tuple(damaged))


def newest_step(folder: Path) -> int:
    """The number of steps that the newest checkpoint has behind it, by its name; 0: there is none."""
    return max((_step_of(path) for path in _newest_first(folder)), default=0)


def remove_damaged(found: FoundCheckpoint) -> None:
    """Delete the checkpoints that were passed over: they must not count among those that are kept.

    Raises:
        OutputError: if one cannot be deleted.
    """
    try:
        for path in found.damaged:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot delete {error.filename}: {error.strerror or error}") from error


def setting_differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    """A phrase for each setting that changes the course of training and is not the same, by name."""
    old, new = _course(there), _course(here)
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name, "nothing"), new.get(name, "nothing")
        if was == now:
            continue
        before, after = there.get(DATA_SUMMARY), here.get(DATA_SUMMARY)
        if name == "data" and isinstance(before, dict) and isinstance(after, dict):
            yield _data_difference(before, after)
        else:
            yield f"{name}: {was} there, {now} here"


def plain_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as JSON would return them: lists for tuples, text for paths."""
    plain: dict[str, Any] = json.loads(json.dumps(settings, default=str))
    return plain


def _data_difference(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """What is to be seen of a change of the data: sets, counts, or what no count shows."""
    parts = [
        f"{there.get(name)} {unit}there, {here.get(name)} here"
        for name, unit in (("name", ""), ("images", "images "), ("objects", "objects "))
        if there.get(name) != here.get(name)
    ]
    if not parts:
        same = there.get("content") == here.get("content")
        parts = ["the same images, other boxes, classes or weights" if same else "as many images, but others"]
    return f"data: {', '.join(parts)}"


def _read_or_note(path: Path, notes: list[str]) -> dict[str, Any] | None:
    try:
        return read_checkpoint(path)
    except ValueError as error:
        notes.append(f"{error}; passed over")
        return None


def _course(settings: Mapping[str, Any]) -> dict[str, Any]:
    flat = dict(_flattened(plain_settings(settings)))
    free = {name for name in flat for one in FREE_SETTINGS if name == one or name.startswith((f"{one}.", f"{one}["))}
    if flat.get("optimisation.schedule") in OPEN_SCHEDULES:
        free.add("optimisation.steps")
    return {name: value for name, value in flat.items() if name not in free}


def _flattened(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flattened(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        for number, inner in enumerate(value):
            yield from _flattened(inner, f"{name}[{number}]")
    else:
        yield name, value


def _newest_first(folder: Path) -> list[Path]:
    try:
        names = [path for path in folder.iterdir() if path.name.startswith("step-") and path.suffix == ".ckpt"]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OutputError(f"cannot read {folder}: {error.strerror or error}") from error
    numbered = [path for path in names if path.stem.removeprefix("step-").isdecimal()]
    return sorted(numbered, key=_step_of, reverse=True)


def _step_of(path: Path) -> int:
    return int(path.stem.removeprefix("step-"))
