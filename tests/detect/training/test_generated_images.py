"""Drawn pictures: the same by seed, boxes exactly around the shapes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from detect.training.generated_images import SHAPES, draw, shape_mask, write_generated


def test_files_by_seed(tmp_path: Path) -> None:
    written = write_generated(tmp_path / "a", 3, seed=1, size=(100, 140))
    write_generated(tmp_path / "b", 2, seed=1, size=(100, 140))
    write_generated(tmp_path / "c", 2, seed=2, size=(100, 140))
    assert written == tmp_path / "a" / "annotations.json"
    first, second, other = (
        [(tmp_path / folder / f"00000{i}.png").read_bytes() for i in range(2)] for folder in ("a", "b", "c")
    )
    assert first == second  # however many there are
    assert first[0] != other[0]
    assert first[0] != first[1]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        *(f"00000{i}.png" for i in range(3)),
        "annotations.json",
    ]
    data = json.loads(written.read_bytes())
    assert [one["name"] for one in data["categories"]] == list(SHAPES)
    assert {one["image_id"] for one in data["annotations"]} == {1, 2, 3}
    assert cv2.imread(str(tmp_path / "a/000000.png")).shape == (100, 140, 3)


@pytest.mark.parametrize("seed", range(20))
def test_a_picture(seed: int) -> None:
    image, boxes, labels = draw(np.random.default_rng(seed), (120, 160))
    assert (image.shape, image.dtype) == ((120, 160, 3), np.uint8)
    assert 1 <= len(boxes) == len(labels) <= 4
    assert ((labels >= 0) & (labels < len(SHAPES))).all()
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= [160, 120]).all()
    assert (boxes[:, 2:] - boxes[:, :2] >= 10).all()
    for i, (x1, y1, x2, y2) in enumerate(boxes):
        for u1, v1, u2, v2 in boxes[:i]:
            assert x1 >= u2 or u1 >= x2 or y1 >= v2 or v1 >= y2  # they do not touch


def test_shapes_by_hand() -> None:
    # A square of side 9 at (2, 3), pixels' centres at (i + .5 − 4.5) / 4.5: −8/9, −6/9, … 8/9.
    counts = {shape: int(shape_mask(shape, (2, 3, 9), (20, 20)).sum()) for shape in SHAPES}
    assert counts["square"] == 81
    assert counts["cross"] == 81 - 4 * 9  # a third of each side, a 3 x 3 square off each corner
    # Row y: 2|x| < y + 1 holds for the odd numbers of pixels 1, 1, 1, 3, 5, 5, 5, 7, 9: by y + 1 = 1/9, 3/9, … 17/9
    # and x = 0, 2/9, 4/9, 6/9, 8/9.
    expected = [sum(2 * abs(x) < y + 9 for x in range(-8, 9, 2)) for y in range(-8, 9, 2)]
    assert counts["triangle"] == sum(expected)
    assert counts["disc"] == sum(x * x + y * y < 81 for x in range(-8, 9, 2) for y in range(-8, 9, 2))
    assert counts["ring"] == sum(29.16 < x * x + y * y < 81 for x in range(-8, 9, 2) for y in range(-8, 9, 2))
    for shape in SHAPES:
        ys, xs = np.nonzero(shape_mask(shape, (2, 3, 9), (20, 20)))
        assert (xs.min(), ys.max(), xs.max()) == (2, 11, 10)


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"count: expected at least 1, got 0"):
        write_generated(tmp_path, 0, 0)
    with pytest.raises(ValueError, match=r"size: expected sides of at least 64 pixels, got 63 x 100"):
        write_generated(tmp_path, 1, 0, (63, 100))
    with pytest.raises(ValueError, match=r"shape: expected one of disc, .*, got 'star'"):
        shape_mask("star", (0, 0, 5), (10, 10))
