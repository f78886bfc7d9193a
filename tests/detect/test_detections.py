from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import detect
from detect.detections import Detections


def make(boxes: tuple[int, ...], scores: tuple[int, ...], labels: tuple[int, ...]) -> Detections:
    return Detections(np.zeros(boxes, np.float32), np.zeros(scores, np.float32), np.zeros(labels, np.int64))


@pytest.mark.parametrize("n", [0, 1, 7])
def test_length(n: int) -> None:
    assert len(make((n, 4), (n,), (n,))) == n


def test_frozen() -> None:
    found = make((1, 4), (1,), (1,))
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.scores = np.ones(1, np.float32)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((3, 5), (3,), (3,)), r"boxes: expected \(N, 4\), got \(3, 5\)"),
        (((4,), (1,), (1,)), r"boxes: expected \(N, 4\), got \(4,\)"),
        (((3, 4), (2,), (3,)), r"scores: expected \(3,\), got \(2,\)"),
        (((3, 4), (3, 1), (3,)), r"scores: expected \(3,\), got \(3, 1\)"),
        (((0, 4), (0,), (1,)), r"labels: expected \(0,\), got \(1,\)"),
    ],
)
def test_other_shapes_are_refused(shapes: tuple[tuple[int, ...], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(*shapes)


def test_the_package_offers_it() -> None:
    assert detect.Detections is Detections
