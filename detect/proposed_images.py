"""From paths to proposals: several images at a time, results in source order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from detect.image_sources import SourceImage
from detect.prepared_images import prepare, work_ahead
from proposals.proposals import Proposals, Proposer

AHEAD = 4  # results that may wait for a slow image, per worker; they hold boxes, not pixels


@dataclass(frozen=True)
class ProposedImage:
    """What became of one image.

    Attributes:
        size: (height, width) in pixels; None if it could not be read.
        proposals: None if there is an error.
        error: one sentence, or None.
        seconds: by stage: decode, propose.
    """

    source: SourceImage
    size: tuple[int, int] | None
    proposals: Proposals | None
    error: str | None
    seconds: dict[str, float]


def propose_images(
    build_proposer: Callable[[int], Proposer], sources: Sequence[SourceImage], *, workers: int
) -> Iterator[ProposedImage]:
    """Results for `sources`, in order; memory does not grow with their number.

    Args:
        build_proposer: the number of threads inside one image → proposer; its results must not depend on it.
        workers: threads in all, at most. As many images are searched at a time, each by one thread; with fewer images
            than threads, each by as many as all can have: of 8 threads, 3 images get 2 each.
    Raises:
        ValueError: if workers is below 1.
    """
    if workers < 1:
        raise ValueError(f"workers: expected at least 1, got {workers}")
    together = max(1, min(workers, len(sources)))
    proposer = build_proposer(workers // together)
    with work_ahead(
        lambda source: _propose(source, proposer), sources, workers=together, ahead=AHEAD * together
    ) as results:
        yield from results


def _propose(source: SourceImage, proposer: Proposer) -> ProposedImage:
    prepared = prepare(source, proposer)
    size = None if prepared.image is None else (prepared.image.shape[0], prepared.image.shape[1])
    return ProposedImage(source, size, prepared.proposals, prepared.error, prepared.seconds)
