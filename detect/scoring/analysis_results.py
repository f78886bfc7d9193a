"""Why a score is what it is, as typed results; `analyse` in `analysis.py` makes them.

N detections in the order of the `Predictions`, M objects in the order of the `GroundTruth`, K classes in label order.
Every average precision here is taken as the protocol takes it, for `coco` at IoU 0.5 (AP50). Costs are differences of
average precision: 0.01 is one point of mAP.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proposals.recall import Budget

# The six types of errors after TIDE, in its order. The first five are of detections, the last is of objects.
ERROR_TYPES = ("classification", "localisation", "both", "duplicate", "background", "missed")
CLASSIFICATION, LOCALISATION, BOTH, DUPLICATE, BACKGROUND, MISSED = range(6)
NO_ERROR = -1  # a hit, or a detection that counts neither way


@dataclass(frozen=True)
class ErrorCost:
    """How often something goes wrong, and what it costs.

    Attributes:
        name: one of ERROR_TYPES, or `false positives`, `false negatives`.
        counts: (K,) int64; a detection is counted under the class it was given, an object under its own.
        costs: (K,) float64, average precision with these put right and nothing else, minus as it is, never below
            0; NaN for a class without average precision.
    """

    name: str
    counts: NDArray[np.int64]
    costs: NDArray[np.float64]

    @property
    def count(self) -> int:
        """Over all classes, those without average precision included."""
        return int(self.counts.sum())

    @property
    def mean_cost(self) -> float | None:
        """Plain mean over the classes that have an average precision, TIDE's dAP; None where none has.

        Costs of the types do not add up to what is missing to 1: putting right two of them together can gain more, or
        less, than each alone.
        """
        return _mean(self.costs)


@dataclass(frozen=True)
class Errors:
    """What every false positive and every object not found is, and what each type costs.

    Attributes:
        types: (N,) int8, position in ERROR_TYPES of each false positive (never MISSED), NO_ERROR for all others.
        objects: (N,) int64, of each false positive the object it is about: the one of another class that it lies on
            (CLASSIFICATION, and, less closely, BOTH), the one of its class that it is near (LOCALISATION), or that has
            been found before (DUPLICATE); -1 for BACKGROUND and for what is no error.
        missed: (M,) bool, objects that count, were not found, and that no CLASSIFICATION or LOCALISATION error is
            about. An object not found is either missed or would be found if one of these were put right.
        average_precisions: (K,) float64 as they are, from which the costs are counted; NaN for a class without.
        costs: the six, in the order of ERROR_TYPES.
        false_positives: all of them gone.
        false_negatives: all objects that count and were not found leave the total.
    """

    types: NDArray[np.int8]
    objects: NDArray[np.int64]
    missed: NDArray[np.bool_]
    average_precisions: NDArray[np.float64]
    costs: tuple[ErrorCost, ...]
    false_positives: ErrorCost
    false_negatives: ErrorCost

    @property
    def mean_average_precision(self) -> float | None:
        """Plain mean over the classes that have one, from which the mean costs are counted; None where none has."""
        return _mean(self.average_precisions)


@dataclass(frozen=True)
class SizeBin:
    """The objects of some size, as if there were no others.

    Attributes:
        name: for people, such as `small`.
        about: what it holds, such as `area below 32² pixels`.
        counts: (K,) int64, objects that count.
        average_precisions: (K,) float64 in [0, 1]; NaN for a class without objects of this size.
    """

    name: str
    about: str
    counts: NDArray[np.int64]
    average_precisions: NDArray[np.float64]

    @property
    def count(self) -> int:
        """Objects of all classes."""
        return int(self.counts.sum())

    @property
    def num_classes(self) -> int:
        """Classes with objects of this size, which the mean covers."""
        return int(np.sum(~np.isnan(self.average_precisions)))

    @property
    def mean_average_precision(self) -> float | None:
        """Plain mean over these classes; None without any."""
        return _mean(self.average_precisions)


@dataclass(frozen=True)
class SizeBins:
    """One way to sort objects by size, small ones first; every object is in exactly one bin.

    Attributes:
        name: `coco` or `class_percentiles`, see `sizes.py`.
    """

    name: str
    bins: tuple[SizeBin, ...]


@dataclass(frozen=True)
class Confusion:
    """A pair of classes that are taken for one another: `count` CLASSIFICATION errors.

    Attributes:
        predicted: label that the detections were given.
        actual: label of the objects they lie on.
    """

    predicted: int
    actual: int
    count: int


@dataclass(frozen=True)
class ProposalCoverage:
    """How well proposals cover the objects that count, class by class.

    Attributes:
        budgets: the first so many proposals of each image; None: all.
        counts: (K,) int64, objects.
        coverage: (len(budgets), K) float64, share of the objects with a proposal of IoU at least 0.5; NaN without any.
        average_best_overlaps: (len(budgets), K) float64, ABO; NaN without objects.
        overlaps: (M,) float64, IoU of each object with the best of all proposals; NaN for objects that do not count.
    """

    budgets: tuple[Budget, ...]
    counts: NDArray[np.int64]
    coverage: NDArray[np.float64]
    average_best_overlaps: NDArray[np.float64]
    overlaps: NDArray[np.float64]

    def mean_coverage(self, budget: Budget) -> float | None:
        """Share of all objects alike, not of classes; None without objects."""
        row = self.coverage[self.budgets.index(budget)]
        known = self.counts > 0
        return float(np.average(row[known], weights=self.counts[known])) if known.any() else None


@dataclass(frozen=True)
class Analysis:
    """Why a score is what it is.

    Attributes:
        sizes: average precision by the size of objects, in COCO's bins and in percentiles of each class.
        confusions: the most frequent pairs, most frequent first, then by label; fewer if there are fewer.
        coverage: None if no proposals were given.
    """

    errors: Errors
    sizes: tuple[SizeBins, ...]
    confusions: tuple[Confusion, ...]
    coverage: ProposalCoverage | None


def _mean(values: NDArray[np.float64]) -> float | None:
    """Of those that are not NaN; None where all are."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
