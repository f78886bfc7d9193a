"""The output folder of a run: what is in it, who may continue it, and how it stays whole."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from detect.detection_records import Record, encode_record, whole_records

RECORDS = "detections.jsonl"
RUN = "run.json"
PICTURES = "pictures"
EXPORTS = ("coco.json", "ilsvrc.txt", "detections.csv")


class RunFolderError(Exception):
    """One sentence: why the folder cannot be used, and what to do."""


class OutputError(Exception):
    """One sentence: why output could not be written (a full disk), and what to do."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is either all there or not there: under another name, then renamed.

    Raises:
        OutputError: if the disk is full or the folder cannot be written; nothing is left behind.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise output_error(path, error) from error


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """`write_whole` for a file too large to hold: UTF-8 text, line by line."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines)
        os.replace(part, path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def output_error(path: Path, error: OSError) -> OutputError:
    """The sentence for a failed write."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    cure = "; make room and continue with --resume" if full else ""
    return OutputError(f"cannot write {path}: {error.strerror or error}{cure}")


class RunFolder:
    """An output folder, opened for one run.

    Args:
        folder: created if it is not there.
        settings: all that decides the output, by name; a run may only be continued under the same.
        mode: "new" refuses a folder that holds a run; "resume" continues it, or starts one; "overwrite" deletes it.
    Raises:
        RunFolderError: if `mode` does not fit what is there.
        OutputError: if the folder cannot be made or written.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], mode: Literal["new", "resume", "overwrite"]) -> None:
        self.folder = folder
        self._records_path = folder / RECORDS
        self._settings = json.loads(json.dumps(settings))
        if folder.exists() and not folder.is_dir():
            raise RunFolderError(f"--out {folder}: expected a folder, got a file")
        holds_run = (folder / RUN).exists() or self._records_path.exists()
        if holds_run and mode == "new":
            raise RunFolderError(f"--out {folder} already holds a run: give --resume to continue it, or --overwrite")
        if holds_run and mode == "overwrite":
            self._delete_run()
        if holds_run and mode == "resume":
            self._refuse_other_settings()
        self.done: list[str] = []
        if self._records_path.exists():
            self.done, length = whole_records(self._records_path)
            os.truncate(self._records_path, length)

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
                    f"{now!r}; restore the sources, or give --overwrite"
                )

    def start(self, description: Mapping[str, Any]) -> None:
        """Write `run.json` and open the records for appending."""
        self.write_description({**description, "status": "unfinished"})
        try:
            self._file = self._records_path.open("ab", buffering=0)
        except OSError as error:
            raise output_error(self._records_path, error) from error

    def append(self, record: Record) -> None:
        """Add one record, in one write; if the disk is full the file is cut back to whole records.

        Raises:
            OutputError: if it could not be written.
        """
        line = encode_record(record)
        length = os.fstat(self._file.fileno()).st_size
        try:
            written = self._file.write(line)
            if written != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            os.ftruncate(self._file.fileno(), length)
            raise output_error(self._records_path, error) from error

    def finish(self, description: Mapping[str, Any]) -> None:
        """Close the records and say in `run.json` that the run is complete."""
        self.close()
        self.write_description({**description, "status": "finished"})

    def close(self) -> None:
        """Close the records; harmless when they are not open."""
        if hasattr(self, "_file"):
            self._file.close()

    def write_description(self, description: Mapping[str, Any]) -> None:
        """Write `run.json` whole."""
        content = {"settings": self._settings, **description}
        write_whole(self.folder / RUN, json.dumps(content, indent=2).encode() + b"\n")

    @property
    def records_path(self) -> Path:
        """`detections.jsonl`."""
        return self._records_path

    @property
    def pictures(self) -> Path:
        """Where annotated pictures go."""
        return self.folder / PICTURES

    def picture_path(self, name: str) -> Path:
        """Where the annotated picture of an image goes: its name, made to end in a JPEG's ending."""
        jpeg = name.lower().endswith((".jpg", ".jpeg"))
        return self.pictures / (name if jpeg else name + ".jpg")

    def _refuse_other_settings(self) -> None:
        try:
            before = json.loads((self.folder / RUN).read_bytes())["settings"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunFolderError(
                f"--resume: {self.folder / RUN} is missing or damaged, so nobody knows how the run was made; "
                "give --overwrite"
            ) from error
        names = [*self._settings, *(set(before) - set(self._settings))]
        differences = [
            f"{name} was {before.get(name)!r}, is {self._settings.get(name)!r}"
            for name in names
            if before.get(name) != self._settings.get(name)
        ]
        if differences:
            raise RunFolderError(
                f"--resume: {self.folder} was made otherwise: {'; '.join(differences)}; "
                "use the same again, or give --overwrite"
            )

    def _delete_run(self) -> None:
        """Delete what a run writes, and nothing else."""
        try:
            for name in (RECORDS, RUN, *EXPORTS):
                (self.folder / name).unlink(missing_ok=True)
            if self.pictures.is_dir() and not self.pictures.is_symlink():
                shutil.rmtree(self.pictures)
        except OSError as error:
            raise RunFolderError(f"--overwrite: cannot delete {error.filename}: {error.strerror}") from error
