"""`recall.png` is a picture, the same for the same report."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_recall import write_small_set

from detect.ground_truth_files import read_ground_truth
from detect.proposal_recall import measure_proposals
from detect.recall_plot import draw_recall
from detect.recall_report import report


@pytest.mark.parametrize("empty", [False, True])
def test_a_picture_of_two_panels(tmp_path: Path, empty: bool) -> None:
    tree, folder = write_small_set(tmp_path)
    measured = measure_proposals(read_ground_truth(tree), folder)
    if empty:
        measured = dataclasses.replace(measured, counted=measured.counted[:0], overlaps=measured.overlaps[:, :0])
    png = draw_recall(report(measured))
    assert png == draw_recall(report(measured))
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (552, 1320, 3)
    for half in (image[:, :660], image[:, 660:]):
        assert len(np.unique(half.reshape(-1, 3), axis=0)) > 20
