"""The output folder of a training run: one process writes to it, and nothing of the user's is touched."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from detect.run_folder import Mode, RunFolderError, make_and_lock
from detect.run_kinds import RUN, description_in, verb_of
from detect.whole_files import UNFINISHED, OutputError, write_whole

MODEL = "model.safetensors"
CHECKPOINTS = "checkpoints"
LOGS = "logs"
# All files that a run writes besides run.json; --overwrite deletes these and no others. What is known of the data
# (data/) and a proposal store (proposals/) stay: they go by the content of images, and are as good for the next run.
OUTPUTS = (
    MODEL,
    "config.yaml",
    "curves.png",
    "classes.csv",
    "classes.png",
    "coverage.png",
    "before.json",
    "after.json",
    "unreadable.txt",
)
# The same of folders, innermost first; each goes when nothing else is in it.
OUTPUT_FOLDERS = {
    CHECKPOINTS: ("step-*.ckpt", UNFINISHED),
    f"{LOGS}/tensorboard": ("events.out.tfevents.*", "hparams.yaml"),
    LOGS: ("metrics.csv", "metrics.csv.kept", "hparams.yaml", UNFINISHED),
}
DATA = "data"  # what is known of the data, and the pictures that are drawn
DATA_MARK = "made-by-googlenet-rcnn.txt"  # in it


class TrainingFolder:
    """A folder for one run of `train`, locked until `close` or the end of a `with` statement.

    A run whose `run.json` is damaged may be overwritten, and continued where it has checkpoints.

    Args:
        folder: made if it is not there.
        mode: "new" refuses a folder with a run, "resume" continues it or starts one, "overwrite" deletes its files.
        verb: whose run it is; a folder with the run of another is refused.
    Raises:
        RunFolderError: if `mode` does not fit what is there, files are in the way that no run wrote, or another process
            is at work there.
        OutputError: if it cannot be made or written.
    """

    def __init__(self, folder: Path, mode: Mode, *, verb: str) -> None:
        self.folder = folder
        self.verb = verb
        there = verb_of(folder)
        if there is not None and there != verb:
            raise RunFolderError(f"--out {folder} holds a run of `{there}`, not of `{verb}`: choose another folder")
        if there is not None and mode == "new":
            raise RunFolderError(f"--out {folder} already holds a run: give --resume to continue it, or --overwrite")
        damaged = there is None and os.path.lexists(folder / RUN) and description_in(folder) is None
        if damaged:
            self._refuse_damaged(mode)
        elif there is None:
            self._refuse_foreign_files()
        self._lock = make_and_lock(folder)
        self._replaces = (damaged or there is not None) and mode == "overwrite"

    def __enter__(self) -> TrainingFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def model_path(self) -> Path:
        """Where the trained model goes."""
        return self.folder / MODEL

    @property
    def checkpoints(self) -> Path:
        """Where the state of an unfinished run is."""
        return self.folder / CHECKPOINTS

    def mark_data(self) -> None:
        """Make data/, and say in it whose it is."""
        mark = self.folder / DATA / DATA_MARK
        if not mark.exists():
            sentence = (
                "What `googlenet-rcnn train` knows of the data of its run; it is made again where it is deleted.\n"
            )
            write_whole(mark, sentence.encode())

    def start(self, description: Mapping[str, Any]) -> None:
        """Delete the run that is overwritten, and write `run.json`; nothing of a run is changed before this."""
        if self._replaces:
            self._delete()
        self.describe({**description, "status": "unfinished"})

    def describe(self, description: Mapping[str, Any]) -> None:
        """Write `run.json` whole."""
        content = {"verb": self.verb, **description}
        write_whole(self.folder / RUN, json.dumps(content, indent=2).encode() + b"\n")

    def close(self) -> None:
        """Give up the lock; harmless when that is done already."""
        if self._lock is not None:
            os.close(self._lock)
        self._lock = None

    def _refuse_damaged(self, mode: Mode) -> None:
        """`run.json` is there and says nothing: what can be done depends on what else is there."""
        resumable = any(self.checkpoints.glob("step-*.ckpt"))
        if mode == "overwrite" or (mode == "resume" and resumable):
            return
        cure = "--resume to continue from its checkpoints, or --overwrite" if resumable else "--overwrite"
        raise RunFolderError(f"--out {self.folder}: {RUN} is damaged; give {cure}")

    def _refuse_foreign_files(self) -> None:
        """Where there is no run, files of the names that a run writes are the user's."""
        names = [RUN, *OUTPUTS, CHECKPOINTS, LOGS]
        data = self.folder / DATA
        if os.path.lexists(data) and not (data / DATA_MARK).exists() and not _is_empty_folder(data):
            names.append(DATA)
        for name in names:
            if os.path.lexists(self.folder / name):
                raise RunFolderError(
                    f"--out {self.folder}: {name} is there already, and no run wrote it; choose another folder"
                )

    def _delete(self) -> None:
        """The run's files; not `run.json`: as long as it is there the folder can be told to hold a run."""
        try:
            for path in self._written():
                path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"cannot delete {error.filename}: {error.strerror}") from error
        for name in OUTPUT_FOLDERS:
            with contextlib.suppress(OSError):  # there is something of the user's in it, or it is not there
                (self.folder / name).rmdir()
        self._replaces = False

    def _written(self) -> Iterator[Path]:
        """The files that a run of this folder may have written, except `run.json`."""
        for name in OUTPUTS:
            yield self.folder / name
        for name, patterns in OUTPUT_FOLDERS.items():
            for pattern in patterns:
                yield from list((self.folder / name).glob(pattern))


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())
