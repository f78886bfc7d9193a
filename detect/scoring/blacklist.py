"""ILSVRC's blacklist: classes that were not annotated completely on an image."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detect.ground_truth import GroundTruth


def read_blacklist(path: Path, truth: GroundTruth) -> NDArray[np.int64]:
    """Lines `INDEX WNID` -> (B, 2) positions of images and labels; pairs on images that are not scored are left out.

    Raises:
        ValueError: naming file and line, if a line is of another form, or the ground truth does not know the class.
    """
    try:
        text = os.fsdecode(path.read_bytes())
    except OSError as error:
        raise ValueError(f"--blacklist: cannot read {path}: {error.strerror}") from error
    positions = {number: position for position, number in enumerate(truth.numbers.tolist())}
    labels = {one.wnid: label for label, one in enumerate(truth.classes) if one.wnid}
    pairs = []
    for number, line in enumerate(text.split("\n"), start=1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 2 or not (fields[0].isascii() and fields[0].isdigit()):
            raise ValueError(f"--blacklist: {path}, line {number}: expected 'INDEX WNID', got {line[:60]!r}")
        if fields[1] not in labels:
            raise ValueError(f"--blacklist: {path}, line {number}: the ground truth has no class {fields[1][:60]!r}")
        if int(fields[0]) in positions:
            pairs.append((positions[int(fields[0])], labels[fields[1]]))
    return np.array(pairs, np.int64).reshape(-1, 2)
