"""The settings that say how regions are read, of `detect` and of `train classifier` alike."""

from __future__ import annotations

from collections.abc import Sequence

REGIONS = ("warp", "shared")
SHORT_SIDE, LONG_SIDE = 16, 1000  # pixels, least and most of a short side: of `SharedSettings`


def check_short_sides(sides: Sequence[int]) -> None:
    """Raises ValueError if there is none, or one out of range."""
    if not sides or not all(SHORT_SIDE <= side <= LONG_SIDE for side in sides):
        raise ValueError(f"--short-sides: expected some, of {SHORT_SIDE} to {LONG_SIDE} pixels, got {list(sides)}")
