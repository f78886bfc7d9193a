"""One JSON object per image: the lines of `detections.jsonl` and of `proposals.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from detect.class_tables import DetectionClass, ilsvrc_detection_classes
from detect.detections import Detections

Record = dict[str, Any]


def detection_record(
    name: str,
    size: tuple[int, int],
    detections: Detections,
    classes: Sequence[DetectionClass],
    *,
    num_proposals: int,
    seconds: dict[str, float],
) -> Record:
    """The record of an image that was searched.

    Boxes are rounded to 1/100 pixel and scores to seven significant digits, which keeps their order. `det_id` is
    null for a class that is not one of the 200 ILSVRC detection classes.

    Args:
        name: relative path that the run knows the image by.
        size: (height, width).
        classes: in label order.
    """
    det_ids = {c.wnid: index + 1 for index, c in enumerate(ilsvrc_detection_classes())}
    found = []
    for box, score, label in zip(
        detections.boxes.tolist(), detections.scores.tolist(), detections.labels.tolist(), strict=True
    ):
        found.append(
            {
                "label": label,
                "det_id": det_ids.get(classes[label].wnid),
                "wnid": classes[label].wnid,
                "name": classes[label].name,
                "score": float(f"{score:.7g}"),
                "box": [round(edge, 2) for edge in box],
            }
        )
    return {
        "image": name,
        "width": size[1],
        "height": size[0],
        "detections": found,
        "num_proposals": num_proposals,
        "seconds": _rounded(seconds),
    }


def proposal_record(name: str, size: tuple[int, int], *, num_proposals: int, seconds: dict[str, float]) -> Record:
    """The record of an image whose proposals have a file of their own.

    Args:
        size: (height, width).
    """
    return {
        "image": name,
        "width": size[1],
        "height": size[0],
        "num_proposals": num_proposals,
        "seconds": _rounded(seconds),
    }


def error_record(name: str, error: str) -> Record:
    """The record of an image that could not be searched, with the reason."""
    return {"image": name, "error": error}


def encode_record(record: Record) -> bytes:
    """One line, ASCII: names with newlines or bytes that are not UTF-8 come back as they were."""
    return json.dumps(record).encode("ascii") + b"\n"


def read_records(path: Path) -> Iterator[Record]:
    """Records of a file of them, in order; see `numbered_records`."""
    return (record for _, record in numbered_records(path))


def numbered_records(path: Path) -> Iterator[tuple[int, Record]]:
    """(line, record) of a whole file, in order; lines count from 1, empty ones are skipped, the last may end anyhow.

    Raises:
        ValueError: naming file and line, if a line is not a record.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            record = _parse(line)
            if record is None and line.endswith(b"\n"):
                raise ValueError(f"{path}, line {number}: expected a detection record, got {line[:60]!r}")
            if record is None:
                raise ValueError(
                    f"{path}, line {number}: expected a detection record, found the file cut off in it; if a run wrote "
                    "it, continue that with --resume"
                )
            yield number, record


def whole_records(path: Path) -> Iterator[tuple[Record, int]]:
    """Records before the first damaged or unfinished line, each with the length in bytes of the file up to its end.

    A process killed while it wrote leaves at most one such line, the last.
    """
    length = 0
    with path.open("rb") as file:
        for line in file:
            record = _parse(line) if line.endswith(b"\n") else None
            if record is None:
                return
            length += len(line)
            yield record, length


def _rounded(seconds: dict[str, float]) -> dict[str, float]:
    return {stage: round(value, 4) for stage, value in seconds.items()}


def _parse(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("image"), str) else None
