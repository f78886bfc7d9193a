"""The tree of object crops: boxes and sizes by hand, photos on one side, the same tree twice."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import object_crops
import pytest
import voc_trees
from object_crops import resized, with_context
from small_voc import NAMES, write_small_voc

from detect.image_decoding import decode_image
from detect.training.content_hashes import content_hashes, held_back_by_hash


def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *more: str, out: str = "tree") -> Path:
    voc = tmp_path / "voc"
    if not voc.exists():
        write_small_voc(voc, tmp_path / "store")
    flags = ["--voc", str(voc), "--out", str(tmp_path / out), "--size", "32", "--val", "0.5"]
    monkeypatch.setattr(sys, "argv", ["object_crops", *flags, *more])
    object_crops.main()
    return tmp_path / out


def test_context_by_hand() -> None:
    assert with_context((10, 20, 30, 60), 0.1, (100, 100)) == (8, 16, 32, 64)
    assert with_context((1, 2, 31, 98), 0.1, (100, 32)) == (0, 0, 32, 100), "as far as the image goes"
    assert with_context((0.5, 0.5, 3.5, 3.5), 0.0, (9, 9)) == (0, 0, 4, 4), "whole pixels around it"


def test_only_large_ones_are_shrunk() -> None:
    pixels = np.zeros((40, 90, 3), np.uint8)
    assert resized(pixels, 20).shape == (20, 45, 3)
    assert resized(pixels, 40) is pixels


def test_a_picture_of_each_object_and_photos_on_one_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = make(tmp_path, monkeypatch)
    photos = sorted((tmp_path / "voc" / "JPEGImages").glob("*.jpg"))
    held = held_back_by_hash(content_hashes(photos), 0.5)
    for photo, name, judge in zip(photos, NAMES, held.tolist(), strict=True):
        assert (tree / ("val" if judge else "train") / name / f"{photo.stem}_00.jpg").exists()
    pictures = sorted(tree.rglob("*.jpg"))
    assert len(pictures) == len(NAMES)
    assert f"| all | {int((~held).sum())} | {int(held.sum())} |" in capsys.readouterr().out
    # 0-based (9, 7, 70, 80) and 6.1, 7.3 more on each side: 75 × 88 pixels from (2, 0) on; 32 × 38
    first = next(one for one in pictures if one.name == "000000_00.jpg")
    assert decode_image(first).shape == (38, 32, 3)
    again = make(tmp_path, monkeypatch, out="again")
    assert [one.read_bytes() for one in sorted(again.rglob("*.jpg"))] == [one.read_bytes() for one in pictures]


def test_of_val_only_classes_that_train_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = NAMES.index("person")
    held = np.arange(len(NAMES)) == alone
    monkeypatch.setattr(voc_trees, "held_back_by_hash", lambda hashes, fraction: held)
    tree = make(tmp_path, monkeypatch)
    assert not list(tree.rglob(f"*/{alone:06}_00.jpg"))
    assert not list((tree / "val").iterdir())
    said = capsys.readouterr()
    assert "person: 1 in val, none in train: left out" in said.err
    assert f"| all | {len(NAMES) - 1} | 0 |" in said.out


def test_small_objects_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not list(make(tmp_path, monkeypatch, "--least", "62").rglob("*.jpg"))


def test_a_tree_that_is_there_and_photos_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, monkeypatch)
    with pytest.raises(SystemExit):
        make(tmp_path, monkeypatch)
    assert "is there already" in capsys.readouterr().err
    (tmp_path / "voc/JPEGImages/000001.jpg").write_bytes(b"nothing")
    assert len(list(make(tmp_path, monkeypatch, out="again").rglob("*.jpg"))) == len(NAMES) - 1
    assert "000001.jpg" in capsys.readouterr().err
