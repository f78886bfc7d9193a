"""Views of images: where objects are in them, by hand, by laws, and on either side of each threshold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sampled_photos import random_boxes

from configs.multibox_training import MultiBoxSamplingConfig
from detect.training.multibox_samples import View
from detect.training.multibox_sampling import (
    ViewSettings,
    boxes_in_view,
    clipped,
    flip_boxes,
    sample_crop,
    sample_view,
)
from detect.training.random_crops import Crop, random_crop
from detect.training.region_samples import Distortion

SIZE = (100, 200)  # height and width
WHOLE = (0, 0, 200, 100)
ALWAYS = MultiBoxSamplingConfig(crops=1.0)
NOTHING = np.zeros((0, 4), np.float32)


def seen(objects: object, crop: Crop, flipped: bool = False) -> list[list[float]]:
    """To six digits."""
    boxes = np.array(objects, np.float32).reshape(-1, 4)
    found = boxes_in_view(boxes, SIZE, View(crop, flipped))
    assert found.dtype == np.float32
    result: list[list[float]] = found.astype(np.float64).round(6).tolist()
    return result


def test_a_crop_by_hand() -> None:
    # The crop is 80 wide and 50 high, from (40, 20) on. In it the object is from 60 − 40 = 20 to 100 − 40 = 60 of 80
    # along x, from 30 − 20 = 10 to 45 − 20 = 25 of 50 along y.
    crop = (40, 20, 120, 70)
    assert seen([60, 30, 100, 45], crop) == [[20 / 80, 10 / 50, 60 / 80, 25 / 50]]
    assert seen([60, 30, 100, 45], crop, flipped=True) == [[20 / 80, 10 / 50, 60 / 80, 25 / 50]]  # in the middle
    assert seen([40, 30, 60, 45], crop) == [[0, 0.2, 0.25, 0.5]]
    assert seen([40, 30, 60, 45], crop, flipped=True) == [[0.75, 0.2, 1, 0.5]]


def test_the_whole_image() -> None:
    assert seen([50, 25, 150, 75], WHOLE) == [[0.25, 0.25, 0.75, 0.75]]
    assert seen([0, 0, 200, 100], WHOLE) == [[0, 0, 1, 1]]


def test_half_of_an_object_must_be_in_the_crop() -> None:
    crop = (40, 0, 140, 100)
    half, less, more = [20, 10, 60, 20], [19.5, 10, 60, 20], [20.5, 10, 60, 20]
    assert seen(half, crop) == [[0, 0.1, 0.2, 0.2]]  # 20 of 40 pixels
    assert seen(less, crop) == []  # 20 of 40.5
    assert len(seen(more, crop)) == 1
    # On a corner: half of each side is a quarter of the area; 0.75 of each is 0.5625.
    assert seen([30, 90, 50, 110], (40, 0, 140, 95)) == []
    assert len(seen([35, 60, 55, 80], (40, 0, 140, 75))) == 1


def test_what_lies_outside_the_image_does_not_count() -> None:
    """Of 80 x 20 only 40 x 20 is in the image; 20 of these are in the crop."""
    assert seen([160, 0, 240, 20], (180, 0, 200, 100)) == [[0, 0, 1, 0.2]]
    assert seen([160, 0, 240, 20], (181, 0, 200, 100)) == []
    assert seen([200, 0, 240, 20], WHOLE) == []


def test_objects_keep_their_order_and_inputs_their_values() -> None:
    objects = np.array([[150, 0, 160, 10], [0, 0, 10, 10], [20, 0, 30, 10]], np.float32)
    before = objects.copy()
    found = boxes_in_view(objects, SIZE, View((0, 0, 100, 100), True))
    np.testing.assert_allclose(found, [[0.9, 0, 1, 0.1], [0.7, 0, 0.8, 0.1]], atol=1e-7)
    sample_view(objects, SIZE, ALWAYS, np.random.default_rng(0))
    np.testing.assert_array_equal(objects, before)


def oracle(objects: NDArray[np.float32], crop: Crop) -> list[list[float]]:
    """Count a 1 x 1 grid of pixels: objects and crop have whole corners."""
    result = []
    for x1, y1, x2, y2 in objects.astype(int).tolist():
        pixels = [(x, y) for x in range(x1, x2) for y in range(y1, y2)]
        inside = [(x, y) for x, y in pixels if crop[0] <= x < crop[2] and crop[1] <= y < crop[3]]
        if 2 * len(inside) >= len(pixels):
            xs, ys = [x - crop[0] for x, _ in inside], [y - crop[1] for _, y in inside]
            w, h = crop[2] - crop[0], crop[3] - crop[1]
            result.append([min(xs) / w, min(ys) / h, (max(xs) + 1) / w, (max(ys) + 1) / h])
    return result


@pytest.mark.parametrize("seed", range(5))
def test_against_counting_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    objects = np.round(random_boxes(12, (40, 60), rng))
    crop = random_crop((40, 60), (0.1, 1.0), (0.5, 2.0), rng)
    expected = np.array(oracle(objects, crop)).reshape(-1, 4)
    np.testing.assert_allclose(boxes_in_view(objects, (40, 60), View(crop)), expected, atol=1e-6)


@given(st.integers(0, 10**6), st.integers(1, 300), st.integers(1, 300))
def test_boxes_stay_in_the_view(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-20, 320, (10, 2, 2))
    objects = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.float32)
    view = sample_view(objects, (height, width), ALWAYS, rng)
    boxes = boxes_in_view(objects, (height, width), view)
    assert np.all((boxes >= 0) & (boxes <= 1))
    assert np.all(boxes[:, 2:] > boxes[:, :2])
    in_image = clipped(objects, (0, 0, width, height))
    assert len(boxes) > 0 or not np.any((in_image[:, 2:] - in_image[:, :2]).prod(axis=1) > 1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_flipping(seed: int) -> None:
    """Twice is nothing; a flipped view is the view of the flipped image."""
    rng = np.random.default_rng(seed)
    objects = random_boxes(8, SIZE, rng)
    x1, y1, x2, y2 = random_crop(SIZE, (0.3, 1.0), (0.8, 1.25), rng)
    plain, flipped = (boxes_in_view(objects, SIZE, View((x1, y1, x2, y2), one)) for one in (False, True))
    np.testing.assert_allclose(flip_boxes(flip_boxes(plain.astype(np.float64))), plain, atol=1e-15)
    np.testing.assert_allclose(flip_boxes(flipped.astype(np.float64)), plain, atol=1e-7)
    mirrored = objects[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [200, 0, 200, 0]
    other = boxes_in_view(mirrored.astype(np.float32), SIZE, View((200 - x2, y1, 200 - x1, y2)))
    np.testing.assert_allclose(other, flipped, atol=1e-5)


@pytest.mark.parametrize("corner", [(0, 0), (192, 96), (96, 48)])
def test_a_crop_keeps_an_object(corner: tuple[int, int]) -> None:
    """However small it is and wherever it lies."""
    objects = np.array([[*corner, corner[0] + 8, corner[1] + 4]], np.float32)
    rng = np.random.default_rng(0)
    settings = replace(ALWAYS, crop_area=(0.05, 1.0))
    crops = [sample_crop(objects, SIZE, settings, rng) for _ in range(200)]
    assert all(len(boxes_in_view(objects, SIZE, View(crop))) == 1 for crop in crops)
    assert len(set(crops)) > 50


def test_the_first_crop_with_an_object_is_taken() -> None:
    """An object in the middle is in most crops, so that the whole image is hardly ever needed."""
    rng = np.random.default_rng(0)
    objects = np.array([[90, 45, 110, 55]], np.float32)
    settings = replace(ALWAYS, crop_area=(0.2, 0.5))
    assert WHOLE not in {sample_crop(objects, SIZE, settings, rng) for _ in range(200)}


def test_an_object_larger_than_any_crop_gives_the_whole_image() -> None:
    rng = np.random.default_rng(0)
    objects, settings = np.array([[0, 0, 200, 100]], np.float32), replace(ALWAYS, crop_area=(0.1, 0.4))
    assert {sample_crop(objects, SIZE, settings, rng) for _ in range(20)} == {WHOLE}


@pytest.mark.parametrize("objects", [NOTHING, np.array([[300, 300, 400, 400]], np.float32)])
def test_without_objects_any_crop_will_do(objects: NDArray[np.float32]) -> None:
    rng = np.random.default_rng(0)
    settings = replace(ALWAYS, crop_area=(0.1, 0.4))
    assert WHOLE not in {sample_crop(objects, SIZE, settings, rng) for _ in range(20)}
    assert seen(objects, WHOLE) == []


def test_crops_are_as_frequent_as_asked_for() -> None:
    settings = MultiBoxSamplingConfig(crops=0.25, crop_area=(0.2, 0.5))
    rng = np.random.default_rng(0)
    whole = [sample_crop(NOTHING, SIZE, settings, rng) == WHOLE for _ in range(1000)]
    assert abs(np.mean(whole) - 0.75) < 5 * np.sqrt(0.25 * 0.75 / 1000)
    assert sample_crop(NOTHING, SIZE, replace(settings, crops=0.0), rng) == WHOLE


def views(settings: ViewSettings, count: int = 60) -> list[View]:
    return [sample_view(NOTHING, SIZE, settings, np.random.default_rng(seed)) for seed in range(count)]


def test_switches_change_nothing_else() -> None:
    usual = views(ALWAYS)
    assert {view.flipped for view in usual} == {False, True}
    assert len({view.distortion for view in usual}) == len({view.crop for view in usual}) == len(usual)
    assert views(replace(ALWAYS, flip=False)) == [replace(view, flipped=False) for view in usual]
    assert views(replace(ALWAYS, crops=0.0)) == [replace(view, crop=WHOLE) for view in usual]
    plain = [replace(view, distortion=Distortion()) for view in usual]
    assert views(replace(ALWAYS, photometric=0.0)) == plain
