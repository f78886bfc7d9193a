"""Left and right exchanged: by hand, twice, and decoded."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from detect.box_coding import decode_boxes
from detect.mirroring import mirrored_boxes, mirrored_deltas


def test_mirrored_boxes_by_hand() -> None:
    boxes = np.array([[10, 20, 30, 40], [0, 0, 100, 5]], np.float32)
    assert mirrored_boxes(boxes, 100).tolist() == [[70, 20, 90, 40], [0, 0, 100, 5]]
    assert mirrored_boxes(mirrored_boxes(boxes, 100), 100).tolist() == boxes.tolist()
    assert mirrored_boxes(boxes[:0], 100).shape == (0, 4)


def test_mirrored_deltas_by_hand() -> None:
    deltas = torch.tensor([[1.0, 2, 3, 4, -5, 6, 7, 8]])
    assert mirrored_deltas(deltas).tolist() == [[-1, 2, 3, 4, 5, 6, 7, 8]]
    assert deltas.tolist() == [[1, 2, 3, 4, -5, 6, 7, 8]], "the input is unchanged"
    assert torch.equal(mirrored_deltas(mirrored_deltas(deltas)), deltas)
    assert mirrored_deltas(deltas[:0]).shape == (0, 8)


@pytest.mark.parametrize("classes", [1, 3])
def test_they_decode_to_the_mirror_images(classes: int) -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 50, (7, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(1, 50, (7, 2))], axis=1).astype(np.float32)
    deltas = torch.from_numpy(rng.normal(size=(7, 4 * classes)).astype(np.float32))
    there = decode_boxes(torch.from_numpy(mirrored_boxes(boxes, 100)), deltas).reshape(-1, 4)
    here = decode_boxes(torch.from_numpy(boxes), mirrored_deltas(deltas)).reshape(-1, 4)
    np.testing.assert_allclose(here, mirrored_boxes(there.numpy(), 100), atol=1e-4)
