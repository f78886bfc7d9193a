"""What every proposer returns: ranked, class-agnostic boxes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Proposals:
    """Boxes where an object might be, best first.

    Attributes:
        boxes: (N, 4) float32 xyxy pixels of the image that was searched; N may be 0.
        scores: (N,) float32, never increasing.
    Raises:
        ValueError: if a shape or type is not as above, or the scores increase.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.boxes.ndim != 2 or self.boxes.shape[1] != 4 or self.boxes.dtype != np.float32:
            raise ValueError(f"boxes: expected float32 (N, 4), got {self.boxes.dtype} {self.boxes.shape}")
        if self.scores.shape != (len(self.boxes),) or self.scores.dtype != np.float32:
            raise ValueError(
                f"scores: expected float32 ({len(self.boxes)},), got {self.scores.dtype} {self.scores.shape}"
            )
        if np.any(np.diff(self.scores) > 0):
            raise ValueError("scores: expected best first, got an increase")

    def __len__(self) -> int:
        return len(self.boxes)

    def best(self, limit: int | None) -> Proposals:
        """The first `limit` of them (all of them for None)."""
        return Proposals(self.boxes[:limit], self.scores[:limit])


Proposer = Callable[[NDArray[np.uint8]], Proposals]  # a uint8 RGB image (H, W, 3) → boxes in its pixels
