"""The lists are of the photos that training holds back, half and half."""

from __future__ import annotations

import sys
from pathlib import Path

import held_back_photos
import numpy as np
from small_voc import write_small_voc

from detect.training.content_hashes import content_hashes
from detect.training.data_sets import read_data_set
from detect.training.joined_sets import split_held_back


def test_both_lists_together_are_what_training_holds_back(tmp_path, monkeypatch, capsys):
    voc = write_small_voc(tmp_path / "voc", tmp_path / "store")
    arguments = ["lists", "--data", f"voc={voc}", "--held-back", "0.8", "--out", str(tmp_path / "lists")]
    monkeypatch.setattr(sys, "argv", arguments)
    held_back_photos.main()
    fit, judge = ((tmp_path / f"lists/voc_{name}.txt").read_text().splitlines() for name in ("fit", "judge"))
    photos, _ = read_data_set("voc", voc)
    _, expected = split_held_back(photos, content_hashes(photos.images, None), 0.8)
    assert len(expected) > 0
    assert sorted(map(Path, fit + judge)) == sorted(expected.images)
    assert f"voc: {len(fit)} photos to fit on" in capsys.readouterr().out


def test_half_of_all_hashes_are_on_each_side():
    digests = [format(number, "064x") for number in np.arange(256)]
    assert sum(map(held_back_photos.on_the_fit_side, digests)) == 128
