"""What runs of `propose` share, and a search that is no search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from run_files import description, files_in, timeless

from proposals import Proposals


def whole_and_quarter(image: NDArray[np.uint8]) -> Proposals:
    """The whole image and its quarter."""
    height, width = image.shape[:2]
    boxes = np.array([[0, 0, width, height], [0, 0, width / 2, height / 2]], np.float32)
    return Proposals(boxes, np.array([0, -1], np.float32))


def all_but_times(out: str = "out") -> dict[str, Any]:
    """All that two runs share: every file but for times, and for how often it was begun and with what workers."""
    run = description(out)
    run["config"].pop("workers")
    return {
        "records": timeless(out),
        "run": {name: value for name, value in run.items() if name != "seconds"},
        **{name: Path(out, name).read_bytes() for name in files_in(out) if name not in ("run.json", "proposals.jsonl")},
    }
