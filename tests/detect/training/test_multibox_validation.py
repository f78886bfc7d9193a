"""Coverage of held-back objects, worked by hand; unreadable images, uncertain classes, and nothing to cover."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from held_back_case import CAT, DOG, held_back
from numpy.typing import NDArray
from PIL import Image

from detect.training.multibox_validation import COVERAGE_BUDGETS, UNCERTAIN, certain_labels, coverage
from detect.training.training_set import IGNORED, TrainingSet
from proposals import Proposals


def boxes(*rows: list[float]) -> Proposals:
    return Proposals(np.array(rows, np.float32).reshape(-1, 4), np.linspace(1, 0, len(rows), dtype=np.float32))


class Given:
    """Boxes by the gray of the image, which is 40 times its number."""

    def __init__(self, *found: Proposals) -> None:
        self.found = found

    def __call__(self, images: Iterator[NDArray[np.uint8]]) -> Iterator[Proposals]:
        return (self.found[int(image[0, 0, 0]) // 40] for image in images)


@pytest.fixture
def case(tmp_path: Path) -> TrainingSet:
    for number, name in enumerate("abc"):
        Image.new("RGB", (100, 100), (40 * number,) * 3).save(tmp_path / f"{name}.png")
    return held_back(tmp_path)


# Image a: the dog's upper half (IoU 0.5); then the ambiguous animal exactly; the thing outside the classes not at all.
# Image b: a miss; then 40 x 36 of the cat (0.9); the bird not at all; a box on the ignored object counts neither way.
FOUND = Given(
    boxes([0, 0, 40, 20], [50, 0, 90, 40]),
    boxes([90, 90, 95, 95], [0, 0, 40, 36], [50, 0, 90, 40]),
    boxes(),
)


def test_worked_by_hand(case: TrainingSet) -> None:
    result = coverage(FOUND, case, budgets=(1, 2, 200))
    assert result.labels.tolist() == [DOG, UNCERTAIN, UNCERTAIN, CAT, 2]
    expected = [[0.5, 0, 0, 0, 0], [0.5, 1, 0, 0.9, 0], [0.5, 1, 0, 0.9, 0]]
    np.testing.assert_allclose(result.overlaps, expected)
    assert result.num_boxes.tolist() == [2, 3, 0]
    metrics = result.metrics
    assert metrics == pytest.approx(
        {
            "coverage_1": 1 / 5,  # the dog, with exactly 0.5
            "coverage_2": 3 / 5,
            "coverage_200": 3 / 5,
            "MABO_1": 0.5 / 3,  # dog, cat and bird have one certain object each
            "MABO_2": (0.5 + 0.9) / 3,
            "MABO_200": (0.5 + 0.9) / 3,
            "AR_1": 0.0,
            "AR_2": 2 / 5 * (0.5 + 0.4),
            "AR_200": 2 / 5 * (0.5 + 0.4),
            "objects": 5.0,
            "boxes": 5 / 3,
        }
    )


def test_without_certain_classes_the_mean_is_over_objects(case: TrainingSet) -> None:
    """3 allows a dog, a cat or background; 4 background alone."""
    nameless = held_back(case.images[0].parent, targets=np.array([3, 3, 4, 4, IGNORED, 3], np.int64))
    result = coverage(FOUND, nameless, budgets=(200,))
    assert set(result.labels.tolist()) == {UNCERTAIN}
    assert result.metrics["MABO_200"] == pytest.approx((0.5 + 1 + 0.9) / 5)


def test_an_unreadable_image_is_listed_and_its_objects_are_not_covered(case: TrainingSet, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"broken")
    result = coverage(FOUND, case)
    assert [(path.name, "not an image" in reason) for path, reason in result.unreadable] == [("a.png", True)]
    assert result.budgets == COVERAGE_BUDGETS == (10, 50, 100, 200)
    np.testing.assert_allclose(result.overlaps[-1], [0, 0, 0, 0.9, 0])
    assert result.num_boxes.tolist() == [0, 3, 0]


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_change_nothing(case: TrainingSet, workers: int) -> None:
    one, other = coverage(FOUND, case), coverage(FOUND, case, workers=workers)
    np.testing.assert_array_equal(one.overlaps, other.overlaps)
    assert one.metrics == other.metrics


@pytest.mark.parametrize("targets", [[IGNORED] * 6, []])
def test_nothing_to_cover(case: TrainingSet, targets: list[int]) -> None:
    count = len(targets)
    empty = held_back(
        case.images[0].parent,
        image_of=case.image_of[:count],
        boxes=case.boxes[:count],
        targets=np.array(targets, np.int64),
    )
    result = coverage(FOUND, empty, budgets=(10,))
    assert np.isnan(result.coverage).all()
    assert result.metrics == {"coverage_10": 0, "MABO_10": 0, "AR_10": 0, "objects": 0, "boxes": pytest.approx(5 / 3)}


def test_labels_are_those_that_a_target_names_alone(case: TrainingSet) -> None:
    assert certain_labels(case).tolist() == [DOG, UNCERTAIN, UNCERTAIN, CAT, UNCERTAIN, 2]


def test_errors(case: TrainingSet) -> None:
    with pytest.raises(ValueError, match="propose: expected the boxes of 3 images, got those of 2"):
        coverage(lambda images: list(FOUND(images))[:2], case)
    with pytest.raises(ValueError, match="budgets: expected at least 1 each"):
        coverage(FOUND, case, budgets=(0,))
