"""Detections as ILSVRC's detection task wants them submitted: `index det_id score xmin ymin xmax ymax`."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detect.number_table import number_rows
from detect.prediction_images import UNKNOWN, PredictionImages
from detect.predictions import Predictions, ReadingNotes

COLUMNS = ("image index", "DET id", "score", "xmin", "ymin", "xmax", "ymax")
_MOST = 2.0**53


def read_ilsvrc_text(path: Path, images: PredictionImages) -> Predictions:
    """Read a submission, plain or (ending in .gz) compressed. Boxes are inclusive pixels, whole or not.

    A box without area (xmax + 1 <= xmin, or so in y) is kept, as the official tool keeps it: it matches nothing. The
    devkit's own demo submission has 1,623 among 49,013 (another 69 are reversed by less than a pixel, and do have
    area by the format's counting). They are counted in the notes.

    Args:
        images: its ground truth's classes are those of the DET ids: label = id - 1.
    Raises:
        ValueError: naming file and line, if a line does not hold seven finite numbers, the first two whole; if the
            image is unknown, or the class is not 1..K; or if a compressed file is damaged.
        OSError: if the file cannot be read.
    """
    parts = [(np.empty((0, len(COLUMNS))), np.empty(0, np.int64), np.empty(0, np.int64))]
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            for values, lines in number_rows(file, len(COLUMNS), str(path)):
                positions = images.of_numbers(_whole(values[:, 0]))
                _check(values, lines, positions, len(images.truth.classes), path)
                parts.append((values, lines, positions))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: expected a whole gzip file, got a damaged one ({error})") from error
    values, lines, positions = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return _predictions(values, lines, positions)


def _whole(column: NDArray[np.float64]) -> NDArray[np.int64]:
    """As integers; -1 for what is none, which no image and no class is."""
    whole = (np.abs(column) < _MOST) & (column == np.floor(column))  # false for NaN
    return np.where(whole, column, -1).astype(np.int64)


def _check(
    values: NDArray[np.float64], lines: NDArray[np.int64], positions: NDArray[np.int64], classes: int, path: Path
) -> None:
    """Raises ValueError for the first line at fault."""
    labels = _whole(values[:, 1])
    faults = {
        0: (positions == UNKNOWN, "an image index of the data set"),
        1: ((labels < 1) | (labels > classes), f"a DET id of 1 to {classes}"),
        **{column: (~np.isfinite(values[:, column]), f"a finite {COLUMNS[column]}") for column in range(2, 7)},
    }
    rows = [(int(np.argmax(bad)), column, wanted) for column, (bad, wanted) in faults.items() if bad.any()]
    if rows:
        row, column, wanted = min(rows)
        raise ValueError(f"{path}, line {lines[row]}: expected {wanted}, got {values[row, column]:.15g}")


def _predictions(values: NDArray[np.float64], lines: NDArray[np.int64], positions: NDArray[np.int64]) -> Predictions:
    scored = positions >= 0
    if not scored.all():
        values, lines, positions = values[scored], lines[scored], positions[scored]
    boxes = values[:, 3:].copy()
    boxes[:, 2:] += 1
    empty = np.flatnonzero((boxes[:, 2:] <= boxes[:, :2]).any(axis=1))
    return Predictions(
        image_of=positions,
        labels=values[:, 1].astype(np.int64) - 1,
        scores=values[:, 2].copy(),
        boxes=boxes,
        notes=ReadingNotes(
            passed_over=int(len(scored) - scored.sum()),
            empty_boxes=len(empty),
            first_empty_line=int(lines[empty[0]]) if len(empty) else 0,
        ),
    )
