"""Packing the regions of a stream of images into batches of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """Regions `start` … `stop` − 1 of an image."""

    image: int
    start: int
    stop: int


@dataclass(frozen=True)
class Batch:
    """Regions for one pass of the network.

    Attributes:
        pieces: in the order of images; empty only if no image has regions left.
        finished: images, in order, whose regions are all classified once this batch is.
    """

    pieces: tuple[Piece, ...]
    finished: tuple[int, ...]


def plan_batches(counts: Iterable[tuple[int, int] | None], batch_size: int) -> Iterator[Batch]:
    """Fill batches to the brim, across images; only the last, and the last before a None, may be smaller.

    Args:
        counts: (image, number of its regions), consumed only as far as the next batch needs; a number may be 0. None:
            what follows shares no batch with what came before.
        batch_size: regions in a batch.
    Yields:
        Batches; every image is finished exactly once, in the given order.
    Raises:
        ValueError: if batch_size is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
    pieces: list[Piece] = []
    finished: list[int] = []
    room = batch_size
    for one in counts:
        if one is None:
            if pieces or finished:
                yield Batch(tuple(pieces), tuple(finished))
            pieces, finished, room = [], [], batch_size
            continue
        image, count = one
        start = 0
        while count - start >= room:
            pieces.append(Piece(image, start, start + room))
            start += room
            done = [*finished, image] if start == count else finished
            yield Batch(tuple(pieces), tuple(done))
            pieces, finished, room = [], [], batch_size
        if start < count:
            pieces.append(Piece(image, start, count))
            room -= count - start
        if start < count or count == 0:
            finished.append(image)
    if pieces or finished:
        yield Batch(tuple(pieces), tuple(finished))
