"""What MultiBox's priors are made of: objects in units of their images, by hand, mirrored, and of bad images."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detect.class_tables import DetectionClass
from detect.training import prior_boxes
from detect.training.prior_boxes import normalised_objects, with_mirrored
from detect.training.training_set import IGNORED, TrainingSet


def small_set(folder: Path) -> TrainingSet:
    """Two images, 40 × 20 and 10 × 10; the first has two objects and an ignored one, the second one."""
    paths = (folder / "1.png", folder / "2.png")
    Image.new("RGB", (40, 20)).save(paths[0])
    Image.new("RGB", (10, 10)).save(paths[1])
    return TrainingSet(
        name="small",
        images=paths,
        names=("1", "2"),
        weights=np.ones(2),
        classes=(DetectionClass("", "dog", (0,)),),
        allowed=np.array([[1, 0], [0, 1]], bool),
        image_of=np.array([0, 0, 0, 1]),
        boxes=np.array([[0, 0, 40, 20], [10, 5, 20, 10], [1, 1, 2, 2], [5, 5, 10, 10]], np.float32),
        targets=np.array([0, 0, IGNORED, 0]),
        background=np.array([1, 1]),
    )


def test_objects_in_units_of_their_images(tmp_path: Path) -> None:
    found = normalised_objects(small_set(tmp_path), seed=0)
    assert found.dtype == np.float32
    assert found.tolist() == [[0, 0, 1, 1], [0.25, 0.25, 0.5, 0.5], [0.5, 0.5, 1, 1]]


def test_mirrored_ones_come_behind(tmp_path: Path) -> None:
    found = with_mirrored(normalised_objects(small_set(tmp_path), seed=0))
    assert found[:3].tolist() == normalised_objects(small_set(tmp_path), seed=0).tolist()
    assert found[3:].tolist() == [[0, 0, 1, 1], [0.5, 0.25, 0.75, 0.5], [0, 0.5, 0.5, 1]]


def test_an_image_on_its_side_counts_as_it_is_seen(tmp_path: Path) -> None:
    photos = small_set(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 40)).save(photos.images[0], exif=exif)  # which is seen as 40 × 20
    assert normalised_objects(photos, seed=0)[1].tolist() == [0.25, 0.25, 0.5, 0.5]


def test_of_images_that_cannot_be_read_there_is_nothing(tmp_path: Path) -> None:
    photos = small_set(tmp_path)
    photos.images[0].write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    assert normalised_objects(photos, seed=0).tolist() == [[0.5, 0.5, 1, 1]]
    photos.images[1].unlink()
    assert normalised_objects(photos, seed=0).shape == (0, 4)
    ignored = dataclasses.replace(photos, targets=np.full(4, IGNORED))
    assert normalised_objects(ignored, seed=0).shape == (0, 4)


def test_of_nothing_there_is_no_mirror_image() -> None:
    assert with_mirrored(np.zeros((0, 4), np.float32)).shape == (0, 4)


def test_of_too_many_objects_some_are_taken_by_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prior_boxes, "MOST", 2)
    photos = small_set(tmp_path)
    every = {tuple(row) for row in normalised_objects(photos, seed=0).tolist()}
    assert len(every) == 2
    assert normalised_objects(photos, seed=0).tolist() == [list(row) for row in sorted(every)]
    others = [normalised_objects(photos, seed=seed).tolist() for seed in range(8)]
    assert any(one != others[0] for one in others)
