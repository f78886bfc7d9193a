"""Some photos of a data set, and how well the boxes found in them cover its objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measuring import evenly

from detect.ground_truth import GroundTruth
from detect.ground_truth_files import read_ground_truth
from detect.ground_truth_subset import restrict
from detect.image_decoding import decode_image
from detect.image_sources import find_images
from detect.proposal_folder import match_images
from detect.proposal_recall import MeasuredProposals
from proposals.recall import Budget, average_best_overlap, best_overlaps, mean_average_best_overlap, recall


@dataclass(frozen=True)
class TruthPhotos:
    """`truth`: of these photos only; `paths`: their files, in its order."""

    truth: GroundTruth
    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def image(self, position: int) -> np.ndarray:
        """RGB."""
        return decode_image(self.paths[position])

    def describe(self) -> str:
        """What is in them; "difficult" objects do not count."""
        labels = self.truth.labels[~self.truth.ignored]
        classes = f"{len(np.unique(labels))} of {len(self.truth.classes)} classes"
        return f"{len(self)} photos, {len(labels)} objects of {classes}"


def read_photos(images: Path, ground_truth: Path, limit: int | None) -> TruthPhotos:
    """At most `limit` photos, evenly spaced over all annotated ones sorted by name, also without any object.

    Args:
        images: folder of photos, searched recursively.
        ground_truth: an ILSVRC or VOC tree (the folder above `Annotations`), or a COCO json.
    """
    try:
        truth = read_ground_truth(ground_truth)
        files = {source.name: source.path for source in find_images([str(images)]).images}
        matched = match_images(truth.images, files)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    path_of = {name: files[file] for name, file in zip(truth.images, matched, strict=True) if file is not None}
    if not path_of:
        raise SystemExit(f"--images: expected photos that {ground_truth} annotates in {images}, found none")
    names = sorted(path_of)
    chosen = restrict(truth, [names[position] for position in evenly(len(names), limit)])
    photos = TruthPhotos(chosen, tuple(path_of[name] for name in chosen.images))
    for position, path in enumerate(photos.paths):
        said, size = tuple(chosen.sizes[position].tolist()), photos.image(position).shape[:2]
        if all(said) and said != size:  # such as one that its EXIF orientation turns, but its annotators did not
            raise SystemExit(f"{path}: expected {said} as annotated, got {size}")
    return photos


def measure_boxes(truth: GroundTruth, boxes_list: Sequence[np.ndarray], budgets: Sequence[Budget]) -> MeasuredProposals:
    """Best overlap of every object that counts with the first N boxes of its photo; `boxes_list` has one per photo."""
    counted = np.flatnonzero(~truth.ignored)
    image_of = truth.image_of[counted]
    parts = [
        best_overlaps(truth.boxes[counted[image_of == position]], boxes, budgets)
        for position, boxes in enumerate(boxes_list)
    ]
    return MeasuredProposals(
        ground_truth=truth,
        counted=counted,
        budgets=tuple(budgets),
        overlaps=np.concatenate(parts, axis=1),
        num_boxes=np.array([len(boxes) for boxes in boxes_list], dtype=np.int64),
        failed=(),
        other_size=(),
        unused=0,
    )


def figures(measured: MeasuredProposals, budget: Budget) -> dict[str, float]:
    """Mean boxes a photo; coverage, ABO over all objects alike, MABO over the classes that have objects."""
    overlaps, classes = measured.at(budget), len(measured.ground_truth.classes)
    return {
        "boxes": measured.mean_boxes(budget),
        "coverage": float(recall(overlaps, 0.5)),
        "ABO": float(average_best_overlap(overlaps)),
        "MABO": float(mean_average_best_overlap(overlaps, measured.labels, classes)),
    }


def share(value: float) -> str:
    """`.927`, as RESULTS.md writes numbers in 0..1."""
    return f"{value:.3f}".removeprefix("0")
