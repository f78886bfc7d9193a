"""Photos for the pipeline, and its results without the times."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from odd_images import encode, quadrants

from detect.image_results import ImageResult
from detect.image_sources import SourceImage, find_images


def make_photos(folder: Path, count: int) -> list[SourceImage]:
    """Pictures of different widths, so that the fake detector tells them apart."""
    folder.mkdir(exist_ok=True)
    for i in range(count):
        (folder / f"{i:03}.png").write_bytes(encode(quadrants(8, 10 + i), "PNG"))
    return find_images([str(folder)]).images if count else []


def summary(results: Iterable[ImageResult]) -> list[tuple[Any, ...]]:
    """All but the times."""
    return [
        (
            r.source.name,
            None if r.image is None else r.image.tobytes(),
            None if r.detections is None else [a.tolist() for a in vars(r.detections).values()],
            r.error,
            r.num_proposals,
        )
        for r in results
    ]


both_devices = pytest.mark.parametrize("device", ["cpu", "cuda"])  # the detector is a fake: no GPU is needed
