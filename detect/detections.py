"""What a detector returns for one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Detections:
    """Objects found in one image, best first.

    Attributes:
        boxes: (N, 4) float32 xyxy pixels of the image, inside it; N may be 0.
        scores: (N,) float32, never increasing.
        labels: (N,) int64, 0 … K−1.
    Raises:
        ValueError: if a shape is not as above.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.boxes.ndim != 2 or self.boxes.shape[1] != 4:
            raise ValueError(f"boxes: expected (N, 4), got {self.boxes.shape}")
        for name, values in (("scores", self.scores), ("labels", self.labels)):
            if values.shape != (len(self.boxes),):
                raise ValueError(f"{name}: expected ({len(self.boxes)},), got {values.shape}")

    def __len__(self) -> int:
        return len(self.boxes)
