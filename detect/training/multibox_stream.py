"""The batches of a MultiBox run in order: images decoded, cropped and squashed by threads that stay ahead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import NDArray

from detect.image_decoding import ImageError, decode_image
from detect.training.batch_plan import BatchPlan, PlannedImage
from detect.training.multibox_samples import SIZE, MultiBoxSample
from detect.training.multibox_sampling import ViewSettings, boxes_in_view, sample_view
from detect.training.planned_stream import Share, check_batch_size, planned_batches
from detect.training.region_samples import TrainingBatch
from detect.training.training_set import IGNORED, TrainingSet
from proposals.multibox_input import squash

VIEWS = 2  # the generator of an image's view, beside those of the images' order and of their regions


def multibox_batches(
    training_set: TrainingSet,
    plan: BatchPlan,
    settings: ViewSettings,
    share: Share,
    *,
    seed: int,
    unannotated: float = 1.0,
    size: int = SIZE,
) -> AbstractContextManager[Iterator[TrainingBatch[MultiBoxSample]]]:
    """A process's share of a run's batches, as `planned_batches` divides and orders them.

    What is in a batch depends on `seed`, the plan and the step alone. An image that cannot be read is missing from its
    batch, which says why. MultiBox knows no classes: every object with a target is one, those outside the class space
    too. An ignored one is not, and a prediction on it is as wrong as elsewhere in the image.

    Args:
        seed: of crops, flips and distortion.
        unannotated: see `negative_weights`.
        size: of the squashed images.
    Returns:
        A context, whose iterator is to be used inside the `with` statement.
    Raises:
        ValueError: on entry, if the number of processes or threads is impossible; at once, if the settings' batches
            are not the plan's.
    """
    check_batch_size(plan, settings.images_per_batch)
    negatives = negative_weights(training_set, unannotated).tolist()

    def sample(planned: PlannedImage, slot: int) -> MultiBoxSample | str:
        return sample_image_view(training_set, planned, slot, negatives[planned.index], settings, seed=seed, size=size)

    return planned_batches(sample, training_set.images, plan, share)


def sample_image_view(
    training_set: TrainingSet,
    planned: PlannedImage,
    slot: int,
    negatives: float,
    settings: ViewSettings,
    *,
    seed: int,
    size: int,
) -> MultiBoxSample | str:
    """Decode an image, draw a view of it and squash that; or, in one sentence, why that is impossible."""
    path = training_set.images[planned.index]
    try:
        image = decode_image(path)
    except ImageError as error:
        return str(error)
    boxes, targets = training_set.objects(planned.index)
    objects, image_size = boxes[targets != IGNORED], (image.shape[0], image.shape[1])
    view = sample_view(objects, image_size, settings, np.random.default_rng([seed, VIEWS, *planned.seed]))
    x1, y1, x2, y2 = view.crop
    pixels = squash(image[y1:y2, x1:x2], size)
    return MultiBoxSample(
        index=planned.index,
        slot=slot,
        path=path,
        image=pixels.flip(2) if view.flipped else pixels,
        boxes=boxes_in_view(objects, image_size, view),
        negatives=negatives,
        distortion=view.distortion,
    )


def negative_weights(training_set: TrainingSet, unannotated: float) -> NDArray[np.float32]:
    """(I,) how wrong a prediction is where an image has no box.

    1 where an image is annotated exhaustively for all classes; `unannotated` where it is for two classes or more: what
    has no box there may be of another class. 0 where it is annotated for one class of many (CLS-LOC), or for none: such
    an image has other objects without boxes as a rule.
    """
    classes = len(training_set.classes)
    covered = (~training_set.allowed[:, :-1]).sum(axis=1)[training_set.background]
    weights = np.where(covered >= min(2, classes), unannotated, 0.0)
    return np.where(covered == classes, 1.0, weights).astype(np.float32)
