"""The output folder of a run: what is in it, who may continue it, and how it stays whole."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from detect.detection_records import Record, encode_record, whole_records
from detect.picture_names import picture_name
from detect.whole_files import UNFINISHED, output_error, write_whole

RECORDS = "detections.jsonl"
RUN = "run.json"
PICTURES = "pictures"
EXPORTS = ("coco.json", "ilsvrc.txt", "detections.csv")


class RunFolderError(Exception):
    """One sentence: why the folder cannot be used, and what to do."""


def holds_run(folder: Path) -> bool:
    """Whether a run has left its description or records there."""
    return (folder / RUN).exists() or (folder / RECORDS).exists()


class RunFolder:
    """An output folder, locked for one run; close it, or use it in a `with` statement.

    Args:
        folder: created if it is not there.
        settings: all that decides the output, by name; a run may only be continued under the same.
        mode: "new" refuses a folder that holds a run; "resume" continues it, or starts one; "overwrite" deletes it,
            which means the files that a run writes, and no others.
    Raises:
        RunFolderError: if `mode` does not fit what is there, another process is at work there, or files are in
            the way that no run wrote.
        OutputError: if the folder cannot be made or written.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], mode: Literal["new", "resume", "overwrite"]) -> None:
        self.folder = folder
        self.done: list[str] = []
        self._settings = json.loads(json.dumps(settings))
        self._file: io.FileIO | None = None
        self._lock = _make_and_lock(folder)
        try:
            self._prepare(mode)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def check_sources(self, names: Sequence[str]) -> None:
        """Make sure that the images done so far are the first of this run's.

        Raises:
            RunFolderError: if images were added, removed or renamed among those already done.
        """
        for position, done in enumerate(self.done):
            now = names[position] if position < len(names) else None
            if now != done:
                raise RunFolderError(
                    f"--resume: the run in {self.folder} has {done!r} as image {position + 1}, the sources now give "
                    f"{'no such image' if now is None else repr(now)}; restore the sources, or give --overwrite"
                )

    def start(self, description: Mapping[str, Any]) -> None:
        """Write `run.json`, cut off a record that was not finished, and open the records for appending."""
        self.write_description({**description, "status": "unfinished"})
        try:
            self._file = self.records_path.open("ab", buffering=0)
            os.ftruncate(self._file.fileno(), self._whole)
        except OSError as error:
            raise output_error(self.records_path, error) from error

    def append(self, record: Record) -> None:
        """Add one record; if the disk is full the file is cut back to whole records.

        Raises:
            OutputError: if it could not be written.
        """
        assert self._file is not None
        line = encode_record(record)
        rest = memoryview(line)
        try:
            while rest:  # on a full disk a write is short, and the next one says why
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            os.ftruncate(self._file.fileno(), self._whole)
            raise output_error(self.records_path, error) from error
        self._whole += len(line)
        self.done.append(record["image"])

    def finish(self, description: Mapping[str, Any]) -> None:
        """Say in `run.json` that the run is complete."""
        self.write_description({**description, "status": "finished"})

    def close(self) -> None:
        """Close the records and give up the lock; harmless when that is done already."""
        if self._file is not None:
            self._file.close()
        if self._lock is not None:
            os.close(self._lock)
        self._file = self._lock = None

    def write_description(self, description: Mapping[str, Any]) -> None:
        """Write `run.json` whole."""
        content = {"settings": self._settings, **description}
        write_whole(self.folder / RUN, json.dumps(content, indent=2).encode() + b"\n")

    @property
    def records_path(self) -> Path:
        """`detections.jsonl`."""
        return self.folder / RECORDS

    @property
    def pictures(self) -> Path:
        """Where annotated pictures go."""
        return self.folder / PICTURES

    def picture_path(self, name: str) -> Path:
        """Where the annotated picture of an image goes."""
        return self.pictures / picture_name(name)

    def _prepare(self, mode: Literal["new", "resume", "overwrite"]) -> None:
        if not holds_run(self.folder):
            self._refuse_foreign_files()
        elif mode == "new":
            raise RunFolderError(
                f"--out {self.folder} already holds a run: give --resume to continue it, or --overwrite"
            )
        elif mode == "overwrite":
            self._delete_run()
        else:
            self._refuse_other_settings()
        self._whole = 0
        if self.records_path.exists():
            for record, length in whole_records(self.records_path):
                self.done.append(record["image"])
                self._whole = length

    def _refuse_foreign_files(self) -> None:
        """Files of the names that a run writes, where there is no run, are the user's: leave them alone."""
        for name in (PICTURES, *EXPORTS):
            if os.path.lexists(self.folder / name):
                raise RunFolderError(
                    f"--out {self.folder}: {name} is there already, and no run wrote it; choose another folder"
                )

    def _settings_before(self) -> dict[str, Any] | None:
        try:
            before = json.loads((self.folder / RUN).read_bytes())["settings"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return before if isinstance(before, dict) else None

    def _refuse_other_settings(self) -> None:
        before = self._settings_before()
        if before is None:
            raise RunFolderError(
                f"--resume: {self.folder / RUN} is missing or damaged, so nobody knows how the run was made; "
                "give --overwrite"
            )
        was, now = _flat(before), _flat(self._settings)
        differences = [
            f"{name} was {was.get(name)!r}, is {now.get(name)!r}"
            for name in (*now, *sorted(set(was) - set(now)))
            if was.get(name) != now.get(name)
        ]
        if differences:
            raise RunFolderError(
                f"--resume: {self.folder} was made otherwise: {'; '.join(differences)}; "
                "use the same again, or give --overwrite"
            )

    def _delete_run(self) -> None:
        try:
            if (self._settings_before() or {}).get("draw", True) and self.records_path.exists():
                self._delete_pictures()
            for name in (RECORDS, *EXPORTS, RUN, UNFINISHED):
                (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise RunFolderError(f"--overwrite: cannot delete {error.filename}: {error.strerror}") from error

    def _delete_pictures(self) -> None:
        """Those of the images on record, then the folders that are empty without them."""
        folders = {self.pictures}
        for record, _ in whole_records(self.records_path):
            path = self.picture_path(record["image"])
            if "error" not in record:
                path.unlink(missing_ok=True)
                folders.update(folder for folder in path.parents if folder.is_relative_to(self.pictures))
        for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
            (folder / UNFINISHED).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                folder.rmdir()


def _make_and_lock(folder: Path) -> int | None:
    """A file descriptor that holds the lock for as long as it is open; None where there are no locks."""
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"--out {folder}: expected a folder, got a file")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise output_error(folder, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise RunFolderError(f"--out {folder}: another process is writing there; wait for it, or stop it") from error
    except OSError:  # some network file systems have no locks: go without
        os.close(descriptor)
        return None
    return descriptor


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"proposals": {"mode": "fast"}} → {"proposals.mode": "fast"}."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat
