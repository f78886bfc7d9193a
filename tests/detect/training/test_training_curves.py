from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from detect.training.training_curves import Curve, draw_curves, moving_mean, read_curves


def test_columns_become_curves_and_empty_cells_are_passed_over(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,step,loss,validation/mAP\n0,0,2.5,\n0,1,nan,\n0,1,,0.25\n0,2,1.5,\n0,3,1.2,")
    curves = read_curves(path)
    assert list(curves) == ["loss", "validation/mAP"]
    assert curves["loss"].steps.tolist() == [0, 2, 3]
    assert curves["loss"].values.tolist() == [2.5, 1.5, 1.2]
    assert curves["validation/mAP"].steps.tolist() == [1]


def test_no_logs_no_curves_and_still_a_picture(tmp_path):
    assert read_curves(tmp_path / "metrics.csv") == {}
    (tmp_path / "metrics.csv").write_text("")
    assert read_curves(tmp_path / "metrics.csv") == {}
    assert draw_curves({}).startswith(b"\x89PNG")


def test_a_moving_mean_worked_by_hand():
    values = np.array([1.0, 2, 6, 3])
    # (1 + 2) / 2, (1 + 2 + 6) / 3, (2 + 6 + 3) / 3, (6 + 3) / 2
    assert moving_mean(values, 3) == pytest.approx([1.5, 3, 11 / 3, 4.5])
    assert moving_mean(values, 1).tolist() == values.tolist()
    assert len(moving_mean(np.zeros(0), 3)) == 0


def test_a_moving_mean_agrees_with_the_loop():
    for seed in range(5):
        values = np.random.default_rng(seed).normal(size=37)
        for width in (3, 9, 101):
            wanted = [values[max(0, i - width // 2) : i + width // 2 + 1].mean() for i in range(37)]
            assert moving_mean(values, width) == pytest.approx(wanted)


def test_the_picture_shows_what_there_is_and_the_same_input_gives_the_same_bytes():
    steps = np.arange(300)
    curves = {
        "loss": Curve(steps, np.linspace(5, 0.1, 300)),
        "learning_rate": Curve(steps, np.full(300, 1e-3)),
        "validation/mAP": Curve(np.array([0, 299]), np.array([0.1, 0.4])),
    }
    picture = draw_curves(curves)
    assert picture == draw_curves(curves)
    assert picture != draw_curves({**curves, "loss": Curve(steps, np.linspace(5, 4, 300))})
    assert Image.open(io.BytesIO(picture)).width > 1000
    draw_curves({"loss": Curve(steps, np.linspace(-1, 1, 300))})  # a loss below 0: no logarithm
    assert draw_curves({**curves, "auxiliary_loss": Curve(steps, np.zeros(300))}) == picture
