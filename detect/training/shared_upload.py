"""From decoded images and chosen boxes to what shared regions are read from: resized images, places in their maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from detect.input_format import InputFormat
from detect.mirroring import mirrored_boxes
from detect.shared_regions import RegionPlaces, SharedSettings, at_level, region_places
from detect.training.region_samples import ImageSample, RegionBatch, TrainingBatch
from detect.training.region_upload import pixels_on_device, with_targets


@dataclass(frozen=True)
class PlacedRegions:
    """Regions of one image, ready to be read from its maps once the stem has made them.

    Attributes:
        images: of each level of `places`, the image as the stem sees it there: (1, 3, h, w) float32, channels last.
        places: of its regions, of which there is at least one.
    """

    images: Mapping[int, Tensor]
    places: RegionPlaces


def upload_shared(
    batch: TrainingBatch[ImageSample],
    *,
    input_format: InputFormat,
    settings: SharedSettings,
    device: torch.device | str,
    regions_per_image: int,
) -> RegionBatch[tuple[PlacedRegions, ...]]:
    """Upload each image once, distort, mirror and normalise it there, and resize it to what its regions need.

    Args:
        batch: which may be empty.
        regions_per_image: the most that an image may have; it numbers the slots.
    Returns:
        A `PlacedRegions` for each image that has regions, in the order of the samples; all else goes by region, as in
        `region_upload.upload`.
    Raises:
        ValueError: if an image has more regions than that, or some of its regions are to be mirrored and some not.
    """
    device = torch.device(device)
    placed = tuple(_placed(one, input_format, settings, device) for one in batch.samples if len(one.regions))
    return with_targets(placed, batch.samples, device=device, regions_per_image=regions_per_image)


def _placed(
    sample: ImageSample, input_format: InputFormat, settings: SharedSettings, device: torch.device
) -> PlacedRegions:
    if sample.flipped.any() != sample.flipped.all():
        raise ValueError(
            f"{sample.path}: expected all of its shared regions mirrored or none, "
            f"got {int(sample.flipped.sum())} of {len(sample.flipped)}"
        )
    height, width = sample.image.shape[:2]
    pixels, boxes = pixels_on_device(sample, device), sample.regions.boxes
    if sample.flipped.any():
        pixels, boxes = pixels.flip(2), mirrored_boxes(boxes, width)
    normalised = input_format.normalise(pixels[None])
    places = region_places(boxes, (height, width), settings)
    return PlacedRegions({level: at_level(normalised, level, settings) for level in places.levels}, places)
