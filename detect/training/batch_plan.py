"""Which images each batch is made of: a pure function of the seed and the step."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ORDER = 0  # the generator of the images' order, beside that of their regions


@dataclass(frozen=True)
class PlannedImage:
    """One appearance of an image.

    Attributes:
        index: in the training set.
        copy: which of its appearances in the epoch, from 0.
        epoch: from 0.
    """

    index: int
    copy: int
    epoch: int

    @property
    def seed(self) -> tuple[int, int, int]:
        """What, beside the run's seed, everything random about this appearance is drawn from."""
        return self.epoch, self.index, self.copy


class BatchPlan:
    """Epochs one after the other, cut into batches; a batch may span two or more.

    In an epoch each image appears floor(weight) times, and once more with the probability of the rest, all in random
    order. So images are in batches as often as their weights say, whatever the batch size.

    Args:
        weights: (I,) how often an image is seen in an epoch on average; together at least 1.
        images_per_batch: at least 1.
        seed: at least 0.
    Raises:
        ValueError: if a weight is not a finite number of at least 0, or their sum or the batch is below 1.
    """

    def __init__(self, weights: NDArray[np.float64], images_per_batch: int, seed: int) -> None:
        if weights.ndim != 1 or not np.isfinite(weights).all() or np.any(weights < 0):
            raise ValueError("weights: expected (I,) finite numbers of at least 0")
        if weights.sum() < 1:
            raise ValueError(f"weights: expected a sum of at least 1 image an epoch, got {weights.sum():g}")
        if images_per_batch < 1:
            raise ValueError(f"images_per_batch: expected at least 1, got {images_per_batch}")
        self.weights = weights.copy()
        self.images_per_batch = images_per_batch
        self.seed = seed
        self._starts = [0]  # the position of each epoch's first image, as far as is known
        self._recent: dict[int, NDArray[np.int64]] = {}
        self._lock = threading.Lock()

    @property
    def steps_per_epoch(self) -> float:
        """Batches that an epoch fills, on average."""
        return float(self.weights.sum()) / self.images_per_batch

    def entries(self, step: int) -> tuple[int, tuple[PlannedImage, ...]]:
        """The epoch of a batch's first image, and its images in the order of their slots.

        Raises:
            ValueError: if step is below 0.
        """
        first = step * self.images_per_batch
        images = tuple(self.at(first + slot) for slot in range(self.images_per_batch))
        return images[0].epoch, images

    def at(self, position: int) -> PlannedImage:
        """The image in slot s of step t, at position t · images_per_batch + s. Safe to call from many threads.

        Raises:
            ValueError: if position is below 0.
        """
        if position < 0:
            raise ValueError(f"position: expected at least 0, got {position}")
        with self._lock:
            while position >= self._starts[-1]:
                self._starts.append(self._starts[-1] + int(self._appearances(len(self._starts) - 1)[1].sum()))
            epoch = int(np.searchsorted(self._starts, position, side="right")) - 1
            index, copy = self._epoch(epoch)[position - self._starts[epoch]].tolist()
            return PlannedImage(index, copy, epoch)

    def _epoch(self, epoch: int) -> NDArray[np.int64]:
        """Index and copy (n, 2) of an epoch's images in order; the last two epochs asked for are kept."""
        if epoch not in self._recent:
            rng, counts = self._appearances(epoch)
            indices = np.repeat(np.arange(len(counts)), counts)
            copies = np.arange(len(indices)) - np.repeat(np.cumsum(counts) - counts, counts)
            while len(self._recent) > 1:
                del self._recent[next(iter(self._recent))]
            self._recent[epoch] = rng.permutation(np.stack([indices, copies], axis=1))
        return self._recent[epoch]

    def _appearances(self, epoch: int) -> tuple[np.random.Generator, NDArray[np.int64]]:
        """How often each image appears in an epoch, and the generator for their order."""
        rng = np.random.default_rng([self.seed, ORDER, epoch])
        whole = np.floor(self.weights)
        once_more = rng.random(len(whole)) < self.weights - whole
        return rng, (whole + once_more).astype(np.int64)
