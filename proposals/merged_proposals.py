"""Selective search and MultiBox in one list, the more valuable box first (GoogLeNet, section 8: both together)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proposals.near_duplicates import first_of_near_duplicates
from proposals.proposals import Proposals


@dataclass(frozen=True)
class RankValue:
    """What the r-th box of a list is worth: a · (r + b)^(−c), r from 1.

    The chance that it covers (IoU at least 0.5) an object that no box before it covers. Among the objects that are
    left, not among all: what another list has covered already is then out of both sides of the comparison, as far as
    the two lists cover objects independently of each other. So the greedy order is to take from the list whose next
    box has the larger value.

    Raises:
        ValueError: if a is not above 0, b or c is below 0, one is not finite, or the first value is above 1.
    """

    a: float
    b: float
    c: float

    def __post_init__(self) -> None:
        for name, value in (("a", self.a), ("b", self.b), ("c", self.c)):
            if not (math.isfinite(value) and (value > 0 if name == "a" else value >= 0)):
                wanted = "above 0" if name == "a" else "from 0 on"
                raise ValueError(f"{name}: expected a finite number {wanted}, got {value}")
        if (first := self.a * (1 + self.b) ** -self.c) > 1:
            raise ValueError(f"a: expected a first value of at most 1, a chance, got {first:.6g}")

    def values(self, count: int) -> NDArray[np.float64]:
        """(count,) of the first boxes of a list, in [0, 1], never increasing."""
        ranks = np.arange(1, count + 1, dtype=np.float64)
        worth: NDArray[np.float64] = self.a * (ranks + self.b) ** -self.c
        return worth


@dataclass(frozen=True)
class MergeCalibration:
    """The value of a box by its rank in its own list; `proposals.merge_calibration` fits it to photos.

    It is that of one MultiBox model beside one setting of selective search; with another it still gives an order.
    """

    search: RankValue
    multibox: RankValue


# Until someone has measured: 1/r for both, so that the lists take turns.
UNCALIBRATED = MergeCalibration(RankValue(1.0, 0.0, 1.0), RankValue(1.0, 0.0, 1.0))


def merge(
    search: Proposals, multibox: Proposals, calibration: MergeCalibration, duplicate_iou: float = 0.95
) -> Proposals:
    """Both lists in the order of the values of their boxes, near duplicates once.

    Of boxes that overlap by `duplicate_iou` or more, the more valuable stays; that holds within a list too. Equal
    values: MultiBox first, then the order of the list.

    Args:
        search, multibox: best first; either may be empty.
    Returns:
        Scores: the values.
    Raises:
        ValueError: if duplicate_iou is not above 0, at most 1.
    """
    boxes = np.concatenate([multibox.boxes, search.boxes])
    values = np.concatenate([calibration.multibox.values(len(multibox)), calibration.search.values(len(search))])
    order = np.argsort(-values, kind="stable")
    order = order[first_of_near_duplicates(boxes[order], duplicate_iou)]
    return Proposals(boxes[order], values[order].astype(np.float32))
