"""Of boxes that nearly coincide, the first stays."""

from __future__ import annotations

import numpy as np
import pytest

from proposals.near_duplicates import first_of_near_duplicates
from proposals.recall import box_overlaps


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_by_hand() -> None:
    """Of 20 × 10 pixels: one more column makes 200 / 210 = .952, two 200 / 220 = .909."""
    found = boxes((0, 0, 20, 10), (0, 0, 21, 10), (0, 0, 22, 10), (0, 0, 20, 10))
    assert first_of_near_duplicates(found, 0.95).tolist() == [0, 2], "21 of 22 columns did not stay"
    assert first_of_near_duplicates(found, 0.96).tolist() == [0, 1, 2]
    assert first_of_near_duplicates(found[::-1], 0.95).tolist() == [0, 1]


def test_just_at_the_threshold_is_a_duplicate() -> None:
    """19 of 20 columns: 19 / 20 as floats divide it, and the next number above that."""
    found = boxes((0, 0, 20, 8), (0, 0, 19, 8))
    assert first_of_near_duplicates(found, 19 / 20).tolist() == [0]
    assert first_of_near_duplicates(found, np.nextafter(19 / 20, 1)).tolist() == [0, 1]


def test_at_1_only_equal_boxes_are() -> None:
    third = np.float32(1 / 3)
    found = boxes((third, 0, 7, 5), (third, 0, 7, 5), (np.nextafter(third, np.float32(1)), 0, 7, 5))
    assert first_of_near_duplicates(found, 1).tolist() == [0, 2]


def test_boxes_without_area_stay() -> None:
    assert first_of_near_duplicates(boxes((3, 3, 3, 9), (3, 3, 3, 9), (5, 5, 1, 9)), 0.5).tolist() == [0, 1, 2]


@pytest.mark.parametrize("most", [0, 1, 2, 3, 9])
def test_no_more_than_asked_for(most: int) -> None:
    """The first of those that all rows would leave."""
    found = boxes((0, 0, 9, 9), (0, 0, 9, 9), (20, 0, 29, 9), (40, 0, 49, 9))
    assert first_of_near_duplicates(found, 0.9, most=most).tolist() == [0, 2, 3][:most]


def test_none_and_one() -> None:
    for found in (boxes(), boxes((0, 0, 1, 1))):
        rows = first_of_near_duplicates(found, 0.95)
        assert (rows.dtype, rows.tolist()) == (np.int64, list(range(len(found))))


@pytest.mark.parametrize("iou", [0.3, 0.7, 0.95])
@pytest.mark.parametrize("seed", range(4))
def test_equal_to_the_slow_loop(seed: int, iou: float) -> None:
    """Clusters of boxes that differ little, and every overlap of two of them."""
    generator = np.random.default_rng(seed)
    corners = generator.integers(0, 30, (12, 2))
    clusters = np.concatenate([corners, corners + generator.integers(1, 60, (12, 2))], axis=1)
    found = (clusters.repeat(20, axis=0) + generator.integers(-1, 2, (240, 4))).astype(np.float32)
    found = found[generator.permutation(240)]
    before = found.copy()
    overlaps, kept = box_overlaps(found, found), []
    for i in range(len(found)):
        if not any(overlaps[i, j] >= iou for j in kept):
            kept.append(i)
    assert first_of_near_duplicates(found, iou).tolist() == kept
    assert 1 < len(kept) < 240
    np.testing.assert_array_equal(found, before)


def test_strides_and_scale_do_not_matter() -> None:
    found = np.random.default_rng(0).integers(0, 9, (60, 8)).astype(np.float32)
    found[:, [4, 6]] += 9
    wide = found[:, ::2]
    once = first_of_near_duplicates(wide, 0.8)
    assert once.tolist() == first_of_near_duplicates(np.ascontiguousarray(wide) * 1024, 0.8).tolist()


@pytest.mark.parametrize(("shape", "got"), [((3,), r"\(3,\)"), ((3, 5), r"\(3, 5\)")])
def test_another_shape(shape: tuple[int, ...], got: str) -> None:
    with pytest.raises(ValueError, match=rf"boxes: expected \(N, 4\), got {got}"):
        first_of_near_duplicates(np.zeros(shape), 0.95)


@pytest.mark.parametrize("iou", [0.0, -1.0, 1.01, float("nan")])
def test_another_iou(iou: float) -> None:
    with pytest.raises(ValueError, match=f"iou: expected a number above 0, at most 1, got {iou}"):
        first_of_near_duplicates(np.zeros((0, 4)), iou)
