"""Regions of one map: where a cell is, which scale is read, and where it is exactly the warped region's own map."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from random_model import save_random_model
from smooth_images import PLAIN, smooth_image
from torch import Tensor

from detect.backbones.map_grid import GOOGLENET_GRID, in_cells
from detect.detector import Detector
from detect.googlenet import GoogLeNet
from detect.googlenet_bn import GoogLeNetBN
from detect.input_format import BVLC_INPUT
from detect.model_file import bvlc_info, save_model
from detect.region_warp import RegionWarper, WarpSettings
from detect.shared_map import align_regions
from detect.shared_regions import (
    LevelImages,
    SharedRegions,
    SharedSettings,
    crops_equivalent,
    nearest_scale,
    padded_size,
    read_regions,
    region_places,
    resized_sizes,
)

CELLS = GOOGLENET_GRID.cells


EXACT = SharedSettings(short_sides=(224,), context=0, margin=0, multiple=1)


def stride_16(images: Tensor) -> Tensor:
    """A stem whose cell l is the mean of the pixel pair around its centre, 16 l + 14 and 16 l + 15."""
    count = [(side + 1) // 16 for side in images.shape[2:]]
    rows = torch.arange(count[0]) * 16 + 14
    columns = torch.arange(count[1]) * 16 + 14
    return images[:, :, rows][:, :, :, columns]


@pytest.mark.slow
@pytest.mark.parametrize("network", [GoogLeNet, GoogLeNetBN])
def test_the_whole_of_a_224_pixel_image_is_what_the_stem_makes_of_it(network: type[GoogLeNet]) -> None:
    torch.manual_seed(0)
    model = network(3).eval()
    image = smooth_image(224, 224)
    with torch.inference_mode():
        shared = SharedRegions(LevelImages(image, BVLC_INPUT, settings=EXACT), model.stem_to_4e)
        found = shared.regions(np.array([[0, 0, 224, 224]], np.float32))
        warped = RegionWarper(image, BVLC_INPUT, settings=WarpSettings(context=0))
        wanted = model.stem_to_4e(warped.regions(np.array([[0, 0, 224, 224]], np.float32)))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-3 * float(wanted.abs().max()))


def test_a_cell_is_where_that_of_the_warped_region_would_be() -> None:
    """With a stem that samples pixels, on a picture of coordinates, a region's cells say where they were read."""
    height, width = 448, 672
    ramp = np.zeros((height, width, 3), np.float32)
    ramp[..., 0], ramp[..., 1] = np.arange(width)[None] + 0.5, np.arange(height)[:, None] + 0.5
    box = np.array([[100.0, 60.0, 324.0, 284.0]])  # 224 pixels, read at scale 1
    cells = in_cells(box, (1.0, 1.0), 0, 224)
    features = stride_16(torch.from_numpy(ramp).permute(2, 0, 1)[None])[0]
    found = align_regions(features, torch.from_numpy(cells.astype(np.float32)), CELLS)[0]
    centres = torch.arange(CELLS) * 16 + 14.5
    torch.testing.assert_close(found[0, 0], 100 + centres, rtol=0, atol=0.01)
    torch.testing.assert_close(found[1, :, 0], 60 + centres, rtol=0, atol=0.01)


def test_a_larger_region_is_read_at_the_same_parts_of_it() -> None:
    """448 pixels: the cells of the warped region are 32 pixels apart, the first at 2 · 14.5."""
    cells = in_cells(np.array([[0.0, 0.0, 448.0, 448.0]]), (1.0, 1.0), 0, 224)
    middles = cells[0, 0] + (np.arange(CELLS) + 0.5) * (cells[0, 2] - cells[0, 0]) / CELLS  # in cells of the map
    np.testing.assert_allclose(16 * (middles - 0.5) + 14.5, 2 * (16 * np.arange(CELLS) + 14.5), atol=1e-9)


def test_a_margin_moves_boxes_by_whole_cells_and_a_scale_multiplies() -> None:
    box = np.array([[10.0, 20.0, 100.0, 90.0]])
    plain = in_cells(box, (1.0, 1.0), 0, 224)
    np.testing.assert_allclose(in_cells(box, (1.0, 1.0), 32, 224), plain + 2)
    np.testing.assert_allclose(in_cells(box, (2.0, 2.0), 0, 224), in_cells(box * 2, (1.0, 1.0), 0, 224))


def test_sizes_keep_the_shape_and_the_limit() -> None:
    settings = SharedSettings(short_sides=(600, 300))
    assert resized_sizes((375, 500), settings) == [(600, 800), (300, 400)]
    assert resized_sizes((500, 2000), settings) == [(250, 1000), (250, 1000)]
    assert resized_sizes((1, 1), settings) == [(600, 600), (300, 300)]
    assert resized_sizes((1, 4000), settings) == [(16, 1000), (16, 1000)]
    assert crops_equivalent((224, 224), EXACT) == 1


def test_the_nearest_scale_by_ratio() -> None:
    sides = [(224, 224), (112, 112), (56, 448), (50, 448), (317, 317), (3, 3)]
    boxes = np.array([[0, 0, width, height] for width, height in sides], np.float64)
    scales = np.array([[1.0, 1.0], [2.0, 2.0]])
    assert nearest_scale(boxes, scales, 224).tolist() == [0, 1, 0, 1, 0, 1]  # 56 · 448 = 224² / 2: a tie
    assert nearest_scale(boxes, scales[:1], 224).tolist() == [0] * 6


def test_two_scales_give_each_region_its_own_in_the_order_of_the_boxes() -> None:
    image = smooth_image(300, 400)
    boxes = np.array([[0, 0, 60, 60], [10, 20, 390, 290], [100, 100, 180, 170]], np.float32)
    both = SharedRegions(
        LevelImages(image, PLAIN, settings=SharedSettings(short_sides=(300, 900), context=0)), stride_16
    )
    small = SharedRegions(LevelImages(image, PLAIN, settings=SharedSettings(short_sides=(300,), context=0)), stride_16)
    large = SharedRegions(LevelImages(image, PLAIN, settings=SharedSettings(short_sides=(900,), context=0)), stride_16)
    found = both.regions(boxes)
    torch.testing.assert_close(found[[0, 2]], large.regions(boxes[[0, 2]]))
    torch.testing.assert_close(found[1:2], small.regions(boxes[1:2]))


def test_places_by_hand() -> None:
    """At 1 and 2.5 times its size, regions of less than 224 / √2.5 = 142 pixels are read from the larger map."""
    settings = SharedSettings(short_sides=(300, 900), context=0)
    boxes = np.array([[0, 0, 60, 60], [10, 20, 390, 290], [100, 100, 180, 170], [0, 0, 300, 300]], np.float32)
    before = boxes.copy()
    places = region_places(boxes, (300, 400), settings)
    np.testing.assert_array_equal(boxes, before)
    assert len(places) == 4
    assert places.levels == (0, 1)
    assert [len(cells) for cells in places.cells] == [2, 2]
    assert places.order.tolist() == [2, 0, 3, 1]  # the first box is the third of those of both levels, and so on
    scale = 750 / 300, 1000 / 400  # 900 pixels would make the longer side 1200
    expected = in_cells(boxes[[0, 2]].astype(np.float64), scale, 32, 224)
    np.testing.assert_allclose(places.cells[1].numpy(), expected, rtol=1e-6)
    nothing = region_places(boxes[:0], (300, 400), settings)
    assert (len(nothing), nothing.levels, nothing.cells[0].shape) == (0, (0,), (0, 4))


def test_reading_asks_once_for_each_map_and_lets_gradients_through() -> None:
    settings = SharedSettings(short_sides=(300, 900))
    boxes = np.array([[0, 0, 60, 60], [10, 20, 390, 290], [100, 100, 180, 170]], np.float32)
    maps = [torch.rand(1, 2, 20, 30, requires_grad=True), torch.rand(1, 2, 50, 70, requires_grad=True)]
    asked: list[int] = []

    def map_of(level: int) -> Tensor:
        asked.append(level)
        return maps[level]

    places = region_places(boxes, (300, 400), settings)
    found = read_regions(places, map_of)
    assert asked == [0, 1]
    assert found.is_contiguous(memory_format=torch.channels_last)
    alone = [read_regions(region_places(boxes[[row]], (300, 400), settings), maps.__getitem__) for row in range(3)]
    torch.testing.assert_close(found, torch.cat(alone))
    mix = torch.randn(found.shape, generator=torch.Generator().manual_seed(0))
    gradients = torch.autograd.grad((found * mix).sum(), maps)
    expected = torch.autograd.grad((torch.cat(alone) * mix).sum(), maps)
    torch.testing.assert_close(gradients, expected)


def test_maps_are_made_once_and_only_those_that_boxes_need() -> None:
    made: list[tuple[int, ...]] = []

    def stem(images: Tensor) -> Tensor:
        made.append(tuple(images.shape[2:]))
        return stride_16(images)

    settings = SharedSettings(short_sides=(128, 256))
    shared = SharedRegions(LevelImages(smooth_image(240, 320), BVLC_INPUT, settings=settings), stem)
    whole, small = np.array([[0, 0, 320, 240]], np.float32), np.array([[5, 5, 60, 60]], np.float32)
    shared.make_maps(np.zeros((0, 4), np.float32))
    shared.make_maps(whole)
    assert len(made) == 1, "of no boxes the first, which is the whole's"
    shared.make_maps(np.concatenate([whole, small]))
    assert len(set(made)) == len(made) == 2
    shared.regions(np.concatenate([small, whole]))
    assert len(made) == 2


def test_sides_in_whole_multiples() -> None:
    assert padded_size((600, 800), SharedSettings()) == (672, 864)  # 664 and 864
    assert padded_size((600, 801), SharedSettings()) == (672, 896)
    assert padded_size((600, 801), SharedSettings(margin=0, multiple=1)) == (600, 801)
    assert padded_size((600, 801), SharedSettings(margin=16, multiple=100)) == (700, 900)


def test_boxes_in_any_order_and_any_batch_are_the_same() -> None:
    image = smooth_image(200, 300)
    rng = np.random.default_rng(0)
    corners = rng.uniform(-20, 200, (12, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 150, (12, 2))], axis=1).astype(np.float32)
    shared = SharedRegions(LevelImages(image, PLAIN), stride_16)
    whole = shared.regions(boxes)
    assert whole.shape == (12, 3, CELLS, CELLS)
    order = rng.permutation(12)
    torch.testing.assert_close(shared.regions(boxes[order]), whole[order])
    torch.testing.assert_close(torch.cat([shared.regions(part) for part in np.split(boxes, 4)]), whole)


def test_odd_images_and_boxes() -> None:
    for size in ((1, 1), (1, 3000), (2000, 3), (17, 16)):
        shared = SharedRegions(LevelImages(smooth_image(*size), PLAIN), stride_16)
        found = shared.regions(np.array([[0, 0, size[1], size[0]], [-50, -50, 9000, 9000], [0, 0, 0, 0]], np.float32))
        assert found.shape == (3, 3, CELLS, CELLS)
        assert found.isfinite().all()
    assert shared.regions(np.zeros((0, 4), np.float32)).shape == (0, 3, CELLS, CELLS)
    with pytest.raises(ValueError, match=r"boxes: expected \(N, 4\), got \(2, 5\)"):
        shared.regions(np.zeros((2, 5), np.float32))
    with pytest.raises(ValueError, match="boxes: expected finite coordinates"):
        shared.regions(np.full((1, 4), np.nan, np.float32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"short_sides": ()}, r"short_sides: expected some, of 16 to 1000 pixels, got \(\)"),
        ({"short_sides": (8,)}, "short_sides: expected some"),
        ({"short_sides": (1200,)}, "short_sides: expected some"),
        ({"short_sides": (600.5,)}, "short_sides: expected some"),
        ({"multiple": 0}, "multiple: expected at least 1 pixel, got 0"),
        ({"margin": 20}, "margin: expected a multiple of 16 pixels, got 20"),
        ({"context": 112}, "warp: expected 0 <= 2 · context < size"),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SharedSettings(**changes)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_detector_reads_shared_regions_whatever_the_batch(tmp_path_factory: pytest.TempPathFactory) -> None:
    model = save_random_model(tmp_path_factory.mktemp("model") / "random.safetensors")
    images = [smooth_image(90, 120, seed) for seed in range(3)]
    boxes = np.array(
        [[0, 0, 120, 90], [10, 10, 60, 70], [50, 20, 110, 85], [3, 3, 30, 30], [0, 40, 90, 90]], np.float32
    )

    def detections(batch_size: int) -> list[NDArray[np.float32]]:
        detector = Detector.load(model, device="cpu", precision="fp32", regions="shared", short_sides=(128,))
        assert detector.shared is not None
        found = detector.detect(((image, boxes) for image in images), batch_size=batch_size)
        return [one.detections.scores for one in found]

    small, large = detections(2), detections(64)
    assert len(small) == 3
    for one, another in zip(small, large, strict=True):
        np.testing.assert_allclose(one, another, atol=1e-5)
    assert Detector.load(model, device="cpu").shared is None  # it was not trained for shared regions


def test_a_detector_reads_regions_as_its_model_was_trained_for(tmp_path: Path) -> None:
    trained = dataclasses.replace(bvlc_info(), regions=("shared",), short_sides=(300, 500), context=8)
    save_model(tmp_path / "x.safetensors", trained, GoogLeNet(1000).state_dict())
    load = partial(Detector.load, tmp_path / "x.safetensors", device="cpu", precision="fp32")
    assert load().shared == SharedSettings(short_sides=(300, 500), context=8)
    assert load(short_sides=(64,)).shared == SharedSettings(short_sides=(64,), context=8)
    assert load(regions="warp").shared is None
