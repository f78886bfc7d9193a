"""From a folder of proposals and a data set to one overlap per object and budget."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from small_recall import SIZE, write_proposals, write_small_set

from detect.class_tables import DetectionClass
from detect.ground_truth import GroundTruth
from detect.ground_truth_files import read_ground_truth
from detect.proposal_recall import MeasuredProposals, measure_proposals
from proposals.recall import BUDGETS, best_overlaps


def test_a_small_set_by_hand(tmp_path: Path) -> None:
    tree, folder = write_small_set(tmp_path)
    calls: list[None] = []
    measured = measure_proposals(read_ground_truth(tree), folder, each=lambda: calls.append(None))
    assert len(calls) == 3
    assert measured.at(10).tolist() == [0, 0, 0]
    assert measured.at(100).tolist() == [0.5, 0, 0]
    assert measured.at(300).tolist() == [0.5, 1, 0]
    assert measured.at(None).tolist() == [0.5, 1, 0]
    assert measured.num_boxes.tolist() == [101, 0, 1]
    assert measured.mean_boxes(10) == pytest.approx(11 / 3)
    assert measured.mean_boxes(None) == pytest.approx(102 / 3)
    assert measured.failed == ("b",)
    assert measured.other_size == ()
    assert measured.unused == 0
    assert set(BUDGETS) <= set(measured.budgets)
    assert 70 in measured.budgets
    assert 200 not in measured.budgets, "no image has so many"


def random_truth(rng: np.random.Generator, images: int, objects: int) -> GroundTruth:
    corners = rng.uniform(0, 50, (objects, 2, 2))
    return GroundTruth(
        images=tuple(f"{i}" for i in range(images)),
        numbers=np.arange(images, dtype=np.int64),
        sizes=np.tile(np.array(SIZE, np.int32), (images, 1)),
        classes=(DetectionClass("", "a"), DetectionClass("", "b"), DetectionClass("", "c")),
        image_of=np.sort(rng.integers(images, size=objects)),
        boxes=np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1),
        labels=rng.integers(3, size=objects),
        ignored=rng.uniform(size=objects) < 0.3,
    )


@pytest.mark.parametrize("seed", range(4))
def test_against_a_loop(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = random_truth(rng, 6, 14)
    boxes = {}
    for name in truth.images:
        corners = rng.uniform(0, 50, (int(rng.integers(0, 30)), 2, 2))
        boxes[f"{name}.jpg"] = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).tolist()
    write_proposals(tmp_path, boxes)
    measured = measure_proposals(truth, tmp_path)
    objects = [i for i in range(14) if not truth.ignored[i]]
    assert measured.counted.tolist() == objects
    assert measured.labels.tolist() == [truth.labels[i] for i in objects]
    for budget in BUDGETS:
        expected = [
            best_overlaps(
                truth.boxes[i : i + 1],
                np.array(boxes[f"{truth.images[truth.image_of[i]]}.jpg"], np.float32).reshape(-1, 4),
                (budget,),
            )[0, 0]
            for i in objects
        ]
        assert measured.at(budget).tolist() == expected


def measure(tmp_path: Path, **changes: object) -> MeasuredProposals:
    tree, folder = write_small_set(tmp_path)
    return measure_proposals(dataclasses.replace(read_ground_truth(tree), **changes), folder)  # type: ignore[arg-type]


def test_ignored_objects_do_not_count(tmp_path: Path) -> None:
    measured = measure(tmp_path, ignored=np.array([True, False, False]))
    assert measured.at(None).tolist() == [1, 0]
    assert measured.ground_truth.ignored.sum() == 1


def test_no_objects(tmp_path: Path) -> None:
    measured = measure(tmp_path, ignored=np.ones(3, np.bool_))
    assert measured.overlaps.shape == (len(measured.budgets), 0)


def test_sizes_that_disagree_are_noted_and_unknown_ones_are_not(tmp_path: Path) -> None:
    sizes = np.array([[60, 50], [60, 50], [0, 0]], np.int32)
    assert measure(tmp_path, sizes=sizes).other_size == ("a",)


def test_files_of_other_images_are_counted(tmp_path: Path) -> None:
    tree, folder = write_small_set(tmp_path)
    write_proposals(folder, {"x.jpg": [], "val/y.jpg": []})
    assert measure_proposals(read_ground_truth(tree), folder).unused == 2


def test_an_image_without_a_file_is_an_error(tmp_path: Path) -> None:
    tree, folder = write_small_set(tmp_path)
    (folder / "proposals.jsonl").unlink()
    with pytest.raises(ValueError, match=r"has no file for 1 of 3 images of the ground truth, the first b; give --im"):
        measure_proposals(read_ground_truth(tree), folder)


def test_a_folder_of_other_images_is_an_error(tmp_path: Path) -> None:
    tree, _ = write_small_set(tmp_path)
    write_proposals(tmp_path / "others", {"x.jpg": []})
    with pytest.raises(ValueError, match=r"others has no file for any image of the ground truth, such as a$"):
        measure_proposals(read_ground_truth(tree), tmp_path / "others")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    tree, folder = write_small_set(tmp_path)
    (folder / "val" / "c.JPEG.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"c\.JPEG\.npz: expected an \.npz file"):
        measure_proposals(read_ground_truth(tree), folder)
