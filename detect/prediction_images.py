"""Which image of the ground truth a detection is on, by number or by name."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from detect.ground_truth import GroundTruth
from detect.image_index import image_number

PASSED_OVER = -1
UNKNOWN = -2


class PredictionImages:
    """The images that a file of detections may name.

    An image of the ground truth is scored. One that is only in `index`, the numbering of the whole data set, is
    passed over; without an index so is any other, if the ground truth was restricted to a list. Everything else is
    unknown, which readers report as an error: a slip of one in the numbering must not look like a bad detector.

    Args:
        truth: the images that are scored.
        index: name -> number of all images of the data set, as in ILSVRC's `val.txt`.
        restricted: the ground truth is a chosen part of the data set.
    """

    def __init__(self, truth: GroundTruth, index: Mapping[str, int] | None = None, *, restricted: bool = False) -> None:
        self.truth = truth
        self._index = index or {}
        self._missing = PASSED_OVER if restricted and not index else UNKNOWN
        self._order = np.argsort(truth.numbers, kind="stable")
        self._sorted = truth.numbers[self._order]
        self._data_set = np.unique(np.fromiter(self._index.values(), np.int64, len(self._index)))
        self._by_name = {name: position for position, name in enumerate(truth.images)}
        stems = Counter(map(posixpath.basename, truth.images))
        self._by_stem = {
            posixpath.basename(name): position
            for position, name in enumerate(truth.images)
            if stems[posixpath.basename(name)] == 1
        }

    def of_numbers(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions of images given by number; PASSED_OVER or UNKNOWN for those that are not scored."""
        positions = np.full(numbers.shape, self._missing, np.int64)
        positions[_found(numbers, self._data_set)[1]] = PASSED_OVER
        places, scored = _found(numbers, self._sorted)
        positions[scored] = self._order[places[scored]]
        return positions

    def of_name(self, name: str) -> int:
        """Position of an image given by path: looked up without its ending, then as its bare file name.

        The bare name counts where it stands once in the ground truth. A name that only the index knows is looked up
        by its number.
        """
        path = posixpath.splitext(name)[0]
        position = self._by_name.get(path, self._by_stem.get(posixpath.basename(path)))
        if position is not None:
            return position
        number = image_number(name, self._index) if posixpath.basename(path) else None
        return self._missing if number is None else int(self.of_numbers(np.array([number]))[0])


def _found(values: NDArray[np.int64], ascending: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Places of the values in an ascending array, and whether each is there; a place counts only then."""
    if not len(ascending):
        return np.zeros(values.shape, np.int64), np.zeros(values.shape, np.bool_)
    places = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return places, ascending[places] == values
