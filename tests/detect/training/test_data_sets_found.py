"""Boxes pulled back onto their images."""

from __future__ import annotations

from pathlib import Path

import pytest
from data_set_files import write_picture
from hypothesis import given
from hypothesis import strategies as st

from detect.training.data_sets_found import Problem, clip, find_image

SIZE = (50, 60)  # height, width


@pytest.mark.parametrize(
    ("box", "clipped", "kind"),
    [
        ((0, 0, 60, 50), (0, 0, 60, 50), None),
        ((-1, -1, 61, 51), (0, 0, 60, 50), None),  # one pixel is rounding
        ((-1.5, 0, 60, 50), (0, 0, 60, 50), "outside"),
        ((0, 0, 60, 51.5), (0, 0, 60, 50), "outside"),
        ((10, 20, 100, 30), (10, 20, 60, 30), "outside"),
        ((60, 0, 61, 10), None, "outside"),  # beside the image, if by one pixel only
        ((-20, 0, 0, 10), None, "outside"),
        ((5, 5, 5, 10), None, "zero area"),
        ((5, 10, 9, 10), None, "zero area"),
        ((9, 5, 5, 10), None, "zero area"),
    ],
)
def test_by_hand(box: tuple[float, ...], clipped: tuple[float, ...] | None, kind: str | None) -> None:
    assert clip(box, SIZE) == (clipped, kind)  # type: ignore[arg-type]


def test_an_unknown_side_does_not_clip() -> None:
    assert clip((-5, 0, 1000, 2000), (0, 0)) == ((0, 0, 1000, 2000), "outside")
    assert clip((0, 0, 1000, 2000), (0, 0)) == ((0, 0, 1000, 2000), None)


coordinates = st.floats(-200, 200)


@given(st.tuples(coordinates, coordinates, coordinates, coordinates))
def test_what_is_clipped_lies_inside_both(box: tuple[float, float, float, float]) -> None:
    clipped, kind = clip(box, SIZE)
    if clipped is None:
        assert kind is not None
        return
    x1, y1, x2, y2 = clipped
    assert 0 <= x1 < x2 <= 60
    assert 0 <= y1 < y2 <= 50
    assert box[0] <= x1 and box[1] <= y1 and x2 <= box[2] and y2 <= box[3]  # noqa: PT018
    assert clip(clipped, SIZE) == (clipped, None)


def test_images_are_found_by_their_name(tmp_path: Path) -> None:
    assert find_image(tmp_path, "a.b") is None
    path = write_picture(tmp_path / "a.b.png")
    assert find_image(tmp_path, "a.b") == path


def test_unknown_kinds_of_problems() -> None:
    with pytest.raises(ValueError, match=r"kind: expected one of annotation, image, .*, got 'odd'"):
        Problem(Path("a"), "wrong", "odd")
