"""What each verb leaves in its output folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detect.picture_names import picture_name
from detect.proposal_names import proposal_name

RUN = "run.json"
DELETED = "run.json.deleted"  # its name from when its run is deleted until the next one has begun


@dataclass(frozen=True)
class RunKind:
    """The names that runs of one verb give to what they write, besides `run.json`.

    Attributes:
        verb: of the command line.
        records: the file with one line per image.
        output_name: image → its own file, below `outputs`; None: images have no files.
        outputs: a folder for the files of the images, which belongs to the run; empty: they lie in the output
            folder itself, perhaps beside files of the user.
        exports: files made of the finished records.
    """

    verb: str
    records: str
    output_name: Callable[[str], str] | None
    outputs: str = ""
    exports: tuple[str, ...] = ()


DETECT = RunKind(
    verb="detect",
    records="detections.jsonl",
    output_name=picture_name,
    outputs="pictures",
    exports=("coco.json", "ilsvrc.txt", "detections.csv"),
)
PROPOSE = RunKind(verb="propose", records="proposals.jsonl", output_name=proposal_name)
CLASSIFY = RunKind(
    verb="evaluate classification",
    records="predictions.jsonl",
    output_name=None,
    exports=("predictions.csv", "metrics.json"),
)
KINDS = (DETECT, PROPOSE, CLASSIFY)


def holds_run(folder: Path, kind: RunKind) -> bool:
    """Whether a run, of this verb unless `verb_of` says otherwise, has left its description or records there.

    Other programs call their files `run.json` too: without records, it counts if it says a verb or settings.
    """
    if (folder / kind.records).exists():
        return True
    return _describes_a_run(description_in(folder))


def verb_of(folder: Path) -> str | None:
    """The verb whose run is there; None if there is no run, or nothing tells."""
    for kind in KINDS:
        if (folder / kind.records).exists():
            return kind.verb
    description = description_in(folder)
    if description is None or not _describes_a_run(description):
        return None
    verb = description.get("verb", DETECT.verb)  # detect came first
    return verb if isinstance(verb, str) else None


def description_in(folder: Path) -> dict[str, Any] | None:
    """What `run.json` says, also of a run that is half deleted; None where it is missing or damaged."""
    path = folder / (RUN if (folder / RUN).exists() else DELETED)
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _describes_a_run(description: dict[str, Any] | None) -> bool:
    """Every run says its settings, and, but for the first versions of `detect`, its verb."""
    if description is None:
        return False
    return isinstance(description.get("verb"), str) or isinstance(description.get("settings"), dict)
