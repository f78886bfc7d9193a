"""What the verbs over folders of images share: opening the output folder, and what is said at its ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from jsonargparse import Namespace

from tools.exit_status import ERROR, UsageError
from tools.messages import complain
from tools.run_options import run_mode

if TYPE_CHECKING:  # NumPy takes a moment to import; `--help` must not
    from detect.image_sources import FoundImages, SourceImage
    from detect.run_folder import Mode, RunFolder
    from detect.run_kinds import RunKind
    from detect.whole_files import OutputError

MOST_WORKERS = 16  # each holds a decoded image
Job = TypeVar("Job")


def run_in_folder(
    options: Namespace,
    opened: Callable[[Namespace], tuple[RunFolder, Job]],
    work: Callable[[RunFolder, Job], int],
) -> int:
    """Open the output folder and work in it; returns the exit status.

    Args:
        opened: raises UsageError for everything that can go wrong before the work.
    """
    from detect.download import DownloadError
    from detect.whole_files import OutputError

    try:
        folder, job = opened(options)
        with folder:
            return work(folder, job)
    except DownloadError as error:
        complain(str(error))
        return ERROR
    except OutputError as error:
        say_not_written(error)
        return ERROR


def checked_job(options: Namespace, kind: RunKind, job_of: Callable[[Namespace], Job]) -> tuple[Mode, Job]:
    """How to treat a run that is in --out already, and what is to be done.

    Args:
        job_of: checks everything that can be checked before the work; its ValueErrors are one sentence.
    Raises:
        UsageError: one sentence that says what to do.
        DownloadError: as `job_of`.
    """
    from detect.run_folder import RunFolderError, check_mode

    try:
        mode = run_mode(options)
        if not options.out:
            raise ValueError("--out: expected a folder, got nothing")
        check_mode(Path(options.out), kind, mode)
        return mode, job_of(options)
    except (ValueError, RunFolderError) as error:
        raise UsageError(str(error)) from error


def open_run(
    out: str, settings: Mapping[str, Any], mode: Mode, images: Sequence[SourceImage], *, kind: RunKind
) -> RunFolder:
    """The output folder, locked, and found to fit the images.

    Raises:
        UsageError: one sentence that says what to do.
        OutputError: if the folder cannot be made.
    """
    from detect.run_folder import RunFolder, RunFolderError

    try:
        folder = RunFolder(Path(out), settings, mode, kind=kind)
    except RunFolderError as error:
        raise UsageError(str(error)) from error
    try:
        folder.check_sources([image.name for image in images])
    except RunFolderError as error:
        folder.close()
        raise UsageError(str(error)) from error
    return folder


def say_what_was_found(found: FoundImages) -> None:
    """Name on stderr what was passed over among the sources, if anything."""
    notes = []
    if found.repeated:
        notes.append(f"{found.repeated} named more than once, taken once")
    if found.ignored:
        notes.append(f"{found.ignored} files that are not pictures passed over")
    if notes:
        complain("; ".join(notes))


def say_interrupted(done: int, total: int) -> None:
    """Say on stderr how far a run came, and how to go on."""
    after = f"after {done} of {total} images" if done else "before the first image"
    complain(f"interrupted {after}; continue with --resume")


def say_not_written(error: OutputError) -> None:
    """Say on stderr why a run ended, and how to go on when there is room again."""
    complain(f"{error} and continue with --resume" if error.disk_full else str(error))


def usable_cores() -> int:
    """Cores that this process may use, which in a container can be fewer than the machine has."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, quota_cores(Path("/sys/fs/cgroup/cpu.max"))))


def quota_cores(file: Path) -> int:
    """Whole cores of a container's share of the processor (cgroup v2); very many where there is no such limit."""
    try:
        quota, period = file.read_text().split()
        return int(quota) // int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or "max"
        return sys.maxsize
