"""Where cells are: measured by mirroring, and by reading the whole of an image from its map."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from detect.backbones.backbone import Backbone
from detect.backbones.map_grid import STRIDE, in_cells
from detect.backbones.registry import BACKBONES
from detect.input_format import BVLC_INPUT
from detect.model_file import bvlc_info
from detect.region_choice import shared_settings
from detect.region_warp import RegionWarper, WarpSettings
from detect.shared_regions import LevelImages, SharedRegions, SharedSettings


def off_by(network: Backbone, side: int) -> float:
    """How far the map of the mirrored image, by mirrored filters, is from the mirrored map, as a part of the map."""
    mirrored = copy.deepcopy(network)
    for module in mirrored.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.flip(2, 3)
    images = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        map_, of_mirrored = network.stem(images), mirrored.stem(images.flip(2, 3))
    return float((of_mirrored.flip(2, 3) - map_).abs().max() / map_.abs().max())


@pytest.mark.parametrize("cells", [3, 4])
def test_cells_are_symmetric_in_an_image_that_ends_as_far_from_the_last_as_it_begins_before_the_first(
    network: Backbone, cells: int
) -> None:
    """A side of 2 · first centre + 16 · (cells − 1): of two numbers of cells, no other centre and stride do."""
    side = round(2 * network.grid.first_centre) + STRIDE * (cells - 1)
    with torch.inference_mode():
        assert network.stem(torch.zeros(1, 3, side, side)).shape[2:] == (cells, cells)
    assert off_by(network, side) < 1e-4
    assert off_by(network, side + 2) > 1e-2, "another centre, another map"


def test_the_whole_of_a_region_read_from_the_map_is_what_the_stem_makes_of_it(network: Backbone) -> None:
    """An image of 224 pixels at its own size, without context and margin."""
    small = torch.rand(1, 3, 5, 7, generator=torch.Generator().manual_seed(0)) * 255
    smooth = nn.functional.interpolate(small, (224, 224), mode="bicubic").clamp(0, 255)
    image = smooth[0].permute(1, 2, 0).to(torch.uint8).numpy()
    exact = SharedSettings(short_sides=(224,), context=0, margin=0, multiple=1, grid=network.grid)
    whole = np.array([[0, 0, 224, 224]], np.float32)
    with torch.inference_mode():
        found = SharedRegions(LevelImages(image, BVLC_INPUT, settings=exact), network.stem).regions(whole)
        warper = RegionWarper(image, BVLC_INPUT, settings=WarpSettings(context=0))
        wanted: Tensor = network.stem(warper.regions(whole))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-3 * float(wanted.abs().max()))


@pytest.mark.parametrize("name", BACKBONES)
def test_cells_of_a_larger_region_by_hand(name: str) -> None:
    """Of 448 pixels: twice as far apart as of 224, the first at twice the first centre."""
    grid = BACKBONES[name].grid
    x1, _, x2, _ = in_cells(np.array([[0.0, 0.0, 448.0, 448.0]]), (1.0, 1.0), 0, 224, grid)[0]
    middles = x1 + (np.arange(grid.cells) + 0.5) * (x2 - x1) / grid.cells  # in cells of the map
    pixels = 16 * (middles - 0.5) + grid.first_centre
    np.testing.assert_allclose(pixels, 2 * (grid.first_centre + 16 * np.arange(grid.cells)), atol=1e-9)


@pytest.mark.parametrize("name", BACKBONES)
def test_a_model_of_the_architecture_is_read_there(name: str) -> None:
    info = dataclasses.replace(bvlc_info(), architecture=name, regions=("shared",))
    settings = shared_settings(info)
    assert settings is not None
    assert settings.grid == BACKBONES[name].grid
