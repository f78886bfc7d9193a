"""Every image has a picture of its own, whatever the images are called."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.picture_names import picture_name


@pytest.mark.parametrize(
    ("image", "picture"),
    [
        ("a.jpg", "a.jpg"),
        ("sub/A.JPEG", "sub/A.JPEG"),
        ("v1.2.jpg", "v1.2.jpg"),
        ("a.png", "a.png.jpg"),
        ("a.png.jpg", "a.png.jpg.jpg"),
        ("a", "a.picture.jpg"),
        ("a.picture.jpg", "a.picture.jpg.jpg"),
        ("d.jpg/a.gif", "d.jpg/a.gif.jpg"),
        ("new\nline.png", "new\nline.png.jpg"),
        (os.fsdecode(b"sn\xf6.png"), os.fsdecode(b"sn\xf6.png.jpg")),
    ],
)
def test_names_by_hand(image: str, picture: str) -> None:
    assert picture_name(image) == picture


@given(
    names=st.sets(
        st.lists(st.sampled_from(["a", ".jpg", ".jpeg", ".png", ".JPG", ".b", ".picture"]), min_size=1).map("".join)
    )
)
def test_no_two_images_share_a_picture(names: set[str]) -> None:
    files = {f"x{name}" for name in names}
    assert len({picture_name(name) for name in files}) == len(files)


def test_a_name_that_would_get_too_long_is_cut_and_stays_unique() -> None:
    one, other = "s/" + "ö" * 125 + "1.png", "s/" + "ö" * 125 + "2.png"  # 255 bytes, the most a file's name can have
    assert len(os.fsencode(one)) == 2 + 255
    for name in (one, other):
        file = picture_name(name).removeprefix("s/")
        assert len(os.fsencode(file)) <= 255
        assert file.endswith(".jpg")
    assert picture_name(one) != picture_name(other)
