"""Photometric distortion by hand, against torchvision's functions, and by laws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from detect.training.distortion import distort, distort_batch, hue_matrix, saturation_matrix
from detect.training.region_samples import Distortion


def noise(seed: int, low: int = 0, high: int = 256) -> Tensor:
    numbers = np.random.default_rng(seed).integers(low, high, (3, 9, 7), dtype=np.uint8)
    return torch.from_numpy(numbers)


def colour(red: float, green: float, blue: float) -> Tensor:
    return torch.tensor([red, green, blue], dtype=torch.float32).view(3, 1, 1)


def test_default_is_the_image_itself() -> None:
    pixels = noise(0)
    changed = distort(pixels, Distortion())
    assert changed.dtype == torch.float32
    assert torch.equal(changed, pixels.float())


def test_brightness_by_hand() -> None:
    assert distort(colour(10, 100, 200), Distortion(brightness=1.5)).flatten().tolist() == [15, 150, 255]


def test_contrast_by_hand() -> None:
    # Gray levels 100 and 200: their mean is 0.9999 · 150 (torchvision's weights sum to 0.9999), and half the contrast
    # leaves 50 + 0.5 · 149.985 = 124.9925 and 100 + 74.9925 = 174.9925.
    pixels = torch.tensor([100.0, 200.0]).expand(3, 1, 2)
    changed = distort(pixels, Distortion(contrast=0.5))
    torch.testing.assert_close(changed, torch.tensor([124.9925, 174.9925]).expand(3, 1, 2))


def test_saturation_by_hand() -> None:
    # The gray of (100, 0, 0) is 29.89: without saturation all three are that; with half of it, red is 64.945.
    assert distort(colour(100, 0, 0), Distortion(saturation=0)).flatten().tolist() == pytest.approx([29.89] * 3)
    half = distort(colour(100, 0, 0), Distortion(saturation=0.5)).flatten().tolist()
    assert half == pytest.approx([64.945, 14.945, 14.945])


def test_hue_by_hand() -> None:
    """A third of a circle leads red to green, green to blue; a sixth from red lies toward yellow, not magenta."""
    turned = distort(colour(200, 10, 30), Distortion(hue=1 / 3)).flatten()
    torch.testing.assert_close(turned, torch.tensor([30.0, 200, 10]))
    red, green, blue = distort(colour(200, 50, 50), Distortion(hue=0.1)).flatten().tolist()
    assert red > green > blue


@pytest.mark.parametrize("seed", range(5))
def test_torchvision_s_numbers_where_nothing_is_cut_off(seed: int) -> None:
    pixels = noise(seed, 70, 150)
    brightness, contrast, saturation = np.random.default_rng(seed).uniform(0.8, 1.2, 3).tolist()
    image = pixels / 255
    image = functional.adjust_brightness(image, brightness)
    image = functional.adjust_contrast(image, contrast)
    image = functional.adjust_saturation(image, saturation)
    changed = distort(pixels, Distortion(brightness, contrast, saturation))
    torch.testing.assert_close(changed, image * 255, atol=1e-3, rtol=0)


@pytest.mark.parametrize("third", [-1, 1])
def test_torchvision_s_hue_at_a_third_of_the_circle(third: int) -> None:
    pixels = noise(1)
    expected = functional.adjust_hue(pixels / 255, third / 3) * 255
    torch.testing.assert_close(distort(pixels, Distortion(hue=third / 3)), expected, atol=0.01, rtol=0)


@pytest.mark.parametrize("hue", [-0.3, -0.02, 0.01, 0.1, 0.5])
def test_laws_of_hue(hue: float) -> None:
    matrix = hue_matrix(hue)
    np.testing.assert_allclose(matrix @ np.ones(3), np.ones(3), atol=1e-12)  # gray stays
    np.testing.assert_allclose(matrix.sum(axis=0), np.ones(3), atol=1e-12)  # so does R + G + B
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)  # a rotation,
    assert np.linalg.det(matrix) == pytest.approx(1)
    np.testing.assert_allclose(matrix @ hue_matrix(-hue), np.eye(3), atol=1e-12)  # with its inverse


def test_laws_of_saturation() -> None:
    np.testing.assert_allclose(saturation_matrix(1.0), np.eye(3))
    chained = saturation_matrix(0.5) @ saturation_matrix(1.2)
    np.testing.assert_allclose(chained, saturation_matrix(0.6), atol=1e-4)  # to the 0.9999 of the weights' sum


def test_all_four_are_one_after_the_other() -> None:
    pixels, values = noise(2, 100, 140), (1.1, 0.9, 1.2, 0.03)
    chained: Tensor = pixels
    for name, value in zip(("brightness", "contrast", "saturation", "hue"), values, strict=True):
        chained = distort(chained, Distortion(**{name: value}))
    torch.testing.assert_close(distort(pixels, Distortion(*values)), chained, atol=1e-3, rtol=0)


def test_range_shape_and_input() -> None:
    pixels = noise(3)
    before = pixels.clone()
    changed = distort(pixels, Distortion(2.0, 2.0, 2.0, 0.2))
    assert (float(changed.min()), float(changed.max())) == (0.0, 255.0)
    assert changed.shape == pixels.shape
    assert torch.equal(pixels, before)


def test_one_pixel() -> None:
    """Its own gray is the mean, so that contrast alone leaves a gray pixel as it is, to the weights' sum."""
    gray = distort(colour(90, 90, 90), Distortion(contrast=0.5, saturation=0.3, hue=0.1))
    torch.testing.assert_close(gray, colour(90, 90, 90), atol=0.02, rtol=0)


# A batch at once


def drawn(seed: int) -> Distortion:
    rng = np.random.default_rng(seed)
    return Distortion(*rng.uniform(0.5, 2.0, 3).tolist(), hue=float(rng.uniform(-0.5, 0.5)))


@pytest.mark.parametrize("as_float", [False, True])
@pytest.mark.parametrize("count", [0, 1, 8])
def test_a_batch_is_its_images_one_by_one(count: int, as_float: bool) -> None:
    pixels = torch.stack([noise(0), *(noise(seed) for seed in range(count))])[1:]
    pixels = pixels.float() if as_float else pixels
    before, distortions = pixels.clone(), [drawn(seed) for seed in range(count)]
    changed = distort_batch(pixels, distortions)
    expected = [distort(one, distortion) for one, distortion in zip(pixels, distortions, strict=True)]
    torch.testing.assert_close(changed, torch.stack([torch.zeros(3, 9, 7), *expected])[1:], atol=1e-3, rtol=0)
    assert (changed.shape, changed.dtype) == ((count, 3, 9, 7), torch.float32)
    assert torch.equal(pixels, before)
    assert changed.data_ptr() != pixels.data_ptr() or not count


@pytest.mark.parametrize("others", [[], [drawn(0), drawn(1)]])
def test_in_a_batch_the_default_leaves_every_bit_of_its_image(others: list[Distortion]) -> None:
    """Also of values that are no whole numbers: times 1 and plus 0 is exact."""
    whole, broken = noise(4).float(), torch.rand(3, 9, 7, generator=torch.Generator().manual_seed(0)) * 255
    pixels = torch.stack([whole, *[noise(5).float()] * len(others), broken])
    changed = distort_batch(pixels, [Distortion(), *others, Distortion()])
    assert torch.equal(changed[0], whole)
    assert torch.equal(changed[-1], broken)
    assert len(others) == 0 or not torch.equal(changed[1], pixels[1])


def test_a_batch_in_another_layout() -> None:
    pixels = torch.stack([noise(0), noise(1)]).float()
    last = pixels.contiguous(memory_format=torch.channels_last)
    assert torch.equal(distort_batch(last, [drawn(0), drawn(1)]), distort_batch(pixels, [drawn(0), drawn(1)]))


def test_one_distortion_for_each_image() -> None:
    with pytest.raises(ValueError, match="distortions: expected 2, one for each image, got 1"):
        distort_batch(torch.zeros(2, 3, 4, 4), [Distortion()])
