"""The batches of a run in order, decoded and sampled by threads that stay ahead of the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from detect.image_decoding import ImageError, decode_image
from detect.prepared_images import work_ahead
from detect.training.batch_plan import BatchPlan, PlannedImage
from detect.training.region_samples import Distortion, ImageSample, TrainingBatch
from detect.training.region_sampling import SamplingSettings, sample_regions
from detect.training.training_set import TrainingSet

REGIONS = 1  # the generator of an image's regions, beside that of the images' order


@contextmanager
def batches(
    training_set: TrainingSet,
    boxes_of: Callable[[int], NDArray[np.float32]],
    plan: BatchPlan,
    settings: SamplingSettings,
    *,
    seed: int,
    first_step: int,
    last_step: int,
    rank: int = 0,
    world: int = 1,
    workers: int = 1,
) -> Iterator[Iterator[TrainingBatch]]:
    """This process's share of steps first_step … last_step − 1.

    What is in a batch depends on `seed`, the plan and the step alone: neither on where the run began, nor on `workers`;
    and the shares of all processes together are the batch of one process. An image that cannot be read, or whose
    proposals cannot, is missing from its batch, which says why.

    Args:
        boxes_of: an image's index → its proposals (P, 4); called from several threads; it may raise ValueError.
        seed: of regions, flips and distortion.
        rank, world: this process is number `rank` of `world`; slots rank · I / world … of the I images are its own.
        workers: threads; they are ahead of the reader by one batch.
    Yields:
        An iterator, to be used inside the `with` statement.
    Raises:
        ValueError: if a step, rank, or number of processes or threads is impossible.
    """
    share = _share(plan, settings, rank, world)
    if not 0 <= first_step <= last_step:
        raise ValueError(f"first_step: expected 0 <= first_step <= last_step, got {first_step}, {last_step}")

    def sample(number: int) -> tuple[PlannedImage, ImageSample | str]:
        step, offset = divmod(number, share)
        slot = rank * share + offset
        planned = plan.at(step * plan.images_per_batch + slot)
        return planned, sample_image(training_set, planned, slot, boxes_of, settings, seed=seed)

    numbers = range(first_step * share, last_step * share)
    with work_ahead(sample, numbers, workers=workers, ahead=share + workers) as sampled:
        yield _grouped(sampled, training_set, plan, range(first_step, last_step), share)


def sample_image(
    training_set: TrainingSet,
    planned: PlannedImage,
    slot: int,
    boxes_of: Callable[[int], NDArray[np.float32]],
    settings: SamplingSettings,
    *,
    seed: int,
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
    flipped = rng.random(len(regions)) < (0.5 if settings.flip else 0.0)
    distortion = random_distortion(settings.photometric, rng)
    return ImageSample(index, slot, training_set.images[index], image, regions, flipped, distortion)


def random_distortion(most: float, rng: np.random.Generator) -> Distortion:
    """Brightness, contrast and saturation uniform in [1 − most, 1 + most], hue in ± most / 10."""
    brightness, contrast, saturation = (float(one) for one in 1 + rng.uniform(-most, most, 3))
    return Distortion(brightness, contrast, saturation, float(rng.uniform(-most, most)) / 10)


def _share(plan: BatchPlan, settings: SamplingSettings, rank: int, world: int) -> int:
    """Images of a batch that fall to this process."""
    if plan.images_per_batch != settings.images_per_batch:
        raise ValueError(
            f"images_per_batch: expected the plan's {plan.images_per_batch}, got {settings.images_per_batch}"
        )
    if world < 1 or plan.images_per_batch % world:
        raise ValueError(f"world: expected a divisor of images_per_batch ({plan.images_per_batch}), got {world}")
    if not 0 <= rank < world:
        raise ValueError(f"rank: expected 0..{world - 1}, got {rank}")
    return plan.images_per_batch // world


def _grouped(
    sampled: Iterator[tuple[PlannedImage, ImageSample | str]],
    training_set: TrainingSet,
    plan: BatchPlan,
    steps: range,
    share: int,
) -> Iterator[TrainingBatch]:
    for step in steps:
        group = [next(sampled) for _ in range(share)]
        yield TrainingBatch(
            step=step,
            epoch=plan.at(step * plan.images_per_batch).epoch,
            samples=tuple(one for _, one in group if isinstance(one, ImageSample)),
            unreadable=tuple((training_set.images[at.index], one) for at, one in group if isinstance(one, str)),
        )
