"""Ground truth in any format that we read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from detect.ground_truth import GroundTruth
from detect.ground_truth_coco import read_coco
from detect.ground_truth_mat import read_devkit_mat
from detect.ground_truth_subset import restrict
from detect.ground_truth_xml import ILSVRC_KINDS, read_ilsvrc_tree, read_voc_tree
from detect.image_index import read_image_index
from detect.image_list import choose_images


def read_ground_truth(path: Path, *, image_list: Path | None = None, image_index: Path | None = None) -> GroundTruth:
    """Read what is there.

    A folder with `Annotations/DET` or `Annotations/CLS-LOC` is an ILSVRC tree (DET if it has both), another one with
    `Annotations` a VOC tree; a `.json` is COCO's; a `.mat` is the cache of ILSVRC's devkit, which names its images only
    with the help of `image_index`.

    Args:
        path: the folder or file.
        image_list: file of lines `NAME` or `NAME NUMBER`, the number being ignored: these images only.
        image_index: ILSVRC's `val.txt`, lines `NAME INDEX`: numbers of the images, instead of the data set's own.
    Raises:
        ValueError: one sentence that names the file, and the line or object: if it is of no such form, or as the
            readers say; an image of the list is not in the data set; an image is not in the index, or two share a
            number.
    """
    index = None if image_index is None else read_image_index(image_index)
    if path.suffix.lower() == ".mat" and not path.is_dir():
        if image_list is not None and index is None:
            raise ValueError(f"--image-list: expected --image-index with it: {path} has no names of images")
        return _restricted(read_devkit_mat(path, index), image_list, path)
    found = _read(path, image_list)
    return found if index is None else _renumbered(found, index)


def _read(path: Path, image_list: Path | None) -> GroundTruth:
    if path.is_dir():
        if any((path / "Annotations" / kind).is_dir() for kind in ILSVRC_KINDS):
            return read_ilsvrc_tree(path, image_list)
        if (path / "Annotations").is_dir():
            return read_voc_tree(path, image_list)
        raise ValueError(f"--ground-truth: expected an ILSVRC or VOC tree, found no folder Annotations in {path}")
    if not path.exists():
        raise ValueError(f"--ground-truth: no such file or folder: {path}")
    if path.suffix.lower() == ".json":
        return _restricted(read_coco(path), image_list, path)
    raise ValueError(f"--ground-truth: expected an ILSVRC or VOC tree, a COCO .json or the devkit's .mat, got {path}")


def _restricted(ground_truth: GroundTruth, image_list: Path | None, source: Path) -> GroundTruth:
    if image_list is None:
        return ground_truth
    return restrict(ground_truth, choose_images(ground_truth.images, image_list, source))


def _renumbered(ground_truth: GroundTruth, index: Mapping[str, int]) -> GroundTruth:
    """Numbers from the index, where images stand under their name or its last part."""
    image_by_number: dict[int, str] = {}
    for image in ground_truth.images:
        number = index.get(image, index.get(PurePosixPath(image).name))
        if number is None:
            raise ValueError(f"--image-index: expected a line for every image, found none for {image}")
        if number in image_by_number:
            raise ValueError(f"--image-index: {image_by_number[number]} and {image} are both number {number}")
        image_by_number[number] = image
    return dataclasses.replace(ground_truth, numbers=np.array(list(image_by_number), dtype=np.int64))
