"""Deleting a run, so that at every moment it is whole, or can be told to be half gone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from detect.detection_records import whole_records
from detect.run_kinds import DELETED, RUN, RunKind, description_in
from detect.whole_files import UNFINISHED, OutputError


def recorded_outputs(folder: Path, kind: RunKind) -> Iterator[Path]:
    """The files of the images on record; none if the run was told to draw none, or its kind has none."""
    if kind.output_name is None:
        return
    if draws((description_in(folder) or {}).get("settings")) and (folder / kind.records).exists():
        for record, _ in whole_records(folder / kind.records):
            if "error" not in record:
                yield folder / kind.outputs / kind.output_name(record["image"])


def draws(settings: object) -> bool:
    """Whether a run of these settings writes a file for each image, if its kind has any; unless they say no."""
    return bool(settings.get("draw", True)) if isinstance(settings, dict) else True


def half_deleted(folder: Path) -> bool:
    """Whether the run there was marked by `delete_run`, and no new one was begun."""
    return (folder / DELETED).exists() and not (folder / RUN).exists()


def delete_run(folder: Path, kind: RunKind, *, leftover: Path | None = None) -> None:
    """Delete what a run wrote, and the folders that are empty without it.

    First its description gets another name: that takes no room on a full disk, marks the run, and keeps what it says,
    which decides what is deleted. The records go after the files that they name. So who finds a run that was marked
    can delete the rest of it in the same way. The marked description stays until the next one is written.

    Args:
        leftover: the file of an image without a record.
    Raises:
        OutputError: if something cannot be deleted.
    """
    try:
        if (folder / RUN).exists():
            os.replace(folder / RUN, folder / DELETED)
        _delete_outputs(folder / kind.outputs, recorded_outputs(folder, kind), leftover)
        for name in (*kind.exports, UNFINISHED, kind.records):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot delete {error.filename}: {error.strerror}") from error


def _delete_outputs(outputs: Path, files: Iterable[Path], leftover: Path | None) -> None:
    folders = {outputs}
    for path in (*files, *([leftover] if leftover else [])):
        path.unlink(missing_ok=True)
        folders.update(folder for folder in path.parents if folder.is_relative_to(outputs))
    for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
        (folder / UNFINISHED).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()
