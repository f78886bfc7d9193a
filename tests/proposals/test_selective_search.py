from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from skimage import data

from proposals import Proposals, selective_search
from proposals.diversity import MODES, Diversity
from proposals.selective_search import _hierarchies

PHOTO = np.ascontiguousarray(data.coffee()[::2, ::2])  # 200 x 300


def as_set(found: Proposals) -> set[tuple[float, ...]]:
    return {tuple(box) for box in found.boxes.tolist()}


def check(found: Proposals, image: np.ndarray) -> None:
    """What holds for every picture."""
    assert len(found) >= 1
    assert found.boxes.dtype == found.scores.dtype == np.float32
    assert np.isfinite(found.scores).all()
    assert (np.diff(found.scores) <= 0).all()
    assert (found.boxes >= 0).all()
    assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
    assert (found.boxes[:, 2:] <= [image.shape[1], image.shape[0]]).all()
    assert len(as_set(found)) == len(found)


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = [(b[:, 2:] - b[:, :2]).prod(axis=1) for b in (boxes, others)]
    return shared / (areas[0][:, None] + areas[1] - shared)


def test_an_object_is_found_exactly() -> None:
    image = np.full((100, 150, 3), (30, 90, 200), np.uint8)
    image[20:70, 40:110] = (220, 60, 20)
    found = selective_search(image, "single", search_width=None)
    check(found, image)
    # the 1-pixel seam that the blur leaves may belong to either side
    assert overlaps(np.array([[40, 20, 110, 70]]), found.boxes).max() > 0.9
    assert as_set(found) >= {(0, 0, 150, 100)}


def test_boxes_scale_with_the_picture() -> None:
    image = np.full((100, 150, 3), 250, np.uint8)
    image[25:75, 50:100] = 20
    found = selective_search(image)  # searched at 500 x 333
    check(found, image)
    assert overlaps(np.array([[50, 25, 100, 75]]), found.boxes).max() > 0.9


def test_modes_count_the_authors_hierarchies() -> None:
    sizes = {name: len(m.colours) * len(m.strategies) * len(m.ks) for name, m in MODES.items()}
    assert sizes == {"single": 1, "fast": 8, "balanced": 12, "quality": 80}


def test_richer_modes_find_more_and_contain_the_poorer() -> None:
    image = PHOTO[::2, ::2]
    found = {mode: selective_search(image, mode, search_width=150) for mode in MODES}
    for boxes in found.values():
        check(boxes, image)
    assert as_set(found["single"]) < as_set(found["fast"]) < as_set(found["quality"])


def test_balanced_is_the_default() -> None:
    image = PHOTO[::2, ::2]
    np.testing.assert_array_equal(selective_search(image).boxes, selective_search(image, "balanced").boxes)


def test_repeats_itself_for_any_number_of_workers_and_does_not_touch_the_input() -> None:
    before = PHOTO.copy()
    first = selective_search(PHOTO, search_width=None)
    check(first, PHOTO)
    for workers in (1, 2, 5):
        again = selective_search(PHOTO, search_width=None, workers=workers)
        np.testing.assert_array_equal(again.boxes, first.boxes)
        np.testing.assert_array_equal(again.scores, first.scores)
    np.testing.assert_array_equal(PHOTO, before)


def test_the_seed_changes_the_order_only() -> None:
    zero, one = (selective_search(PHOTO, search_width=None, seed=seed) for seed in (0, 1))
    assert as_set(zero) == as_set(one)
    assert not np.array_equal(zero.boxes, one.boxes)


def test_large_boxes_tend_to_come_first() -> None:
    boxes = selective_search(PHOTO, search_width=None).boxes
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    assert np.median(areas[:50]) > 2 * np.median(areas[-50:])


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda a: np.ascontiguousarray(a[:, :, ::-1])[:, :, ::-1], id="BGR read backwards"),
        pytest.param(np.asfortranarray, id="column order"),
        pytest.param(lambda a: np.repeat(a, 2, axis=1)[:, ::2], id="every other column"),
    ],
)
def test_strides_do_not_matter(view: Any) -> None:
    image = PHOTO[:80, :90].copy()
    strided = view(image)
    assert not strided.flags.c_contiguous
    strided.flags.writeable = False
    found, expected = (selective_search(a, "single", search_width=None) for a in (strided, image))
    np.testing.assert_array_equal(found.boxes, expected.boxes)


@pytest.mark.parametrize("mode", ["single", "balanced"])
def test_order_of_red_green_and_blue_matters_to_no_grey_picture(mode: str) -> None:
    """Permuting channels is a law where colour spaces treat them alike: grey pictures, any mode."""
    grey = np.repeat(PHOTO[:80, :90, :1], 3, axis=2)
    found, permuted = (selective_search(image, mode, search_width=None) for image in (grey, grey[:, :, [2, 0, 1]]))
    np.testing.assert_array_equal(found.boxes, permuted.boxes)


def test_enlarged_superpixels_give_fewer_boxes() -> None:
    one, two = (selective_search(PHOTO, superpixel_scale=scale) for scale in (1.0, 2.0))
    assert 0.3 < len(two) / len(one) < 0.75


def test_a_diversity_of_ones_own() -> None:
    image = PHOTO[::2, ::2]
    single = Diversity(("HSV",), ("CTSF",), (100,))
    np.testing.assert_array_equal(selective_search(image, single).boxes, selective_search(image, "single").boxes)
    unsorted = selective_search(image, Diversity(("I",), ("S",), (200, 60.5)))
    check(unsorted, image)
    assert as_set(unsorted) == as_set(selective_search(image, Diversity(("I",), ("S",), (60.5, 200))))


@pytest.mark.parametrize(
    ("colours", "strategies", "ks", "message"),
    [
        (("RGB",), ("S",), (50,), r"colours: expected of HSV, Lab, rgI, H, I, got \('RGB',\)"),
        (("I",), ("C",), (50,), r"strategies: expected of CTSF, TSF, F, S, got \('C',\)"),
        (("I",), ("S",), (), r"ks: expected a tuple of at least one, each once, got \(\)"),
        (("I",), ("S",), (50, 50), r"ks: expected a tuple of at least one, each once, got \(50, 50\)"),
        (("I",), ("S",), 50, "ks: expected a tuple of at least one, each once, got 50"),
        (("I",), ("S",), ("50",), r"ks: expected finite numbers above 0, got \('50',\)"),
        ("I", ("S",), (50,), "colours: expected a tuple of at least one, each once, got 'I'"),
        (("I",), ["S"], (50,), r"strategies: expected a tuple of at least one, each once, got \['S'\]"),
        (("I",), ("S",), (50, 0), r"ks: expected finite numbers above 0, got \(50, 0\)"),
    ],
)
def test_wrong_diversities(colours: Any, strategies: Any, ks: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Diversity(colours, strategies, ks)


def test_many_scales_are_one_search_each() -> None:
    """What the scales share is a matter of time only: a mode finds what its scales find one by one."""
    image, diversity = PHOTO[:90, :120], MODES["balanced"]
    together = _hierarchies(image, diversity, 1.5, 1)
    alone = [_hierarchies(image, replace(diversity, ks=(k,)), 1.5, 1) for k in diversity.ks]
    strategies = len(diversity.strategies)
    for colour in range(len(diversity.colours)):
        for scale, found in enumerate(alone):
            for strategy in range(strategies):
                np.testing.assert_array_equal(
                    together[(colour * len(alone) + scale) * strategies + strategy],
                    found[colour * strategies + strategy],
                )


def test_superpixels_larger_than_the_picture_leave_the_picture() -> None:
    found = selective_search(PHOTO, superpixel_scale=1e300)
    assert found.boxes.tolist() == [[0, 0, 300, 200]]


def test_min_side_is_measured_at_the_searched_size() -> None:
    for min_side in (1, 20, 60):
        found = selective_search(PHOTO, "single", search_width=150, min_side=min_side)
        sides = (found.boxes[:, 2:] - found.boxes[:, :2]) / 2  # the picture is 300 wide
        assert sides.min() >= min_side - 1e-3


CHECKERS = ((np.indices((120, 160)).sum(axis=0) // 8 % 2) * 255).astype(np.uint8)
TWO_COLOURS = np.where((np.arange(80) < 30)[None, :, None], np.uint8(250), np.uint8(20)) * np.ones((60, 1, 3), np.uint8)
ODD = {
    "two colours": TWO_COLOURS,
    "1x1": np.full((1, 1, 3), 7, np.uint8),
    "1x400": np.random.default_rng(0).integers(0, 256, (1, 400, 3), np.uint8),
    "400x1": np.random.default_rng(0).integers(0, 256, (400, 1, 3), np.uint8),
    "3x2000": np.random.default_rng(0).integers(0, 256, (3, 2000, 3), np.uint8),
    "2000x3": np.random.default_rng(0).integers(0, 256, (2000, 3, 3), np.uint8),
    "2x2": np.random.default_rng(0).integers(0, 256, (2, 2, 3), np.uint8),
    "black": np.zeros((60, 80, 3), np.uint8),
    "white": np.full((60, 80, 3), 255, np.uint8),
    "checkers": np.repeat(CHECKERS[:, :, None], 3, axis=2),
    "pixel checkers": np.repeat((np.indices((50, 50)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None], 3, 2),
    "noise": np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8),
}


@pytest.mark.parametrize("search_width", [500, None])
@pytest.mark.parametrize("name", ODD)
def test_odd_pictures(name: str, search_width: int | None) -> None:
    found = selective_search(ODD[name], search_width=search_width)
    check(found, ODD[name])
    height, width = ODD[name].shape[:2]
    if name in ("black", "white", "1x1", "1x400"):
        assert found.boxes.tolist() == [[0, 0, width, height]]


def test_a_picture_below_min_side_is_one_box_with_score_0() -> None:
    found = selective_search(PHOTO[:19, :100], search_width=None)
    assert found.boxes.tolist() == [[0, 0, 100, 19]]
    assert found.scores.tolist() == [0]


@pytest.mark.parametrize("photo", ["coffee", "chelsea"])
def test_covers_what_opencvs_covers(photo: str) -> None:
    image = getattr(data, photo)()
    size = (500, round(image.shape[0] * 500 / image.shape[1]))
    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(cv2.resize(image, size)[:, :, ::-1].copy())
    search.switchToSelectiveSearchFast()
    theirs = np.asarray(search.process(), float)
    theirs[:, 2:] += theirs[:, :2]
    theirs *= image.shape[1] / 500
    theirs = theirs[(theirs[:, 2:] - theirs[:, :2]).min(axis=1) >= 30]
    best = overlaps(theirs, selective_search(image).boxes).max(axis=1)
    assert np.mean(best >= 0.5) > 0.9
    assert best.mean() > 0.65


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("a.jpg", r"image_rgb: expected a uint8 array \(H, W, 3\), got str"),
        (np.zeros((5, 5), np.uint8), r"image_rgb: expected uint8 \(H, W, 3\), got uint8 \(5, 5\)"),
        (np.zeros((5, 5, 4), np.uint8), r"image_rgb: expected uint8 \(H, W, 3\), got uint8 \(5, 5, 4\)"),
        (np.zeros((5, 5, 3), float), r"image_rgb: expected uint8 \(H, W, 3\), got float64 \(5, 5, 3\)"),
        (np.zeros((0, 5, 3), np.uint8), r"image_rgb: expected uint8 \(H, W, 3\), got uint8 \(0, 5, 3\)"),
        (
            np.zeros((1, 5, 5, 3), np.uint8),
            r"image_rgb: expected uint8 \(H, W, 3\), got uint8 \(1, 5, 5, 3\)",
        ),
    ],
)
def test_wrong_images(image: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        selective_search(image)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("mode", "best", "mode: expected one of single, fast, balanced, quality, got 'best'"),
        ("mode", ["fast"], r"mode: expected one of single, fast, balanced, quality, got \['fast'\]"),
        ("superpixel_scale", 0, "superpixel_scale: expected a finite number above 0, got 0"),
        ("superpixel_scale", float("nan"), "superpixel_scale: expected a finite number above 0, got nan"),
        ("superpixel_scale", 10**400, "superpixel_scale: expected a finite number above 0, got 1000"),
        ("superpixel_scale", "2", "superpixel_scale: expected a finite number above 0, got '2'"),
        ("seed", -1, "seed: expected a whole number of at least 0, got -1"),
        ("seed", None, "seed: expected a whole number of at least 0, got None"),
        ("search_width", 0, "search_width: expected a whole number of at least 1, got 0"),
        ("search_width", 500.0, "search_width: expected a whole number of at least 1, got 500.0"),
        ("min_side", 0, "min_side: expected a whole number of at least 1, got 0"),
        ("workers", 0, "workers: expected a whole number of at least 1, got 0"),
        ("workers", True, "workers: expected a whole number of at least 1, got True"),
    ],
)
def test_wrong_settings(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        selective_search(PHOTO, **{name: value})
