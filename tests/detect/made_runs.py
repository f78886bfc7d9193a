"""Runs of `detect` and `propose` as they lie in a folder, for tests of what is done with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detect.run_folder import Mode, RunFolder
from detect.run_kinds import DETECT, PROPOSE

SETTINGS = {"model_sha256": "ab", "min_score": 0.1, "proposals": {"mode": "fast", "limit": None}, "draw": True}


def open_folder(folder: Path, mode: Mode = "new", **changes: Any) -> RunFolder:
    return RunFolder(folder, {**SETTINGS, **changes}, mode, kind=DETECT)


def make_run(folder: Path, *names: str, **changes: Any) -> None:
    """A run of which these images are done, with their pictures."""
    with open_folder(folder, **changes) as run:
        run.start({})
        for name in names:
            picture = run.output_path(name)
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture.write_bytes(b"picture")
            run.append({"image": name, "detections": []})


def start_over(folder: Path) -> None:
    with open_folder(folder, "overwrite") as run:
        run.start({})


def files_in(folder: Path | str) -> set[str]:
    """In all its folders, relative to it."""
    return {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if not path.is_dir()}


def open_proposals(folder: Path, mode: Mode = "new") -> RunFolder:
    return RunFolder(folder, {"mode": "fast"}, mode, kind=PROPOSE)


def make_proposal_run(folder: Path, *names: str, finished: bool = False) -> None:
    with open_proposals(folder) as run:
        run.check_sources(names)
        run.start({})
        for name in names:
            run.output_path(name).parent.mkdir(parents=True, exist_ok=True)
            run.output_path(name).write_bytes(b"boxes")
            run.append({"image": name})
        if finished:
            run.finish({})
