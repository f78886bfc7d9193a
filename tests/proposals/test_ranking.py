from __future__ import annotations

import numpy as np
import pytest

from proposals.ranking import rank


class Drawn:
    """Stands for a generator; gives numbers chosen by hand."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = numbers

    def random(self, count: int) -> np.ndarray:
        assert count == len(self.numbers)
        return np.array(self.numbers)


def boxes(*rows: tuple[int, int, int, int]) -> np.ndarray:
    return np.array(rows, np.int32).reshape(-1, 4)


SMALL, HALF, WHOLE = (0, 0, 4, 9), (0, 0, 9, 4), (0, 0, 9, 9)


def test_by_hand() -> None:
    # One hierarchy: positions 3 (first leaf), 2, 1 (the whole). Priorities .5 * 3 = 1.5, .5 * 2 = 1, .9.
    found, priorities = rank([boxes(SMALL, HALF, WHOLE)], 1, Drawn(0.5, 0.5, 0.9))
    assert found.tolist() == [list(WHOLE), list(HALF), list(SMALL)]
    assert priorities == pytest.approx([0.9, 1, 1.5])


def test_of_equal_boxes_the_first_in_rank_stays() -> None:
    # Hierarchy a: WHOLE .9. Hierarchy b: SMALL .2 * 2 = .4, WHOLE .3.
    found, priorities = rank([boxes(WHOLE), boxes(SMALL, WHOLE)], 1, Drawn(0.9, 0.2, 0.3))
    assert found.tolist() == [list(WHOLE), list(SMALL)]
    assert priorities == pytest.approx([0.3, 0.4])


def test_min_side_keeps_exactly_that_side() -> None:
    both = [boxes((0, 0, 19, 19), (0, 0, 18, 30), (0, 0, 30, 18), (5, 5, 24, 30))]
    found, _ = rank(both, 20, np.random.default_rng(0))
    assert sorted(found.tolist()) == [[0, 0, 19, 19], [5, 5, 24, 30]]


def test_ties_keep_the_order_given() -> None:
    found, _ = rank([boxes(SMALL, WHOLE), boxes(HALF)], 1, Drawn(0, 0, 0))
    assert found.tolist() == [list(SMALL), list(WHOLE), list(HALF)]


def random_hierarchies(seed: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    corners = generator.integers(0, 12, (4, 30, 2)).astype(np.int32)
    return [np.concatenate((c, c + generator.integers(0, 12, (30, 2))), axis=1).astype(np.int32) for c in corners]


@pytest.mark.parametrize("seed", range(5))
def test_equal_to_the_oracle(seed: int) -> None:
    hierarchies = random_hierarchies(seed)
    draws = iter(np.random.default_rng(seed).random(120))
    everything = []
    for hierarchy in hierarchies:
        for index, box in enumerate(hierarchy.tolist()):
            everything.append(((len(hierarchy) - index) * next(draws), box))
    expected: list[list[int]] = []
    for _, box in sorted(everything, key=lambda entry: entry[0]):
        if min(box[2] - box[0], box[3] - box[1]) + 1 >= 4 and box not in expected:
            expected.append(box)
    found, priorities = rank(hierarchies, 4, np.random.default_rng(seed))
    assert found.tolist() == expected
    assert (np.diff(priorities) >= 0).all()


def test_min_side_does_not_reorder_the_others() -> None:
    every, _ = rank(random_hierarchies(7), 1, np.random.default_rng(7))
    some, _ = rank(random_hierarchies(7), 5, np.random.default_rng(7))
    assert [b for b in every.tolist() if min(b[2] - b[0], b[3] - b[1]) >= 4] == some.tolist()


def test_nothing_to_rank() -> None:
    for hierarchies in ([], [boxes()]):
        found, priorities = rank(hierarchies, 1, np.random.default_rng(0))
        assert found.shape == (0, 4)
        assert priorities.shape == (0,)
