"""The output folder of a training run: one process writes to it, and nothing of the user's is touched."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from detect.run_folder import Mode, RunFolderError, make_and_lock
from detect.run_kinds import RUN, description_in, verb_of
from detect.whole_files import OutputError, write_whole

VERB = "train classifier"
MODEL = "model.safetensors"
CHECKPOINTS = "checkpoints"
# All that a run writes besides run.json; --overwrite deletes these and no others. What is known of the data (data/) and
# a proposal store (proposals/) stay: they go by the content of the images, and are as good for the next run.
OUTPUTS = (
    CHECKPOINTS,
    "logs",
    MODEL,
    "config.yaml",
    "curves.png",
    "classes.csv",
    "classes.png",
    "before.json",
    "after.json",
    "unreadable.txt",
)


class TrainingFolder:
    """A folder for one run of `train`, locked until `close` or the end of a `with` statement.

    Args:
        folder: made if it is not there.
        mode: "new" refuses a folder with a run, "resume" continues it or starts one, "overwrite" deletes its files.
        verb: whose run it is; a folder with the run of another is refused.
    Raises:
        RunFolderError: if `mode` does not fit what is there, files are in the way that no run wrote, or another process
            is at work there.
        OutputError: if it cannot be made or written.
    """

    def __init__(self, folder: Path, mode: Mode, *, verb: str = VERB) -> None:
        self.folder = folder
        self.verb = verb
        there = verb_of(folder)
        if there is not None and there != verb:
            raise RunFolderError(f"--out {folder} holds a run of `{there}`, not of `{verb}`: choose another folder")
        if there is not None and mode == "new":
            raise RunFolderError(f"--out {folder} already holds a run: give --resume to continue it, or --overwrite")
        if there is None and (folder / RUN).exists():
            raise RunFolderError(f"--out {folder}: {RUN} is there already, and no run wrote it; choose another folder")
        if there is None:
            for name in OUTPUTS:
                if os.path.lexists(folder / name):
                    raise RunFolderError(
                        f"--out {folder}: {name} is there already, and no run wrote it; choose another folder"
                    )
        self._lock = make_and_lock(folder)
        self._replaces = there is not None and mode == "overwrite"

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

    def start(self, description: Mapping[str, Any]) -> None:
        """Delete the run that is overwritten, and write `run.json`; nothing is changed before this."""
        if self._replaces:
            self._delete()
        self.describe({**description, "status": "unfinished"})

    def describe(self, description: Mapping[str, Any]) -> None:
        """Write `run.json` whole."""
        content = {"verb": self.verb, **description}
        write_whole(self.folder / RUN, json.dumps(content, indent=2).encode() + b"\n")

    def description(self) -> dict[str, Any]:
        """What `run.json` says; empty where it is missing or damaged."""
        return description_in(self.folder) or {}

    def close(self) -> None:
        """Give up the lock; harmless when that is done already."""
        if self._lock is not None:
            os.close(self._lock)
        self._lock = None

    def _delete(self) -> None:
        """The run's files, `run.json` last: until then the folder can be told to hold a run."""
        try:
            for name in OUTPUTS:
                path = self.folder / name
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"cannot delete {error.filename}: {error.strerror}") from error
        self._replaces = False
