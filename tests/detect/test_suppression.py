from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.ops import nms

from detect import suppression
from detect.detections import Detections
from detect.suppression import suppress


def iou(one: list[float], other: list[float]) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    both = max(wide, 0.0) * max(high, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return both / (sum(areas) - both) if both else 0.0


def class_after_class(
    boxes: Tensor, probs: Tensor, min_score: float, nms_iou: float, max_detections: int
) -> list[tuple[int, int]]:
    """(row, label) of what is kept, best first: R-CNN's section 2.2 word for word."""
    kept: list[tuple[int, int]] = []
    for label in range(probs.shape[1]):
        rows = [row for row in range(len(boxes)) if probs[row, label] >= np.float32(min_score)]
        of_class: list[int] = []
        for row in sorted(rows, key=lambda row: (-probs[row, label].item(), row)):
            if all(iou(boxes[row].tolist(), boxes[better].tolist()) <= nms_iou for better in of_class):
                of_class.append(row)
        kept += [(row, label) for row in of_class]
    kept.sort(key=lambda one: (-probs[one].item(), *one))
    return kept[:max_detections]


def assert_same(found: Detections, boxes: Tensor, probs: Tensor, kept: list[tuple[int, int]]) -> None:
    np.testing.assert_array_equal(found.labels, [label for _, label in kept])
    np.testing.assert_array_equal(found.boxes, boxes.numpy()[[row for row, _ in kept]].reshape(-1, 4))
    np.testing.assert_array_equal(found.scores, np.float32([probs[one].item() for one in kept]))
    assert (found.boxes.dtype, found.scores.dtype, found.labels.dtype) == (np.float32, np.float32, np.int64)


def random_case(seed: int, n: int, k: int, levels: int | None = None) -> tuple[Tensor, Tensor]:
    """Boxes with much overlap; probabilities in so few levels that many tie, if levels is given."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(n, 2, generator=generator) * 60
    boxes = torch.cat([corners, corners + 5 + torch.rand(n, 2, generator=generator) * 50], dim=1)
    probs = torch.rand(n, k, generator=generator)
    return boxes, probs if levels is None else (probs * levels).floor() / levels


def test_five_boxes_by_hand() -> None:
    boxes = torch.tensor(
        [
            [0.0, 0, 10, 10],
            [0, 0, 10, 8],  # IoU with the first 80 / 100
            [0, 5, 10, 15],  # with the first 50 / 150, with the second 30 / 150
            [50, 50, 60, 60],
            [50, 50, 60, 60],  # the fourth again
        ]
    )
    probs = torch.tensor([[0.8, 0.0], [0.9, 0.3], [0.7, 0.1], [0.2, 0.6], [0.4, 0.6]])
    found = suppress(boxes, probs, min_score=0.2, nms_iou=0.3)
    # Class 0: row 1 (.9) takes row 0 (.8) and leaves row 2 (.2 < .3); row 4 (.4) takes row 3 (.2).
    # Class 1: row 3 (.6) takes row 4 (.6), which comes later; row 1 (.3); row 2 (.1) is below .2.
    assert found.scores.tolist() == pytest.approx([0.9, 0.7, 0.6, 0.4, 0.3])
    assert found.labels.tolist() == [0, 0, 1, 0, 1]
    np.testing.assert_array_equal(found.boxes, boxes.numpy()[[1, 2, 3, 4, 1]])


@pytest.mark.parametrize("width", [13, 15, 16])
@pytest.mark.parametrize("shift", [0.0, 37.25, 1000.5])
def test_an_overlap_of_exactly_the_threshold_stays(width: int, shift: float) -> None:
    """Boxes from 0 to 10 and from width − 10 to width share 20 − width of width: 7 / 13, 5 / 15, 4 / 16."""
    boxes = torch.tensor([[0.0, 0, 10, 10], [width - 10, 0, width, 10]]) + shift
    probs = torch.tensor([[0.9], [0.8]])
    exact = (20 - width) / width
    assert len(suppress(boxes, probs, min_score=0.1, nms_iou=exact)) == 2
    assert len(suppress(boxes, probs, min_score=0.1, nms_iou=exact + 1e-9)) == 2
    assert len(suppress(boxes, probs, min_score=0.1, nms_iou=exact - 1e-9)) == 1


@pytest.mark.parametrize("tenths", range(1, 10))
def test_overlaps_of_a_tenth_to_nine(tenths: int) -> None:
    """A box within a larger one: tenths / 10 of it. In float32, 3 / 10 is more than 0.3."""
    boxes = torch.tensor([[0.0, 0, 10, 1], [0, 0, tenths, 1]])
    probs = torch.tensor([[0.9], [0.8]])
    assert len(suppress(boxes, probs, min_score=0.0, nms_iou=tenths / 10)) == 2
    assert len(suppress(boxes, probs, min_score=0.0, nms_iou=tenths / 10 - 1e-6)) == 1


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("levels", [None, 4])
@pytest.mark.parametrize(("nms_iou", "max_detections"), [(0.3, 100), (0.0, 1000), (0.7, 7), (1.0, 1000)])
def test_class_after_class(seed: int, levels: int | None, nms_iou: float, max_detections: int) -> None:
    boxes, probs = random_case(seed, n=25, k=4, levels=levels)
    before = boxes.clone(), probs.clone()
    found = suppress(boxes, probs, min_score=0.25, nms_iou=nms_iou, max_detections=max_detections)
    assert_same(found, boxes, probs, class_after_class(boxes, probs, 0.25, nms_iou, max_detections))
    assert torch.equal(boxes, before[0])
    assert torch.equal(probs, before[1])


def test_ties_go_to_the_lower_row_then_the_lower_label() -> None:
    apart = torch.tensor([[0.0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9]])
    found = suppress(apart, torch.full((3, 2), 0.5), min_score=0.1)
    assert found.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert found.boxes[:, 0].tolist() == [0, 0, 20, 20, 40, 40]
    found = suppress(apart, torch.full((3, 2), 0.5), min_score=0.1, max_detections=3)
    assert (found.boxes[:, 0].tolist(), found.labels.tolist()) == ([0, 0, 20], [0, 1, 0])
    same = torch.tensor([[1.0, 0, 9, 9], [0, 0, 9, 9], [0, 1, 9, 9]])
    assert suppress(same, torch.full((3, 1), 0.5), min_score=0.1).boxes.tolist() == [[1, 0, 9, 9]]


def test_many_ties_keep_their_order() -> None:
    """More than a sort that is only stable for a few elements would keep in order."""
    boxes = torch.arange(3000).float()[:, None] * 20 + torch.tensor([0.0, 0, 10, 10])
    found = suppress(boxes, torch.full((3000, 1), 0.5), min_score=0.1, max_detections=3000)
    np.testing.assert_array_equal(found.boxes, boxes.numpy())


@settings(max_examples=40)
@given(
    offset=st.sampled_from([-1e6, -300.0, 0.0, 1e6, 16_777_216.0]),
    seed=st.integers(0, 10**6),
    labels=st.integers(2, 6),
)
def test_boxes_of_other_classes_never_suppress(offset: float, seed: int, labels: int) -> None:
    """Each class is suppressed as if it were alone, wherever the boxes lie."""
    boxes, probs = random_case(seed, n=12, k=labels)
    boxes = (boxes + offset).round()
    together = suppress(boxes, probs, min_score=0.0, max_detections=1000)
    for label in range(labels):
        alone = suppress(boxes, probs[:, label : label + 1], min_score=0.0, max_detections=1000)
        of_label = together.labels == label
        np.testing.assert_array_equal(together.boxes[of_label], alone.boxes)
        np.testing.assert_array_equal(together.scores[of_label], alone.scores)


def test_a_corner_of_a_huge_image_and_a_negative_one() -> None:
    # Moved apart by the extent of all boxes, in float32 16777216 − (−1) + 1 is 16777216: the two would coincide.
    boxes = torch.tensor([[16_777_215.0, 16_777_215, 16_777_216, 16_777_216], [-1, -1, 0, 0]])
    found = suppress(boxes, torch.tensor([[0.9, 0.0], [0.0, 0.8]]), min_score=0.5)
    assert found.labels.tolist() == [0, 1]


@settings(max_examples=40)
@given(st.integers(0, 15), st.integers(1, 5), st.integers(0, 10**6), st.floats(0, 1), st.integers(0, 20))
def test_laws(n: int, k: int, seed: int, nms_iou: float, most: int) -> None:
    boxes, probs = random_case(seed, n, k)
    found = suppress(boxes, probs, min_score=0.3, nms_iou=nms_iou, max_detections=most)
    assert len(found) <= most
    assert (np.diff(found.scores) <= 0).all()
    assert (found.scores >= np.float32(0.3)).all()
    rows = [tuple(row) for row in boxes.tolist()]
    chosen = [(rows.index(tuple(box)), label) for box, label in zip(found.boxes.tolist(), found.labels, strict=True)]
    assert len(set(chosen)) == len(chosen), "a region is kept at most once for a class"
    assert [probs[row, label].item() for row, label in chosen] == found.scores.tolist()
    # the order of the rows decides only ties, which random numbers have none of
    shuffled = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    again = suppress(boxes[shuffled], probs[shuffled], min_score=0.3, nms_iou=nms_iou, max_detections=most)
    np.testing.assert_array_equal(again.boxes, found.boxes)
    np.testing.assert_array_equal(again.labels, found.labels)
    # twice the image, the same objects
    twice = suppress(boxes * 2, probs, min_score=0.3, nms_iou=nms_iou, max_detections=most)
    np.testing.assert_array_equal(twice.boxes, found.boxes * 2)
    # fewer are the beginning of more
    fewer = suppress(boxes, probs, min_score=0.3, nms_iou=nms_iou, max_detections=most // 2)
    np.testing.assert_array_equal(fewer.boxes, found.boxes[: most // 2])


@pytest.mark.parametrize(
    ("boxes", "probs", "options"),
    [
        (torch.zeros(0, 4), torch.zeros(0, 5), {"min_score": 0.0}),
        (torch.zeros(3, 4), torch.zeros(3, 0), {"min_score": 0.0}),
        (torch.zeros(3, 4), torch.full((3, 5), 0.4), {"min_score": 0.5}),
        (torch.zeros(3, 4), torch.full((3, 5), 0.4), {"min_score": 0.1, "max_detections": 0}),
        (torch.zeros(3, 4), torch.full((3, 5), torch.nan), {"min_score": 0.0}),
    ],
)
def test_nothing_found(boxes: Tensor, probs: Tensor, options: dict[str, float]) -> None:
    found = suppress(boxes, probs, **options)  # type: ignore[arg-type]
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
    assert (found.boxes.dtype, found.scores.dtype, found.labels.dtype) == (np.float32, np.float32, np.int64)


def test_a_box_for_each_class_by_hand() -> None:
    # As regions they would be one object twice; as boxes of class 1 they are two.
    boxes = torch.tensor([[[0.0, 0, 10, 10], [0, 0, 5, 5]], [[0, 0, 10, 9], [20, 0, 30, 10]]])
    probs = torch.tensor([[0.9, 0.6], [0.8, 0.7]])
    found = suppress(boxes, probs, min_score=0.1)
    assert found.boxes.tolist() == [[0, 0, 10, 10], [20, 0, 30, 10], [0, 0, 5, 5]]
    assert found.labels.tolist() == [0, 1, 1]
    assert found.scores.tolist() == pytest.approx([0.9, 0.7, 0.6])


@pytest.mark.parametrize("seed", range(3))
def test_the_same_box_for_each_class_is_a_box_of_the_region(seed: int) -> None:
    boxes, probs = random_case(seed, n=25, k=4)
    one = suppress(boxes, probs, min_score=0.25)
    other = suppress(boxes[:, None].expand(-1, 4, -1), probs, min_score=0.25)
    np.testing.assert_array_equal(one.boxes, other.boxes)
    np.testing.assert_array_equal(one.scores, other.scores)
    np.testing.assert_array_equal(one.labels, other.labels)


def test_a_score_of_exactly_the_least_is_kept() -> None:
    probs = torch.tensor([[0.1], [0.1 - 1e-7]])  # 0.1 in float32 is not 0.1
    boxes = torch.tensor([[0.0, 0, 1, 1], [5, 5, 6, 6]])
    assert suppress(boxes, probs, min_score=0.1).boxes.tolist() == [[0, 0, 1, 1]]


def test_boxes_without_area_stay() -> None:
    flat = torch.tensor([[3.0, 3, 3, 9], [3, 3, 3, 9], [0, 0, 10, 10]])
    assert len(suppress(flat, torch.tensor([[0.9], [0.8], [0.7]]), min_score=0.1)) == 3


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.int64])
def test_other_types_of_boxes(dtype: torch.dtype) -> None:
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10]]).to(dtype)
    found = suppress(boxes, torch.tensor([[0.5], [0.6], [0.7]], dtype=torch.float64), min_score=0.1)
    assert found.boxes.tolist() == [[20, 0, 30, 10], [0, 0, 10, 9]]
    assert found.boxes.dtype == found.scores.dtype == np.float32


def test_the_cost_is_quadratic_in_a_class_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """All 20,000 candidates against each other took ten times as long as 100 of each class."""
    compared: list[int] = []

    def counting_nms(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
        compared.append(len(boxes))
        return nms(boxes, scores, threshold)

    monkeypatch.setattr(suppression, "nms", counting_nms)
    boxes, probs = random_case(0, n=100, k=200)
    suppress(boxes, probs, min_score=0.0)
    assert compared == [100] * 200


@pytest.mark.parametrize(
    ("boxes", "probs", "message"),
    [
        ((3, 5), (3, 2), r"suppress: expected \(N, 4\) and \(N, K\), got \(3, 5\) and \(3, 2\)"),
        ((3, 4), (2, 2), r"got \(3, 4\) and \(2, 2\)"),
        ((3, 4), (3,), r"got \(3, 4\) and \(3,\)"),
        ((4,), (1, 2), r"got \(4,\) and \(1, 2\)"),
        ((1, 3, 4), (1, 2), r"got \(1, 3, 4\) and \(1, 2\)"),
        ((1, 2, 5), (1, 2), r"got \(1, 2, 5\) and \(1, 2\)"),
    ],
)
def test_other_shapes_are_refused(boxes: tuple[int, ...], probs: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        suppress(torch.zeros(boxes), torch.zeros(probs), min_score=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_score": -0.1}, r"suppress: expected min_score in \[0, 1\], got -0.1"),
        ({"min_score": 1.1}, "min_score in .* got 1.1"),
        ({"min_score": float("nan")}, "min_score in .* got nan"),
        ({"min_score": 0.1, "nms_iou": 1.5}, "nms_iou in .* got 1.5"),
        ({"min_score": 0.1, "nms_iou": -0.5}, "nms_iou in .* got -0.5"),
        ({"min_score": 0.1, "vote_iou": 1.5}, "vote_iou in .* got 1.5"),
        ({"min_score": 0.1, "nested_factor": -1.0}, "nested_factor in .* got -1.0"),
        ({"min_score": 0.1, "max_detections": -1}, "expected max_detections of at least 0, got -1"),
    ],
)
def test_other_settings_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        suppress(torch.zeros(1, 4), torch.zeros(1, 2), **options)  # type: ignore[arg-type]
