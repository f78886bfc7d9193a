"""Sets joined, cut down and split."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from data_set_files import numbered_set, outcomes
from hypothesis import given
from hypothesis import strategies as st

from detect.training.joined_sets import join_sets, keep_most_per_class, split_held_back, subset
from detect.training.training_set import IGNORED, TrainingSet

targets_of_images = st.lists(st.lists(st.integers(IGNORED, 4), max_size=4), min_size=1, max_size=8)


def contents(
    training_set: TrainingSet,
) -> list[tuple[str, float, frozenset[str], list[tuple[list[float], frozenset[str]]]]]:
    """Everything about each image, without numbers of rows."""
    found = []
    for i in range(len(training_set)):
        boxes, targets = training_set.objects(i)
        meant = [frozenset(outcomes(training_set, t)) if t >= 0 else frozenset() for t in targets]
        background = frozenset(outcomes(training_set, int(training_set.background[i])))
        objects = list(zip(boxes.tolist(), meant, strict=True))
        found.append((training_set.names[i], float(training_set.weights[i]), background, objects))
    return found


def test_join_by_hand() -> None:
    first, second = numbered_set([[0, 4], []], name="a"), numbered_set([[3], [IGNORED, 0]], name="b")
    before = copy.deepcopy((first, second))
    joined = join_sets([first, second])
    assert joined.name == "a + b"
    assert joined.names == ("a0", "a1", "b0", "b1")
    assert joined.image_of.tolist() == [0, 0, 2, 3, 3]
    assert len(joined.allowed) == 5  # both have the same rows
    assert joined.targets[0] == joined.targets[4]
    assert joined.targets[3] == IGNORED
    assert contents(joined) == contents(first) + contents(second)
    for one, was in zip((first, second), before, strict=True):
        assert contents(one) == contents(was)


@given(targets_of_images, targets_of_images)
def test_joining_keeps_all(a: list[list[int]], b: list[list[int]]) -> None:
    first, second = numbered_set(a, name="a"), numbered_set(b, name="b")
    joined = join_sets([first, second])
    assert contents(joined) == contents(first) + contents(second)
    assert contents(subset(joined, range(len(first)))) == contents(first)
    assert contents(join_sets([first])) == contents(first)


def test_sets_that_cannot_be_joined() -> None:
    with pytest.raises(ValueError, match=r"sets: expected at least one, got none"):
        join_sets([])
    with pytest.raises(ValueError, match=r"sets: a and b are not about the same classes"):
        join_sets([numbered_set([[0]]), numbered_set([[0]], name="b", classes=2)])
    with pytest.raises(ValueError, match=r"sets: expected every image once, got a/0.png 2 times"):
        join_sets([numbered_set([[0]]), numbered_set([[0]])])


@given(targets_of_images, st.randoms(use_true_random=False))
def test_subset_is_what_a_loop_takes(targets: list[list[int]], random: object) -> None:
    whole = numbered_set(targets)
    chosen = list(range(len(whole)))
    random.shuffle(chosen)  # type: ignore[attr-defined]
    chosen = chosen[: len(chosen) // 2 + 1]
    before = contents(whole)
    assert contents(subset(whole, chosen)) == [before[i] for i in chosen]
    assert contents(whole) == before


def test_an_empty_subset_and_wrong_indices() -> None:
    whole = numbered_set([[0], [1]])
    assert len(subset(whole, [])) == 0
    for indices in ([2], [-1], [0, 0]):
        with pytest.raises(ValueError, match=r"indices: expected numbers in 0..1, each once"):
            subset(whole, indices)


def test_split_by_hand() -> None:
    whole = numbered_set([[0], [1], [2], []])
    hashes = ["80000000" + "0" * 56, "7fffffff" + "f" * 56, None, "00000000" + "0" * 56]
    train, held = split_held_back(whole, hashes, 0.5)
    assert (train.names, held.names) == (("a0", "a2"), ("a1", "a3"))  # 0x80000000 / 16^8 is just one half
    train, held = split_held_back(whole, hashes, 0.0)
    assert (len(train), len(held)) == (4, 0)
    train, held = split_held_back(whole, hashes, 1.0)
    assert train.names == ("a2",)  # what could not be hashed is not validated on


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_fraction_holds_back_the_same_and_more(starts: list[int], low: float, high: float) -> None:
    low, high = sorted((low, high))
    whole = numbered_set([[0]] * len(starts))
    hashes = [f"{start:08x}" + "0" * 56 for start in starts]
    small, large = (set(split_held_back(whole, hashes, one)[1].names) for one in (low, high))
    assert small <= large
    train, held = split_held_back(whole, hashes, low)
    assert sorted(train.names + held.names) == sorted(whole.names)
    for a, one in zip(hashes, whole.names, strict=True):  # copies fall on one side
        assert all(
            (one in held.names) == (other in held.names) for b, other in zip(hashes, whole.names, strict=True) if a == b
        )


def test_split_refuses() -> None:
    with pytest.raises(ValueError, match=r"hashes: expected 1, got 0"):
        split_held_back(numbered_set([[0]]), [], 0.5)
    with pytest.raises(ValueError, match=r"fraction: expected 0 to 1, got 1.5"):
        split_held_back(numbered_set([[0]]), [None], 1.5)


def test_keep_most_by_hand() -> None:
    whole = numbered_set([[0], [0], [0], [1, 0], [], [], [4], [IGNORED]])
    for seed in range(5):
        kept = keep_most_per_class(whole, 1, seed)
        names = set(kept.names)
        assert "a3" in names  # the only one of class 1
        assert len(names & {"a0", "a1", "a2"}) <= 1
        assert len(names & {"a4", "a5", "a6", "a7"}) == 1  # without a certain object: one more class
        assert list(kept.names) == sorted(kept.names)
    assert contents(keep_most_per_class(whole, 8, 0)) == contents(whole)
    with pytest.raises(ValueError, match=r"n: expected at least 1, got 0"):
        keep_most_per_class(whole, 0, 0)


@given(targets_of_images, st.integers(1, 3), st.integers(0, 5))
def test_keep_most_laws(targets: list[list[int]], n: int, seed: int) -> None:
    whole = numbered_set(targets)
    kept = keep_most_per_class(whole, n, seed)
    assert contents(kept) == contents(keep_most_per_class(whole, n, seed))

    def images_of(one: TrainingSet, label: int) -> int:
        return sum(label in one.objects(i)[1].tolist() for i in range(len(one)))

    for label in range(3):  # every class keeps n images, or all that it has
        assert images_of(kept, label) >= min(n, images_of(whole, label))
    assert len(kept) <= 4 * n  # each image kept fills a place of some class


def test_seeds_choose_differently() -> None:
    whole = numbered_set([[0]] * 30)
    chosen = {keep_most_per_class(whole, 3, seed).names for seed in range(5)}
    assert len(chosen) > 1
    assert all(len(one) == 3 for one in chosen)
    assert np.all(np.diff(whole.image_of) >= 0)
