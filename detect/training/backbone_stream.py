"""The batches of a classification run in order: images decoded, cropped and resized by threads that stay ahead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detect.image_decoding import ImageError
from detect.training.backbone_samples import ClassSample, ClassView
from detect.training.batch_plan import BatchPlan, PlannedImage
from detect.training.batch_stream import random_distortion
from detect.training.labelled_set import LabelledSet
from detect.training.planned_stream import Share, check_batch_size, planned_batches
from detect.training.random_crops import random_crop_of_aspect
from detect.training.region_samples import TrainingBatch

CLASS_VIEWS = 3  # the generator of an image's view, beside those of the images' order, regions and MultiBox's views
INTERPOLATIONS = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
}


class ClassViewSettings(Protocol):
    """See `configs.backbone_training.ViewConfig`."""

    @property
    def images_per_batch(self) -> int: ...
    @property
    def crop_area(self) -> tuple[float, float]: ...
    @property
    def crop_aspect(self) -> tuple[float, float]: ...
    @property
    def interpolations(self) -> Sequence[str]: ...
    @property
    def flip(self) -> bool: ...
    @property
    def photometric(self) -> float: ...


def backbone_batches(
    training_set: LabelledSet,
    plan: BatchPlan,
    settings: ClassViewSettings,
    share: Share,
    *,
    size: int,
    seed: int,
) -> AbstractContextManager[Iterator[TrainingBatch[ClassSample]]]:
    """A process's share of a run's batches, as `planned_batches` divides and orders them.

    What is in a batch depends on `seed`, the plan and the step alone. An image that cannot be read is missing from its
    batch, which says why.

    Args:
        size: of the views: a side in pixels.
        seed: of crops, interpolation, flips and distortion.
    Returns:
        A context, whose iterator is to be used inside the `with` statement.
    Raises:
        ValueError: on entry, if the number of processes or threads is impossible; at once, if the settings' batches
            are not the plan's.
    """
    check_batch_size(plan, settings.images_per_batch)

    def sample(planned: PlannedImage, slot: int) -> ClassSample | str:
        return sample_class_view(training_set, planned, slot, settings, seed=seed, size=size)

    return planned_batches(sample, training_set.images, plan, share)


def sample_class_view(
    training_set: LabelledSet, planned: PlannedImage, slot: int, settings: ClassViewSettings, *, seed: int, size: int
) -> ClassSample | str:
    """Decode an image and cut a view of it; or, in one sentence, why that is impossible."""
    path = training_set.images[planned.index]
    try:
        image = training_set.reader.decode(path)
    except ImageError as error:
        return str(error)
    rng = np.random.default_rng([seed, CLASS_VIEWS, *planned.seed])
    view = draw_view((image.shape[0], image.shape[1]), settings, rng)
    return ClassSample(
        index=planned.index,
        slot=slot,
        path=path,
        image=view_pixels(image, view, size),
        label=int(training_set.labels[planned.index]),
        distortion=view.distortion,
    )


def draw_view(image_size: tuple[int, int], settings: ClassViewSettings, rng: np.random.Generator) -> ClassView:
    """A random view after GoogLeNet, section 6: crop, interpolation with equal probabilities, flip, distortion.

    Flip, interpolation and distortion are drawn first, so that they do not depend on how crops are.

    Args:
        image_size: (height, width).
        rng: all that is random comes from it.
    """
    flipped = rng.random() < 0.5 and settings.flip
    interpolation = settings.interpolations[int(rng.integers(len(settings.interpolations)))]
    distortion = random_distortion(settings.photometric, rng)
    crop = random_crop_of_aspect(image_size, settings.crop_area, settings.crop_aspect, rng)
    return ClassView(crop, interpolation, flipped, distortion)


def view_pixels(image: NDArray[np.uint8], view: ClassView, size: int) -> Tensor:
    """The crop of an image (H, W, 3), resized and flipped, not distorted: new (3, size, size) uint8."""
    x1, y1, x2, y2 = view.crop
    resized = cv2.resize(image[y1:y2, x1:x2], (size, size), interpolation=INTERPOLATIONS[view.interpolation])
    pixels = torch.from_numpy(np.asarray(resized, np.uint8)).permute(2, 0, 1)
    return pixels.flip(2) if view.flipped else pixels
