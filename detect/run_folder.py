"""The output folder of a run: what is in it, who may continue it, and how it stays whole."""

from __future__ import annotations

import fcntl
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Literal

from detect.detection_records import Record, encode_record, whole_records
from detect.run_deletion import delete_run, draws, half_deleted, recorded_outputs
from detect.run_kinds import DELETED, RUN, RunKind, description_in, holds_run, verb_of
from detect.whole_files import UNFINISHED, output_error, write_whole

Mode = Literal["new", "resume", "overwrite"]


class RunFolderError(Exception):
    """One sentence: why the folder cannot be used, and what to do."""


def check_mode(folder: Path, kind: RunKind, mode: Mode) -> None:
    """Make sure that `mode` fits what is there, as far as names alone tell.

    Raises:
        RunFolderError: if another verb's run is there, or, in mode "new", any.
    """
    verb = verb_of(folder)
    if verb is not None and verb != kind.verb:
        raise RunFolderError(f"--out {folder} holds a run of `{verb}`, not of `{kind.verb}`: choose another folder")
    if mode == "new" and holds_run(folder, kind):
        raise RunFolderError(f"--out {folder} already holds a run: give --resume to continue it, or --overwrite")


class RunFolder:
    """An output folder, locked for one run; close it, or use it in a `with` statement.

    Args:
        folder: created if it is not there.
        kind: whose run, which decides the names of its files.
        settings: all that decides the output, by name; a run may only be continued under the same.
        mode: "new" refuses a folder that holds a run; "resume" continues it, or starts one; with "overwrite", `start`
            deletes it, which means the files that a run writes, and no others. A run whose deletion was interrupted
            cannot be continued: "resume" deletes the rest and starts anew.
    Raises:
        RunFolderError: if `mode` does not fit what is there, another process is at work there, or files are in
            the way that no run wrote.
        OutputError: if the folder cannot be made or written.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], mode: Mode, *, kind: RunKind) -> None:
        self.folder = folder
        self.kind = kind
        self.done: list[str] = []
        self.outdated: list[str] = []  # exports of fewer images than there will be: `start` deletes them
        self._cut_short: list[str] | None = None  # what an unfinished run had done that is continued or overwritten
        self._leftover: Path | None = None
        self._replaces = False  # whether `start` deletes the run that is there
        self._settings = json.loads(json.dumps(settings))
        self._file: io.FileIO | None = None
        self._lock = make_and_lock(folder)
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
        """Make sure that the images done so far are the first of this run's, and that no file is in their way.

        Raises:
            RunFolderError: if images were added, removed or renamed among those already done, or a file of the
                user has the name of one that the run would write.
        """
        for position, done in enumerate(self.done):
            now = names[position] if position < len(names) else None
            if now != done:
                raise RunFolderError(
                    f"--resume: the run in {self.folder} has {done!r} as image {position + 1}, the sources now give "
                    f"{'no such image' if now is None else repr(now)}; restore the sources, or give --overwrite"
                )
        if not self._replaces and len(names) > len(self.done):
            self.outdated = [name for name in self.kind.exports if (self.folder / name).exists()]
        if self.kind.output_name is None:
            return
        self._leftover = self._left_without_record(names)
        if not self.kind.outputs:
            self._refuse_files_in_the_way(names[len(self.done) :])
        if draws(self._settings):
            self._refuse_files_that_are_folders(names)

    def start(self, description: Mapping[str, Any]) -> None:
        """Write `run.json`, cut off a record that was not finished, and open the records for appending.

        A run that is overwritten is deleted first: nothing is before this, so that a refusal changes nothing.

        Raises:
            OutputError: if something cannot be deleted or written.
        """
        if self._replaces:
            delete_run(self.folder, self.kind, leftover=self._leftover)
        self.write_description({**description, "status": "unfinished"})
        try:
            for name in (DELETED, *self.outdated):
                (self.folder / name).unlink(missing_ok=True)
            if self._leftover is not None:
                self._leftover.unlink(missing_ok=True)
                self._leftover.with_name(UNFINISHED).unlink(missing_ok=True)
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
        content = {"verb": self.kind.verb, "settings": self._settings, **description}
        write_whole(self.folder / RUN, json.dumps(content, indent=2).encode() + b"\n")

    @property
    def records_path(self) -> Path:
        """One line per image."""
        return self.folder / self.kind.records

    @property
    def outputs(self) -> Path:
        """Where the files of the images go."""
        return self.folder / self.kind.outputs

    def output_path(self, name: str) -> Path:
        """Where the file of an image goes, for a kind of run that has them."""
        assert self.kind.output_name is not None
        return self.outputs / self.kind.output_name(name)

    def _prepare(self, mode: Mode) -> None:
        check_mode(self.folder, self.kind, mode)
        if not holds_run(self.folder, self.kind):
            self._refuse_foreign_files()
        elif mode == "overwrite" or half_deleted(self.folder):
            self._note_done()
            self._replaces = True
        else:
            self._refuse_other_settings()
            self._note_done()
        self._whole = 0
        if self.records_path.exists() and not self._replaces:
            for record, length in whole_records(self.records_path):
                self.done.append(record["image"])
                self._whole = length

    def _note_done(self) -> None:
        """Note what an unfinished run had done: the file of the image after these may be there without a record."""
        described = description_in(self.folder) or {}
        if described.get("status") != "finished" and self.records_path.exists():
            self._cut_short = [record["image"] for record, _ in whole_records(self.records_path)]

    def _left_without_record(self, names: Sequence[str]) -> Path | None:
        """The file that a killed run may have written last, before its record."""
        before = self._cut_short
        if before is None or len(before) >= len(names) or list(names[: len(before)]) != before:
            return None
        if not draws((description_in(self.folder) or {}).get("settings")):
            return None
        return self.output_path(names[len(before)])

    def _refuse_files_in_the_way(self, names: Sequence[str]) -> None:
        assert self.kind.output_name is not None
        outputs = {self.kind.output_name(name) for name in names}
        ours = {self._leftover, *(recorded_outputs(self.folder, self.kind) if self._replaces else ())}
        for output in sorted(outputs):
            path = os.path.join(self.outputs, output)
            if os.path.lexists(path) and Path(path) not in ours:
                raise RunFolderError(
                    f"--out {self.folder}: {output} is there already, and no run wrote it; choose another folder"
                )

    def _refuse_files_that_are_folders(self, names: Sequence[str]) -> None:
        assert self.kind.output_name is not None
        outputs = {self.kind.output_name(name) for name in names}
        for folder in {os.path.dirname(output) for output in outputs}:
            for above in (folder, *map(str, PurePosixPath(folder).parents)):
                if above in outputs:
                    raise RunFolderError(
                        f"--out {self.folder}: {above} would have to be a file and a folder; give its images apart"
                    )

    def _refuse_foreign_files(self) -> None:
        """Files of the names that a run writes, where there is no run, are the user's: leave them alone."""
        for name in filter(None, (RUN, self.kind.outputs, *self.kind.exports)):
            if os.path.lexists(self.folder / name):
                raise RunFolderError(
                    f"--out {self.folder}: {name} is there already, and no run wrote it; choose another folder"
                )

    def _refuse_other_settings(self) -> None:
        before = (description_in(self.folder) or {}).get("settings")
        if not isinstance(before, dict):
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


def make_and_lock(folder: Path) -> int | None:
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
