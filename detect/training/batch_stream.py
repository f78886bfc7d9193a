"""The batches of a run in order, decoded and sampled by threads that stay ahead of the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import NDArray

from detect.image_decoding import ImageError, decode_image
from detect.training.batch_plan import BatchPlan, PlannedImage
from detect.training.planned_stream import Share, check_batch_size, planned_batches
from detect.training.region_samples import Distortion, ImageSample, TrainingBatch
from detect.training.region_sampling import SamplingSettings, sample_regions
from detect.training.training_set import TrainingSet

REGIONS = 1  # the generator of an image's regions, beside that of the images' order

Flips = Callable[[int, np.random.Generator], NDArray[np.bool_]]  # number of regions → which of them are mirrored


def flip_regions(count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Half of the regions, each by itself, as each is cut out by itself."""
    return rng.random(count) < 0.5


def flip_images(count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """All regions of half of the images: those that are read from one map are mirrored together."""
    return np.full(count, rng.random() < 0.5)


def batches(
    training_set: TrainingSet,
    boxes_of: Callable[[int], NDArray[np.float32]],
    plan: BatchPlan,
    settings: SamplingSettings,
    share: Share,
    *,
    seed: int,
    flips: Flips = flip_regions,
) -> AbstractContextManager[Iterator[TrainingBatch[ImageSample]]]:
    """A process's share of a run's batches, as `planned_batches` divides and orders them.

    What is in a batch depends on `seed`, the plan and the step alone: neither on where the run began, nor on `workers`;
    and the shares of all processes together are the batch of one process. An image that cannot be read, or whose
    proposals cannot, is missing from its batch, which says why.

    Args:
        boxes_of: an image's index → its proposals (P, 4); called from several threads; it may raise ValueError.
        seed: of regions, flips and distortion.
        flips: which regions of an image are mirrored, where `settings.flip` has any mirrored.
    Returns:
        A context, whose iterator is to be used inside the `with` statement.
    Raises:
        ValueError: on entry, if the number of processes or threads is impossible; at once, if the settings' batches
            are not the plan's.
    """
    check_batch_size(plan, settings.images_per_batch)

    def sample(planned: PlannedImage, slot: int) -> ImageSample | str:
        return sample_image(training_set, planned, slot, boxes_of, settings, seed=seed, flips=flips)

    return planned_batches(sample, training_set.images, plan, share)


def sample_image(
    training_set: TrainingSet,
    planned: PlannedImage,
    slot: int,
    boxes_of: Callable[[int], NDArray[np.float32]],
    settings: SamplingSettings,
    *,
    seed: int,
    flips: Flips = flip_regions,
) -> ImageSample | str:
    """Decode an image and draw its regions, flips and distortion; or, in one sentence, why that is impossible."""
    index = planned.index
    try:
        image = decode_image(training_set.images[index])
    except ImageError as error:
        return str(error)
    try:
        proposals = boxes_of(index)
    except ValueError as error:
        return str(error)
    rng = np.random.default_rng([seed, REGIONS, *planned.seed])
    regions = sample_regions(
        proposals,
        *training_set.objects(index),
        int(training_set.background[index]),
        training_set.is_foreground,
        training_set.teaches,
        (image.shape[0], image.shape[1]),
        settings,
        rng,
    )
    flipped = flips(len(regions), rng) & settings.flip
    distortion = random_distortion(settings.photometric, rng)
    return ImageSample(index, slot, training_set.images[index], image, regions, flipped, distortion)


def random_distortion(most: float, rng: np.random.Generator) -> Distortion:
    """Brightness, contrast and saturation uniform in [1 − most, 1 + most], hue in ± most / 10."""
    brightness, contrast, saturation = (float(one) for one in 1 + rng.uniform(-most, most, 3))
    return Distortion(brightness, contrast, saturation, float(rng.uniform(-most, most)) / 10)
