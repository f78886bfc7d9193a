from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from proposals.texture import STEEP, gradients, texture_bins


def ramp(step_x: float, step_y: float) -> np.ndarray:
    y, x = np.mgrid[:21, :21]
    return (100 + step_x * (x - 10) + step_y * (y - 10)).astype(np.uint8)[:, :, None]


@pytest.mark.parametrize("shape", [(11, 14, 3), (11, 14, 1), (1, 1, 3), (1, 9, 1), (9, 1, 3)])
def test_gradients_are_scipys(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    before = image.copy()
    along_x, along_y = gradients(image)
    for found, order in ((along_x, (0, 1, 0)), (along_y, (1, 0, 0))):
        expected = ndimage.gaussian_filter(
            image.astype(float), (1, 1, 0), order=order, mode="nearest", radius=(4, 4, 0)
        )
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1.5)  # of up to 102: the weights are rounded to 256ths
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("shape", [(11, 14, 3), (1, 9, 1)])
def test_gradients_are_exact(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8).astype(np.int64)
    smooth, slope = np.array([1, 14, 62, 102, 62, 14, 1]), np.array([-4, -27, -62, 0, 62, 27, 4])
    for found, axis in zip(gradients(image.astype(np.uint8)), (1, 0), strict=True):
        across = ndimage.correlate1d(image, smooth, axis=1 - axis, mode="nearest")
        expected = ndimage.correlate1d(across, slope, axis=axis, mode="nearest")
        np.testing.assert_array_equal(found.astype(np.float64) * 65536, expected)


def test_a_ramp_by_hand() -> None:
    # 5 grey levels brighter per pixel to the right: the derivative is 5 along x, 0 along y, 3.54 (5 / sqrt 2)
    # along 45 degrees, and -3.54 along 135 degrees. A bin is 127.5 / sqrt(2 pi) / 10 = 5.09.
    along_x, along_y = gradients(ramp(5, 0))
    assert along_x[10, 10, 0] == pytest.approx(5, abs=0.01)
    assert along_y[10, 10, 0] == pytest.approx(0, abs=0.01)
    assert texture_bins(ramp(5, 0))[:, 10, 10, 0].tolist() == [9, 9, 9, 9]
    assert texture_bins(ramp(6, 0))[:, 10, 10, 0].tolist() == [10, 9, 9, 9]
    assert texture_bins(ramp(-6, 6))[:, 10, 10, 0].tolist() == [8, 9, 10, 10]  # 135 degrees: 12 / sqrt 2 = 8.5
    assert texture_bins(ramp(0, 11))[:, 10, 10, 0].tolist() == [9, 10, 11, 10]  # 11 > 10.17; 11 / sqrt 2 = 7.8


def test_a_full_step_reaches_the_last_bins() -> None:
    image = np.zeros((9, 10, 1), np.uint8)
    image[:, 5:] = 255
    right, right_down, down, left_down = texture_bins(image)[..., 0].astype(int) - 9
    # half a pixel from the step the derivative along x is about 255 g(1/2) = 90, along 45 degrees 63; the
    # last bin starts at 46
    assert (right[:, 4:6] == 9).all()
    assert (right_down[:, 4:6] == 9).all()
    assert (down[:, 4:6] == 0).all()  # nothing along y
    np.testing.assert_array_equal(right_down[:, 4:6], -left_down[:, 4:6])
    np.testing.assert_array_equal(texture_bins(255 - image)[0, :, :, 0].astype(int) - 9, -right)
    assert (right[:, [0, 9]] == 0).all()  # no edge at the border of the picture


@pytest.mark.parametrize("seed", range(4))
def test_bins_are_the_derivatives_along_the_four_axes(seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (12, 9, 1 + 2 * (seed % 2)), np.uint8)
    along_x, along_y = gradients(image)
    bins = texture_bins(image)
    assert bins.shape == (4, *image.shape)
    assert bins.dtype == np.uint8
    for c in range(image.shape[2]):
        for axis in range(4):
            angle = math.radians(45 * axis)
            derivative = math.cos(angle) * along_x[:, :, c] + math.sin(angle) * along_y[:, :, c]
            exact = np.clip(derivative * 10 / STEEP, -9, 9)
            found = bins[axis, :, :, c].astype(int) - 9
            sure = np.abs(exact - np.rint(exact)) > 1e-4  # not at the border of two bins
            np.testing.assert_array_equal(found[sure], np.trunc(exact)[sure])
