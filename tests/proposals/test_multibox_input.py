from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage import data

from proposals.multibox_input import crop_windows, squash


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_half_the_size_is_the_mean_of_four() -> None:
    image = noise(8, 8)
    before = image.copy()
    found = squash(image, 4)
    assert found.shape == (3, 4, 4)
    assert found.dtype == torch.uint8
    assert found.is_contiguous()
    expected = image.reshape(4, 2, 4, 2, 3).mean(axis=(1, 3)).transpose(2, 0, 1)
    np.testing.assert_allclose(found.numpy(), expected, atol=0.5 + 1e-6)
    np.testing.assert_array_equal(image, before)


def test_a_square_of_that_size_is_itself() -> None:
    image = noise(5, 5)
    found = squash(image, 5)
    np.testing.assert_array_equal(found.numpy(), image.transpose(2, 0, 1))
    found[:] = 0
    assert image.any(), "memory of its own"


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 5000), (5000, 3), (2, 70_000)])
def test_any_shape(shape: tuple[int, int]) -> None:
    """Nothing is skipped: the mean colour is that of the whole picture."""
    image = noise(*shape)
    found = squash(image, 32)
    assert found.shape == (3, 32, 32)
    np.testing.assert_allclose(found.float().mean(dim=(1, 2)).numpy(), image.mean(axis=(0, 1)), atol=1.0)


def test_stripes_of_a_wide_picture_are_averaged_not_picked() -> None:
    """It shrinks across and grows down; point sampling would leave black or white."""
    image = np.zeros((4, 640, 3), np.uint8)
    image[:, ::2] = 255
    assert set(squash(image, 32).unique().tolist()) <= {127, 128}


def test_left_stays_left_and_red_stays_red() -> None:
    image = np.zeros((60, 90, 3), np.uint8)
    image[:30, :45] = (255, 100, 0)
    red, green, blue = squash(image, 6).tolist()
    assert red == [[255] * 3 + [0] * 3] * 3 + [[0] * 6] * 3
    assert green[0][0] == 100
    assert not np.any(blue)


@pytest.mark.parametrize("view", [lambda a: a[:, ::-1], lambda a: a[::2, ::3], np.asfortranarray])
def test_strides_do_not_matter(view: object) -> None:
    image = view(data.coffee())  # type: ignore[operator]
    image.flags.writeable = False
    assert torch.equal(squash(image, 24), squash(np.ascontiguousarray(image), 24))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4), np.uint8), r"image: expected uint8 \(H, W, 3\), got uint8 \(4, 4\)"),
        (np.zeros((4, 4, 1), np.uint8), r"got uint8 \(4, 4, 1\)"),
        (np.zeros((4, 4, 4), np.uint8), r"got uint8 \(4, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), r"got uint8 \(0, 4, 3\)"),
        (np.zeros((4, 4, 3), np.float32), r"got float32 \(4, 4, 3\)"),
        ([[[0, 0, 0]]], r"image: expected a uint8 array \(H, W, 3\), got list"),
    ],
)
def test_other_images_are_refused(image: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        squash(image, 8)


def test_a_size_below_1_is_refused() -> None:
    with pytest.raises(ValueError, match="size: expected at least 1, got 0"):
        squash(noise(2, 2), 0)


def test_windows_by_hand() -> None:
    assert crop_windows((30, 60), 1).tolist() == [[0, 0, 60, 30]]
    # Two thirds: 20 high, 40 wide; the last rows are 10..30, the last columns 20..60.
    assert crop_windows((30, 60), 5).tolist() == [
        [0, 0, 60, 30],
        [0, 0, 40, 20],
        [20, 0, 60, 20],
        [0, 10, 40, 30],
        [20, 10, 60, 30],
    ]
    assert crop_windows((1, 1), 5).tolist() == [[0, 0, 1, 1]] * 5


@given(st.integers(1, 2000), st.integers(1, 2000))
def test_corners_overlap_and_reach_every_edge(height: int, width: int) -> None:
    windows = crop_windows((height, width), 5)
    assert (windows[:, :2] >= 0).all()
    assert (windows[:, 2:] <= [width, height]).all()
    assert (windows[1:, 2:] - windows[1:, :2] == [-(-2 * width // 3), -(-2 * height // 3)]).all()
    assert windows[1:].min(axis=0).tolist()[:2] == [0, 0]
    assert windows[1:].max(axis=0).tolist()[2:] == [width, height]
    assert windows[1, 2] > windows[2, 0] or width == 1


def test_other_numbers_of_crops_are_refused() -> None:
    with pytest.raises(ValueError, match="crops: expected 1 or 5, got 4"):
        crop_windows((5, 5), 4)
