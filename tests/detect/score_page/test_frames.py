from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.score_page.frames import SLIMMEST, SMALLEST, Frame, frame_around


def test_by_hand() -> None:
    """100 x 80 with 35 % more on each side is 170 x 136, around (150, 140)."""
    frame = frame_around(np.array([[100.0, 100, 200, 180]]), (1000, 1000))
    assert frame == Frame(65, 72, 235, 208)
    assert (frame.width, frame.height) == (170, 136)


def test_at_the_edge_it_is_pushed_inside() -> None:
    assert frame_around(np.array([[0.0, 0, 100, 80]]), (1000, 1000)) == Frame(0, 0, 170, 136)
    assert frame_around(np.array([[0.0, 0, 100, 80]]), (90, 120)) == Frame(0, 0, 120, 90)
    assert frame_around(np.array([[0.0, 0, 100, 80]]), None) == Frame(-35, -28, 135, 108)


def test_a_small_box_and_a_slim_one_get_more_around_them() -> None:
    small = frame_around(np.array([[500.0, 500, 510, 510]]), (1000, 1000))
    assert (small.width, small.height) == (SMALLEST, SMALLEST)
    slim = frame_around(np.array([[300.0, 500, 700, 510]]), (1000, 1000))
    assert slim.height == pytest.approx(SLIMMEST * slim.width, abs=2)


edges = st.integers(-50, 450)
boxes = st.lists(st.tuples(edges, edges, edges, edges), min_size=1, max_size=2)


@given(boxes=boxes, size=st.tuples(st.integers(1, 400), st.integers(1, 400)))
def test_it_lies_in_the_picture_and_holds_what_lies_there(
    boxes: list[tuple[int, int, int, int]], size: tuple[int, int]
) -> None:
    frame = frame_around(np.array(boxes, np.float64), size)
    assert 0 <= frame.x1 < frame.x2 <= size[1]
    assert 0 <= frame.y1 < frame.y2 <= size[0]
    inside = [one for one in boxes if min(one) >= 0 and max(one[::2]) <= size[1] and max(one[1::2]) <= size[0]]
    if len(inside) == len(boxes):
        corners = np.array(boxes).reshape(-1, 2)
        assert frame.x1 <= corners[:, 0].min()
        assert frame.x2 >= corners[:, 0].max()
        assert frame.y1 <= corners[:, 1].min()
        assert frame.y2 >= corners[:, 1].max()


@pytest.mark.parametrize("size", [None, (100, 100)])
def test_a_box_as_large_as_numbers_go(size: tuple[int, int] | None) -> None:
    frame = frame_around(np.array([[0.0, 0, 1.7e308, 1], [-1.7e308, 0, 0, 1]]), size)
    assert frame.x1 < frame.x2
    assert frame.y1 < frame.y2
