"""The warp against the definition, against a plain per-region crop, and by its laws."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage import data

from detect.input_format import BVLC_INPUT, InputFormat
from detect.region_warp import RegionWarper, WarpSettings, add_context, cut_on_cpu, cut_on_device, pyramid_levels

PLAIN = InputFormat("rgb", (0.0, 0.0, 0.0))


def random_boxes(count: int, size: tuple[int, int], seed: int, *, smallest: float = 20.0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 1, (count, 2)) * (size[1] - smallest, size[0] - smallest)
    sides = smallest + rng.uniform(0, 1, (count, 2)) * ((size[1], size[0]) - corners - smallest)
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float32)


def plain_crop(image: NDArray[np.uint8], box: NDArray[np.float32], settings: WarpSettings) -> NDArray[np.float32]:
    """R-CNN as one would write it for one region: grow, pad with the mean, crop, resize with averaging."""
    x1, y1, x2, y2 = add_context(box[None], settings)[0]
    pad = int(max(x2 - x1, y2 - y1)) + 2
    centred = image.astype(np.float32) - np.array([123.0, 117.0, 104.0], np.float32)
    padded = cv2.copyMakeBorder(centred, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    crop = padded[round(y1) + pad : round(y2) + pad, round(x1) + pad : round(x2) + pad]
    tensor = torch.from_numpy(crop.copy()).permute(2, 0, 1)[None]
    side = (settings.size, settings.size)
    resized = torch.nn.functional.interpolate(tensor, side, mode="bilinear", antialias=True)
    return resized[0].flip(0).numpy()


def test_context_by_hand() -> None:
    # 224 − 2·16 = 192 of the region show the box, so its sides grow by 224/192 = 7/6 about the centre:
    # a box of 192 × 96 at (100, 200) becomes 224 × 112 about (196, 248).
    grown = add_context(np.array([[100, 200, 292, 296]], np.float32), WarpSettings())
    np.testing.assert_allclose(grown, [[84, 192, 308, 304]])


def test_context_of_a_flat_box_is_at_least_a_pixel() -> None:
    grown = add_context(np.array([[5, 5, 5, 9]], np.float32), WarpSettings(size=10, context=0))
    np.testing.assert_allclose(grown, [[4.5, 5, 5.5, 9]])


def test_no_boxes() -> None:
    warper = RegionWarper(data.coffee()[:50, :60], BVLC_INPUT)
    assert warper.regions(np.zeros((0, 4), np.float32)).shape == (0, 3, 224, 224)


def test_whole_image_without_context_at_its_own_size_is_the_image() -> None:
    image = data.coffee()[:64, :64]
    warper = RegionWarper(image, PLAIN, settings=WarpSettings(size=64, context=0))
    region = warper.regions(np.array([[0, 0, 64, 64]], np.float32))[0]
    np.testing.assert_allclose(region.permute(1, 2, 0).numpy(), image, atol=1e-3)


def test_halving_averages_two_by_two_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    warper = RegionWarper(image, PLAIN, settings=WarpSettings(size=4, context=0))
    region = warper.regions(np.array([[0, 0, 8, 8]], np.float32))[0].permute(1, 2, 0).numpy()
    expected = image.reshape(4, 2, 4, 2, 3).astype(np.float32).mean(axis=(1, 3))
    np.testing.assert_allclose(region, expected, atol=1e-3)


def test_outside_the_image_is_the_mean() -> None:
    image = np.full((40, 40, 3), 255, np.uint8)
    region = RegionWarper(image, BVLC_INPUT).regions(np.array([[0, 0, 40, 40]], np.float32))[0]
    assert torch.all(region[:, :12, :] == 0)  # 16 rows of context lie outside; the edge fades over less than four
    assert torch.all(region[:, :, -12:] == 0)
    assert torch.all(region[:, 100, 100] == torch.tensor([255 - 104.0, 255 - 117.0, 255 - 123.0]))  # BGR


@pytest.mark.parametrize("seed", range(3))
def test_close_to_a_plain_crop_of_each_region(seed: int) -> None:
    image = data.astronaut()
    boxes = np.round(random_boxes(12, image.shape[:2], seed))
    settings = WarpSettings(context=0)  # whole-pixel boxes, so that the plain crop needs no rounding
    regions = RegionWarper(image, BVLC_INPUT, settings=settings).regions(boxes).numpy()
    for region, box in zip(regions, boxes, strict=True):
        difference = np.abs(region - plain_crop(image, box, settings))
        assert difference.mean() < 3.0, box  # grey levels of 255; two low-pass filters of one width, not one filter
        assert np.abs(region.mean() - plain_crop(image, box, settings).mean()) < 1.0, box


@pytest.mark.parametrize("seed", range(3))
def test_cpu_kernel_equals_roi_align(seed: int) -> None:
    image = RegionWarper(data.coffee(), BVLC_INPUT)._level(0)
    boxes = add_context(random_boxes(20, (400, 600), seed, smallest=1.0), WarpSettings())
    ours = cut_on_cpu(image, boxes, 97)
    torch.testing.assert_close(ours, cut_on_device(image, boxes, 97), atol=0.02, rtol=0)  # of 255: float32 positions


@pytest.mark.parametrize(
    "box", [(-50, -50, -20, -20), (-9, 3, 1, 8), (59, 39, 61, 41), (0, 0, 60, 40), (-500, 2, 900, 3)]
)
def test_cpu_kernel_equals_roi_align_at_the_edges(box: tuple[float, ...]) -> None:
    image = RegionWarper(data.coffee()[:40, :60], BVLC_INPUT)._level(0)
    boxes = np.array([box], np.float32)
    torch.testing.assert_close(cut_on_cpu(image, boxes, 16), cut_on_device(image, boxes, 16), atol=0.02, rtol=0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 3)])
def test_smallest_images(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 200, np.uint8)
    box = np.array([[0, 0, shape[1], shape[0]]], np.float32)
    region = RegionWarper(image, BVLC_INPUT).regions(box)
    assert torch.isfinite(region).all()
    assert region[0, :, 112, 112].tolist() == [96.0, 83.0, 77.0]  # 200 minus BGR means


def test_pyramid_levels_by_hand() -> None:
    # Sides over 224: 1.0 → level 0, 2.0 → 1, 3.9 → 1, 4.0 → 2; the smaller side decides: 4 × 1.5 → 0.
    sides = np.array([[224, 224], [448, 448], [873.6, 873.6], [896, 896], [896, 336]], np.float32)
    boxes = np.concatenate([np.zeros_like(sides), sides], axis=1)
    assert pyramid_levels(boxes, 224).tolist() == [0, 1, 1, 2, 0]


def test_large_photo_gives_the_same_regions_as_the_small_one() -> None:
    small = data.astronaut()
    large = cv2.resize(small, None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)
    boxes = random_boxes(10, small.shape[:2], 0, smallest=60)
    a = RegionWarper(small, BVLC_INPUT).regions(boxes)
    b = RegionWarper(large, BVLC_INPUT).regions(boxes * 4)
    assert (a - b).abs().mean() < 2.0


def test_boxes_are_cut_in_their_order_whatever_their_level() -> None:
    image = data.astronaut()
    boxes = np.array([[0, 0, 512, 512], [10, 10, 60, 60], [0, 0, 500, 500], [300, 300, 340, 390]], np.float32)
    settings = WarpSettings(size=64)
    together = RegionWarper(image, BVLC_INPUT, settings=settings).regions(boxes)
    one_by_one = [RegionWarper(image, BVLC_INPUT, settings=settings).regions(boxes[i : i + 1]) for i in range(4)]
    torch.testing.assert_close(together, torch.cat(one_by_one), atol=0, rtol=0)
    assert together.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_tensor_of_the_pixels_gives_the_image_s_regions(dtype: torch.dtype) -> None:
    image, boxes = data.coffee(), random_boxes(5, (400, 600), 0)
    pixels = torch.from_numpy(image).permute(2, 0, 1).to(dtype)
    before = pixels.clone()
    regions = RegionWarper(pixels, BVLC_INPUT).regions(boxes)
    assert torch.equal(regions, RegionWarper(image, BVLC_INPUT).regions(boxes))
    assert torch.equal(pixels, before)


def test_inputs_are_left_alone() -> None:
    image, boxes = data.coffee()[:50, :60].copy(), np.array([[1, 2, 30, 40]], np.float32)
    before = image.copy(), boxes.copy()
    RegionWarper(image, BVLC_INPUT).regions(boxes)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(boxes, before[1])


def test_boxes_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"boxes: expected \(N, 4\), got \(7, 5\)"):
        RegionWarper(data.coffee(), BVLC_INPUT).regions(np.zeros((7, 5), np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_boxes_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="boxes: expected finite coordinates, got NaN or infinity"):
        RegionWarper(data.coffee(), BVLC_INPUT).regions(np.array([[0, 0, bad, 9]], np.float32))


@pytest.mark.parametrize(("size", "context"), [(0, 0), (32, 16), (32, -1)])
def test_impossible_settings_are_refused(size: int, context: int) -> None:
    with pytest.raises(ValueError, match="warp: expected 0 <= 2 · context < size"):
        WarpSettings(size, context)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpu_gives_the_cpu_s_regions() -> None:
    image, boxes = data.astronaut(), random_boxes(10, (512, 512), 0)
    on_cpu = RegionWarper(image, BVLC_INPUT).regions(boxes)
    on_gpu = RegionWarper(image, BVLC_INPUT, device="cuda").regions(boxes)
    torch.testing.assert_close(on_gpu.cpu(), on_cpu, atol=0.05, rtol=0)
