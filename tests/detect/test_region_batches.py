from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.region_batches import Batch, Piece, plan_batches


def plan(counts: list[int], batch_size: int) -> list[Batch]:
    return list(plan_batches(enumerate(counts), batch_size))


def test_three_images_by_hand() -> None:
    # 5, 0 and 4 regions in batches of 3: aaa | aac | cc with image b, which has none, done as soon as it is seen.
    assert plan([5, 0, 4], 3) == [
        Batch((Piece(0, 0, 3),), ()),
        Batch((Piece(0, 3, 5), Piece(2, 0, 1)), (0, 1)),
        Batch((Piece(2, 1, 4),), (2,)),
    ]


def test_an_image_that_fills_a_batch_is_finished_by_it() -> None:
    assert plan([2, 2], 2) == [Batch((Piece(0, 0, 2),), (0,)), Batch((Piece(1, 0, 2),), (1,))]
    assert plan([1, 3], 2) == [
        Batch((Piece(0, 0, 1), Piece(1, 0, 1)), (0,)),
        Batch((Piece(1, 1, 3),), (1,)),
    ]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([], []),
        ([0], [Batch((), (0,))]),
        ([0, 0], [Batch((), (0, 1))]),
        ([1], [Batch((Piece(0, 0, 1),), (0,))]),
        ([0, 2, 0], [Batch((Piece(1, 0, 2),), (0, 1)), Batch((), (2,))]),
    ],
)
def test_images_without_regions(counts: list[int], expected: list[Batch]) -> None:
    assert plan(counts, 2) == expected


def test_a_none_ends_a_batch() -> None:
    # bb shares nothing with a; the second None has nothing to end
    assert list(plan_batches([(0, 1), None, None, (1, 2), (2, 0), None], 3)) == [
        Batch((Piece(0, 0, 1),), (0,)),
        Batch((Piece(1, 0, 2),), (1, 2)),
    ]


def test_images_keep_the_names_that_they_come_with() -> None:
    assert list(plan_batches([(7, 1), (3, 2)], 2)) == [
        Batch((Piece(7, 0, 1), Piece(3, 0, 1)), (7,)),
        Batch((Piece(3, 1, 2),), (3,)),
    ]


def region_by_region(counts: list[int], batch_size: int) -> list[list[tuple[int, int]]]:
    """All regions in a row, cut every batch_size."""
    regions = [(image, region) for image, count in enumerate(counts) for region in range(count)]
    return [regions[start : start + batch_size] for start in range(0, len(regions), batch_size)]


@given(st.lists(st.integers(0, 12), max_size=12), st.integers(1, 9))
def test_laws(counts: list[int], batch_size: int) -> None:
    batches = plan(counts, batch_size)
    regions = [[(p.image, r) for p in batch.pieces for r in range(p.start, p.stop)] for batch in batches]
    assert [batch for batch in regions if batch] == region_by_region(counts, batch_size)
    assert all(piece.start < piece.stop for batch in batches for piece in batch.pieces)
    assert all(regions[:-1]), "only the last may have none"
    assert [image for batch in batches for image in batch.finished] == list(range(len(counts)))
    seen: set[tuple[int, int]] = set()
    for batch, of_batch in zip(batches, regions, strict=True):
        seen |= set(of_batch)
        for image in batch.finished:
            assert {(image, region) for region in range(counts[image])} <= seen, "not before its last region"


@given(st.lists(st.integers(0, 6), max_size=10), st.integers(1, 5))
def test_an_image_is_opened_only_when_a_batch_needs_it(counts: list[int], batch_size: int) -> None:
    opened: list[int] = []

    def images() -> Iterator[tuple[int, int]]:
        for image, count in enumerate(counts):
            opened.append(image)
            yield image, count

    filled = 0
    batches = plan_batches(images(), batch_size)
    assert opened == []
    for batch in batches:
        filled += sum(piece.stop - piece.start for piece in batch.pieces)
        if filled % batch_size == 0 and batch.pieces:  # a full batch: nothing behind its last region was opened
            assert opened[-1] == batch.pieces[-1].image


@given(st.lists(st.integers(1, 6), min_size=1, max_size=10), st.integers(1, 5))
def test_a_full_image_is_finished_at_once(counts: list[int], batch_size: int) -> None:
    """In the batch of its last region, so that no image waits for the next one to be read."""
    for batch in plan(counts, batch_size):
        complete = tuple(piece.image for piece in batch.pieces if piece.stop == counts[piece.image])
        assert batch.finished == complete


@pytest.mark.parametrize("batch_size", [0, -3])
def test_batches_of_nothing_are_refused(batch_size: int) -> None:
    with pytest.raises(ValueError, match=f"batch_size: expected at least 1, got {batch_size}"):
        plan([1], batch_size)
