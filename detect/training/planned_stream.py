"""A plan's batches in order, made by threads that stay ahead of the network, whatever a sample is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from detect.prepared_images import work_ahead
from detect.training.batch_plan import BatchPlan, PlannedImage
from detect.training.region_samples import Sample, TrainingBatch


@dataclass(frozen=True)
class Share:
    """What one process makes of a run's batches: of steps first_step … last_step − 1, its own slots.

    Attributes:
        rank, world: this process is number `rank` of `world`; slots rank · I / world … of the I images are its own.
        workers: threads; they are ahead of the reader by one batch.
    Raises:
        ValueError: if a step, or a rank, is impossible whatever the plan.
    """

    first_step: int
    last_step: int
    rank: int = 0
    world: int = 1
    workers: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.first_step <= self.last_step:
            raise ValueError(
                f"first_step: expected 0 <= first_step <= last_step, got {self.first_step}, {self.last_step}"
            )
        if not 0 <= self.rank < max(1, self.world):  # `images_of` tells of an impossible world
            raise ValueError(f"rank: expected 0..{self.world - 1}, got {self.rank}")

    def images_of(self, plan: BatchPlan) -> int:
        """How many images of each batch fall to this process.

        Raises:
            ValueError: if they cannot be divided.
        """
        if self.world < 1 or plan.images_per_batch % self.world:
            raise ValueError(
                f"world: expected a divisor of images_per_batch ({plan.images_per_batch}), got {self.world}"
            )
        return plan.images_per_batch // self.world


@contextmanager
def planned_batches(
    sample: Callable[[PlannedImage, int], Sample | str],
    images: Sequence[Path],
    plan: BatchPlan,
    share: Share,
) -> Iterator[Iterator[TrainingBatch[Sample]]]:
    """A process's share of a run's batches.

    Args:
        sample: an image of the plan and its slot → its sample, or in one sentence why there is none; called from
            several threads. If it depends on these two alone, what is in a batch depends on the plan and the step
            alone: neither on where the run began, nor on `workers`; and the shares of all processes together are the
            batch of one process.
        images: the training set's files.
    Yields:
        An iterator, to be used inside the `with` statement.
    Raises:
        ValueError: if the number of processes or threads is impossible.
    """
    count = share.images_of(plan)

    def sample_number(number: int) -> tuple[PlannedImage, Sample | str]:
        step, offset = divmod(number, count)
        slot = share.rank * count + offset
        planned = plan.at(step * plan.images_per_batch + slot)
        return planned, sample(planned, slot)

    numbers = range(share.first_step * count, share.last_step * count)
    with work_ahead(sample_number, numbers, workers=share.workers, ahead=count + share.workers) as sampled:
        yield _grouped(sampled, images, plan, range(share.first_step, share.last_step), count)


def check_batch_size(plan: BatchPlan, images_per_batch: int) -> None:
    """Raises ValueError if settings and plan speak of batches of different sizes."""
    if plan.images_per_batch != images_per_batch:
        raise ValueError(f"images_per_batch: expected the plan's {plan.images_per_batch}, got {images_per_batch}")


def _grouped(
    sampled: Iterator[tuple[PlannedImage, Sample | str]],
    images: Sequence[Path],
    plan: BatchPlan,
    steps: range,
    count: int,
) -> Iterator[TrainingBatch[Sample]]:
    for step in steps:
        group = [next(sampled) for _ in range(count)]
        yield TrainingBatch(
            step=step,
            epoch=plan.at(step * plan.images_per_batch).epoch,
            samples=tuple(one for _, one in group if not isinstance(one, str)),
            unreadable=tuple((images[at.index], one) for at, one in group if isinstance(one, str)),
        )
