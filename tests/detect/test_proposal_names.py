"""Every image has a file of its own, whatever the images are called."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.proposal_names import proposal_name


@pytest.mark.parametrize(
    ("image", "file"),
    [
        ("a.jpg", "a.jpg.npz"),
        ("a.png", "a.png.npz"),
        ("sub/a.jpg", "sub/a.jpg.npz"),
        ("a", "a.npz"),
        ("a.npz", "a.npz.npz"),
        ("new\nline.png", "new\nline.png.npz"),
        (os.fsdecode(b"sn\xf6.png"), os.fsdecode(b"sn\xf6.png.npz")),
    ],
)
def test_names_by_hand(image: str, file: str) -> None:
    assert proposal_name(image) == file


@given(names=st.sets(st.lists(st.sampled_from(["a", ".jpg", ".npz", "ö" * 60]), min_size=1, max_size=6).map("".join)))
def test_no_two_images_share_a_file(names: set[str]) -> None:
    files = {proposal_name(f"s/x{name}") for name in names}
    assert len(files) == len(names)
    for file in files:
        assert file.startswith("s/x")
        assert file.endswith(".npz")
        assert len(os.fsencode(file)) <= 2 + 255


def test_the_longest_name_that_is_not_cut() -> None:
    assert proposal_name("n" * 251) == "n" * 251 + ".npz"
    assert proposal_name("n" * 252) != "n" * 252 + ".npz"
