"""Ground truth of the ILSVRC DET devkit's cache (`ILSVRC2015_det_validation_ground_truth.mat`)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detect.class_tables import ilsvrc_detection_classes
from detect.ground_truth import GroundTruth
from detect.mat_integrity import check_mat_file

IDS, LABELS, BOXES = VARIABLES = ("gt_img_ids", "gt_obj_labels", "gt_obj_bboxes")


def read_devkit_mat(path: Path, index: Mapping[str, int] | None = None) -> GroundTruth:
    """What `eval_detection.m` caches: indices of images, and for each image DET ids and a (4, n) array of boxes.

    Boxes are xmin, ymin, xmax, ymax in 0-based pixels, both ends included, in the smallest unsigned type that holds
    them: MATLAB's sums saturate there and NumPy's wrap, so they are widened before 1 is added. The file has no names
    or sizes of images.

    Args:
        path: of the cache. Reading it executes nothing; do not read one from somebody who wants to do harm, see
            `mat_integrity`.
        index: {name: number} of at least the images in the file (`val.txt`); None: images are named by number.
    Raises:
        ValueError: naming the file, if it cannot be read, lacks a variable, or holds something else than the above,
            and naming a number that the index does not have.
    """
    variables = _load(path)
    numbers = np.asarray(variables[IDS]).ravel().astype(np.int64)
    labels, boxes = ([np.asarray(cell) for cell in np.ravel(variables[name])] for name in (LABELS, BOXES))
    if not len(numbers) == len(labels) == len(boxes):
        counts = f"{len(numbers)}, {len(labels)}, {len(boxes)}"
        raise ValueError(f"{path}: expected as many {IDS} as {LABELS} and {BOXES}, got {counts}")
    if len(np.unique(numbers)) != len(numbers):
        raise ValueError(f"{path}: expected every number of {IDS} once, got repeats")
    objects = _objects_per_image(numbers, labels, boxes, path)
    image_of = np.repeat(np.arange(len(numbers), dtype=np.int64), objects)
    classes = ilsvrc_detection_classes()
    return GroundTruth(
        images=_names(numbers, index, path),
        numbers=numbers,
        sizes=np.zeros((len(numbers), 2), dtype=np.int32),
        classes=classes,
        image_of=image_of,
        boxes=_continuous(boxes, numbers[image_of], path),
        labels=_zero_based(labels, numbers[image_of], len(classes), path),
        ignored=np.zeros(len(image_of), dtype=np.bool_),
    )


def _load(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    try:
        check_mat_file(content)
        variables: dict[str, Any] = loadmat(io.BytesIO(content), variable_names=VARIABLES)
    except Exception as error:  # SciPy lets whatever an odd file causes through: TypeError, OSError, ...
        raise ValueError(f"{path}: expected a file of MATLAB 7: {' '.join(str(error).split())}") from error
    for name in VARIABLES:
        if name not in variables:
            raise ValueError(
                f"{path}: expected the devkit's variable {name}, found {', '.join(variables) or 'nothing'}"
            )
    if variables[IDS].dtype.kind not in "iuf" or variables[LABELS].dtype != object or variables[BOXES].dtype != object:
        raise ValueError(f"{path}: expected numbers as {IDS}, cells as {LABELS} and {BOXES}")
    return variables


def _objects_per_image(
    numbers: NDArray[np.int64], labels: list[NDArray[Any]], boxes: list[NDArray[Any]], path: Path
) -> list[int]:
    for number, label, box in zip(numbers, labels, boxes, strict=True):
        if label.dtype.kind not in "iuf" or box.dtype.kind not in "iuf":
            raise ValueError(f"{path}, image {number}: expected numbers as labels and boxes")
        if (label.size or box.size) and box.shape != (4, label.size):
            raise ValueError(f"{path}, image {number}: expected (4, {label.size}) boxes, got {box.shape}")
    return [label.size for label in labels]


def _continuous(boxes: list[NDArray[Any]], images: NDArray[np.int64], path: Path) -> NDArray[np.float64]:
    inclusive: NDArray[np.float64] = np.concatenate(
        [np.zeros((0, 4)), *(box.T.astype(np.float64) for box in boxes if box.size)]
    )
    wrong = np.flatnonzero(~np.all(inclusive[:, :2] <= inclusive[:, 2:], axis=1))  # NaN too
    if len(wrong):
        box = " ".join(f"{edge:g}" for edge in inclusive[wrong[0]])
        raise ValueError(f"{path}, image {images[wrong[0]]}: expected xmin <= xmax and ymin <= ymax, got {box}")
    continuous: NDArray[np.float64] = inclusive + np.array([0.0, 0.0, 1.0, 1.0])
    return continuous


def _zero_based(
    labels: list[NDArray[Any]], images: NDArray[np.int64], num_classes: int, path: Path
) -> NDArray[np.int64]:
    ids = np.concatenate([np.zeros(0), *(label.ravel().astype(np.float64) for label in labels)])
    wrong = np.flatnonzero(~np.isin(ids, np.arange(1, num_classes + 1)))
    if len(wrong):
        raise ValueError(
            f"{path}, image {images[wrong[0]]}: expected DET ids 1..{num_classes} as labels, got {ids[wrong[0]]:g}"
        )
    return ids.astype(np.int64) - 1


def _names(numbers: NDArray[np.int64], index: Mapping[str, int] | None, path: Path) -> tuple[str, ...]:
    if index is None:
        return tuple(str(number) for number in numbers)
    names: dict[int, str] = {}
    for name, number in index.items():
        if number in names:
            raise ValueError(f"--image-index: {names[number]} and {name} are both number {number}")
        names[number] = name
    for number in numbers.tolist():
        if number not in names:
            raise ValueError(f"--image-index: {path} has an image number {number}, found no line for it")
    return tuple(names[number] for number in numbers.tolist())
