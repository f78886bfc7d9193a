"""How well a folder of proposals covers the objects of a data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detect.ground_truth import GroundTruth
from detect.proposal_folder import match_images, open_proposal_folder
from proposals.proposal_files import read_proposals
from proposals.recall import BUDGETS, Budget, best_overlaps

# Besides the budgets of the table, for the curves against N.
CURVE = tuple(step * 10**power for power in range(5) for step in (1, 2, 3, 5, 7))


@dataclass(frozen=True)
class PlannedImage:
    """`file`: the proposals of an image; None: it could not be searched, so it has none."""

    name: str
    file: Path | None


@dataclass(frozen=True)
class MeasuredProposals:
    """The best overlap of every object that counts, at every budget.

    Attributes:
        ground_truth: of the images that were wanted.
        counted: (M',) int64, the objects that count, as positions in `ground_truth`: those that are not ignored.
        budgets: None: all.
        overlaps: (len(budgets), M').
        num_boxes: (I,) int64, proposals of each image.
        failed: names of the images without a file, because they could not be searched.
        other_size: names of the images of which the file and the ground truth say different sizes; an image that
            its EXIF orientation turns is one, where the annotators did not turn it.
        unused: how many files belong to no image of the ground truth.
        asked: those of `budgets` that were asked for, in that order; a report has figures at these.
    """

    ground_truth: GroundTruth
    counted: NDArray[np.int64]
    budgets: tuple[Budget, ...]
    overlaps: NDArray[np.float64]
    num_boxes: NDArray[np.int64]
    failed: tuple[str, ...]
    other_size: tuple[str, ...]
    unused: int
    asked: tuple[Budget, ...] = BUDGETS

    @property
    def labels(self) -> NDArray[np.int64]:
        """(M',) of the objects that count."""
        return self.ground_truth.labels[self.counted]

    def at(self, budget: Budget) -> NDArray[np.float64]:
        """(M',) best overlaps at one budget."""
        overlaps: NDArray[np.float64] = self.overlaps[self.budgets.index(budget)]
        return overlaps

    def mean_boxes(self, budget: Budget) -> float:
        """Proposals an image that a budget leaves, over all images."""
        most = self.num_boxes if budget is None else np.minimum(self.num_boxes, budget)
        return float(most.mean()) if len(most) else 0.0


def plan_images(ground_truth: GroundTruth, folder: Path) -> tuple[list[PlannedImage], int]:
    """The file of every image of the ground truth, and the number of files left over.

    Raises:
        ValueError: as `open_proposal_folder` and `match_images`; naming an image of which there is neither a file nor
            a record that it failed.
    """
    there = open_proposal_folder(folder)
    matched = match_images(ground_truth.images, [*there.files, *there.failed])
    missing = [name for name, image in zip(ground_truth.images, matched, strict=True) if image is None]
    if missing and len(missing) == len(matched):
        raise ValueError(f"--proposals: {folder} has no file for any image of the ground truth, such as {missing[0]}")
    if missing:
        raise ValueError(
            f"--proposals: {folder} has no file for {len(missing)} of {len(matched)} images of the ground truth, "
            f"the first {missing[0]}; give --image-list to evaluate some of the images"
        )
    planned = [
        PlannedImage(name, there.files.get(image or ""))
        for name, image in zip(ground_truth.images, matched, strict=True)
    ]
    return planned, len(there.files) - sum(one.file is not None for one in planned)


def measure_proposals(
    ground_truth: GroundTruth,
    folder: Path,
    budgets: Sequence[Budget] = BUDGETS,
    *,
    each: Callable[[], object] = lambda: None,
) -> MeasuredProposals:
    """Compare the proposals in a folder with the ground truth, an image at a time.

    Args:
        ground_truth: its ignored objects do not count.
        folder: as `googlenet-rcnn propose` leaves it, with one `.npz` an image. Below it, images may lie under other
            folders than in the ground truth, see `match_images`.
        budgets: to report, in any order; those of `CURVE` below the largest number of proposals are added, for the
            curves.
        each: called after each image.
    Raises:
        ValueError: as `plan_images` and `read_proposals`.
    """
    planned, unused = plan_images(ground_truth, folder)
    measured = tuple(dict.fromkeys([*budgets, *CURVE, None]))
    counted = np.flatnonzero(~ground_truth.ignored)
    overlaps = np.zeros((len(measured), len(counted)))
    num_boxes = np.zeros(len(planned), dtype=np.int64)
    first = np.searchsorted(ground_truth.image_of[counted], np.arange(len(planned) + 1))
    other_size = []
    for position, image in enumerate(planned):
        if image.file is not None:
            proposals, size = read_proposals(image.file)
            here = slice(first[position], first[position + 1])
            overlaps[:, here] = best_overlaps(ground_truth.boxes[counted[here]], proposals.boxes, measured)
            num_boxes[position] = len(proposals)
            said = tuple(ground_truth.sizes[position].tolist())
            if size is not None and all(said) and said != size:
                other_size.append(image.name)
        each()
    most = int(num_boxes.max(initial=0))
    kept = [i for i, one in enumerate(measured) if one in budgets or one is None or one < most]
    return MeasuredProposals(
        ground_truth=ground_truth,
        counted=counted,
        budgets=tuple(measured[i] for i in kept),
        overlaps=overlaps[kept],
        num_boxes=num_boxes,
        failed=tuple(one.name for one in planned if one.file is None),
        other_size=tuple(other_size),
        unused=unused,
        asked=tuple(dict.fromkeys(budgets)),
    )
