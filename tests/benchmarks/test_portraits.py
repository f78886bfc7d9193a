"""Portraits cut from a VOC tree: what is in them by hand, held-back photos left out, the same tree twice."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import portraits
import pytest
from portraits import annotation, cut, frame_of, is_cut
from small_voc import NAMES, write_small_voc

from detect.annotation_xml import read_annotation
from detect.image_decoding import decode_image
from detect.training.data_sets_found import FoundObject
from detect.training.data_sets_xml import find_voc

WHOLE = FoundObject("person", (20.0, 10.0, 60.0, 110.0))


def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *more: str, out: str = "tree") -> Path:
    voc = tmp_path / "voc"
    if not voc.exists():
        write_small_voc(voc, tmp_path / "store")
    flags = ["--voc", str(voc), "--out", str(tmp_path / out), "--least", "40", "--held-back", "0"]
    monkeypatch.setattr(portraits, "TALLER", 1.0)  # the small photos are wide
    monkeypatch.setattr(sys, "argv", ["portraits", *flags, *more])
    portraits.main()
    return tmp_path / out


def test_a_frame_shows_the_upper_part_and_stays_in_the_photo() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        left, top, right, bottom = frame_of(WHOLE.box, (120, 100), rng)
        assert 0 <= left < right <= 100
        assert 0 <= top <= 10
        assert 10 + 30 <= bottom <= 10 + 70 + 1, "30 to 70 % of the height"
        assert left < 40 < right, "the middle of the person"


def test_objects_are_cut_with_the_photo_by_hand() -> None:
    objects = [
        WHOLE,
        FoundObject("dog", (50.0, 30.0, 90.0, 50.0)),  # a quarter of its width is inside
        FoundObject("cat", (30.0, 20.0, 50.0, 60.0)),  # three quarters of its height
        FoundObject("bird", (0.0, 0.0, 9.0, 9.0)),
        FoundObject("sheep", (10.0, 49.0, 60.0, 99.0)),  # a fiftieth of its height
        FoundObject("car", (30.0, 20.0, 40.0, 30.0), ignored=True),
    ]
    assert cut(objects, 0, (10, 5, 60, 50)) == [
        FoundObject("person", (10.0, 5.0, 50.0, 45.0)),  # two fifths are left: it is the subject
        FoundObject("dog", (40.0, 25.0, 50.0, 45.0), ignored=True),
        FoundObject("cat", (20.0, 15.0, 40.0, 45.0)),
        FoundObject("car", (20.0, 15.0, 30.0, 25.0), ignored=True),
    ]


def test_who_is_cut() -> None:
    assert is_cut(WHOLE, 100)
    assert not is_cut(WHOLE, 101), "too small"
    assert not is_cut(FoundObject("person", WHOLE.box, ignored=True), 50)
    assert not is_cut(FoundObject("dog", WHOLE.box), 50)
    assert not is_cut(FoundObject("person", (0, 0, 100, 110)), 50), "lies, or is cut already"


def test_an_annotation_is_read_as_it_was_meant(tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_bytes(annotation("x.jpg", (50, 60), [WHOLE, FoundObject("dog", (0, 0, 5, 5), True)]))
    found = read_annotation(tmp_path / "x.xml")
    assert found.size == (50, 60)
    assert [(one.name, one.box, one.difficult) for one in found.objects] == [
        ("person", (21, 11, 60, 110), False),
        ("dog", (1, 1, 5, 5), True),
    ]


def test_a_tree_that_training_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = make(tmp_path, monkeypatch, "--cuts", "3")
    assert "3 portraits" in capsys.readouterr().out
    photos, problems = find_voc(tree, None, None, None)
    alone = NAMES.index("person")
    assert not problems
    assert [one.name for one in photos] == [f"{alone:06}_00_{again}" for again in range(3)]
    for one in photos:
        assert decode_image(one.file).shape[:2] == one.size
        (person,) = one.objects
        assert person.name == "person"
        assert not person.ignored
        assert person.box[3] == one.size[0], "cut off by the lower edge"
    again = make(tmp_path, monkeypatch, "--cuts", "3", out="again")
    assert all((again / one.relative_to(tree)).read_bytes() == one.read_bytes() for one in tree.rglob("*.*"))
    with pytest.raises(SystemExit):
        make(tmp_path, monkeypatch)


def test_photos_that_are_held_back_are_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not list(make(tmp_path, monkeypatch, "--held-back", "1").rglob("*.jpg"))
