"""Step 5 of selective search: merge the two most similar neighbours until one is left (IJCV algorithm 1)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from proposals.compiled import kernel
from proposals.region_features import COLOUR_BINS, Regions
from proposals.texture import BINS

STRATEGIES = ("CTSF", "TSF", "F", "S")
ONE = 1 << 23  # a share of 1 in a histogram; whole numbers, so that sums depend neither on order nor on machine


class _Nodes(NamedTuple):
    """All regions of the hierarchy, leaves first, then merged ones; and which terms are summed."""

    sizes: NDArray[np.int32]  # (2n-1,) pixels
    boxes: NDArray[np.int32]  # (2n-1, 4) inclusive
    counts: NDArray[np.int32]  # (2n-1, F) pixels per bin, of colours first, then of textures; only terms in use
    shares: NDArray[np.int32]  # as counts, over the size, in steps of 1 / ONE
    colour_bins: int  # how many of the F are colours
    colour_total: float  # the sum of one region's colour shares, but for rounding: channels * ONE
    texture_total: float  # likewise, channels * 8 orientations * ONE
    image_area: float
    use_size: bool
    use_fill: bool


def group(regions: Regions, strategy: str) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The hierarchy of merged regions.

    The similarity of two regions is the plain sum of the strategy's terms (IJCV section 3.2): C and T, the
    intersections of the colour and of the texture histograms, normalised to sum 1 (each count times 2^23 / size, in
    float64, is rounded down: a sum may fall short of 1 by a step of 2^-23 for each bin); S, 1 - (size a + size b) /
    image; F, 1 - (joint bounding box - size a - size b) / image. Of equally similar pairs the one with the smaller
    first region goes first, then the one with the smaller second.

    Args:
        regions: n superpixels; n = 1 merges nothing. The pairs must connect them all.
        strategy: "CTSF", "TSF", "F" or "S".
    Returns:
        boxes, (2n - 1, 4) int32 inclusive pixel boxes: first the superpixels, then the merged regions in the
        order in which they were made; the last is the whole image. And merges, (n - 1, 2) int32: row t holds
        the two parts of region n + t, smaller first.
    Raises:
        ValueError: for another strategy.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy: expected one of {', '.join(STRATEGIES)}, got {strategy!r}")
    nodes = _nodes(regions, strategy)
    first, second = np.ascontiguousarray(regions.pairs.T, dtype=np.int64)
    return nodes.boxes, _group(nodes, len(regions.sizes), first, second)


def _nodes(regions: Regions, strategy: str) -> _Nodes:
    """Room for the whole hierarchy, with the counts of the leaves filled in."""
    leaves = len(regions.sizes)
    none = np.zeros((leaves, 0), np.int32)
    colours = regions.colours if "C" in strategy else none
    textures = regions.textures if "T" in strategy else none
    counts = _with_room(np.concatenate((colours, textures), axis=1))
    return _Nodes(
        sizes=_with_room(regions.sizes),
        boxes=_with_room(regions.boxes),
        counts=counts,
        shares=np.empty_like(counts),
        colour_bins=colours.shape[1],
        colour_total=float(colours.shape[1] // COLOUR_BINS * ONE),
        texture_total=float(textures.shape[1] // BINS * ONE),
        image_area=float(regions.image_area),
        use_size="S" in strategy,
        use_fill="F" in strategy,
    )


def _with_room(leaves: NDArray[np.int32]) -> NDArray[np.int32]:
    """The rows of n leaves, followed by room for the n - 1 regions that they merge to."""
    roomy = np.empty((2 * len(leaves) - 1, *leaves.shape[1:]), np.int32)
    roomy[: len(leaves)] = leaves
    return roomy


@kernel
def _group(nodes: _Nodes, leaves: int, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int32]:
    """Fill in the merged nodes; returns the (leaves - 1, 2) merges. `first`, `second`: the touching pairs.

    The queue is a binary heap of pairs; one that names a region since merged away is skipped when its turn
    comes. Each region's neighbours are a chain of links, in which such regions are skipped likewise. Both are rid of
    them when they are full, so memory stays in proportion to the pairs that touch. Time does not in every picture: a
    region that touches m others is compared with them anew each time that one of them joins it, m^2 / 2 in all.
    """
    total = 2 * leaves - 1
    for leaf in range(leaves):
        _normalise(nodes, leaf)
    similarities, queue = np.empty(2 * first.size + 64, np.float64), np.empty(2 * first.size + 64, np.int64)
    chains = np.full(total, -1, np.int32)  # each region's first link
    links = np.empty(8 * first.size + 64, np.int32)  # neighbour, next link, neighbour, next link, ...
    queued = linked = 0
    for pair in range(first.size):
        a, b = first[pair], second[pair]
        queued = _push(similarities, queue, queued, _similarity(nodes, a, b), _code(a, b))
        linked = _link(chains, links, linked, a, b)

    merges = np.empty((leaves - 1, 2), np.int32)
    seen = np.full(total, -1, np.int32)  # the last node that met a region; total once it is merged away
    neighbours = np.empty(total, np.int64)
    for node in range(leaves, total):
        a, b = _parts(queue[0])
        queued = _pop(similarities, queue, queued)
        while seen[a] == total or seen[b] == total:
            a, b = _parts(queue[0])
            queued = _pop(similarities, queue, queued)
        merges[node - leaves, 0], merges[node - leaves, 1] = a, b
        seen[a] = seen[b] = total
        _merge(nodes, a, b, node)

        found = _collect(chains[a], links, seen, node, neighbours, 0)
        found = _collect(chains[b], links, seen, node, neighbours, found)
        if queued + found > queue.size:
            queued = _drop_merged(similarities, queue, queued, seen, total)
            if 2 * (queued + found) > queue.size:
                similarities, queue = _grown(similarities, found), _grown(queue, found)
        if linked + 4 * found > links.size:
            links, linked = _relinked(chains, links, seen, node, total)
            if 2 * (linked + 4 * found) > links.size:
                links = _grown(links, 4 * found)
        for position in range(found):
            other = neighbours[position]
            queued = _push(similarities, queue, queued, _similarity(nodes, other, node), _code(other, node))
            linked = _link(chains, links, linked, other, node)
    return merges


@kernel
def _normalise(nodes: _Nodes, node: int) -> None:
    scale = ONE / nodes.sizes[node]
    counts, shares = nodes.counts[node], nodes.shares[node]
    for f in range(counts.size):
        shares[f] = np.int32(counts[f] * scale)


@kernel
def _merge(nodes: _Nodes, a: int, b: int, node: int) -> None:
    nodes.sizes[node] = nodes.sizes[a] + nodes.sizes[b]
    for corner in range(2):
        nodes.boxes[node, corner] = min(nodes.boxes[a, corner], nodes.boxes[b, corner])
        nodes.boxes[node, corner + 2] = max(nodes.boxes[a, corner + 2], nodes.boxes[b, corner + 2])
    p, q, joint = nodes.counts[a], nodes.counts[b], nodes.counts[node]
    for f in range(joint.size):
        joint[f] = p[f] + q[f]
    _normalise(nodes, node)


@kernel
def _similarity(nodes: _Nodes, a: int, b: int) -> float:
    similarity = 0.0
    if nodes.colour_bins:
        similarity += _intersection(nodes.shares, a, b, 0, nodes.colour_bins) / nodes.colour_total
    if nodes.shares.shape[1] > nodes.colour_bins:
        similarity += _intersection(nodes.shares, a, b, nodes.colour_bins, nodes.shares.shape[1]) / nodes.texture_total
    size = nodes.sizes[a] + nodes.sizes[b]
    if nodes.use_size:
        similarity += 1.0 - size / nodes.image_area
    if nodes.use_fill:
        wide = max(nodes.boxes[a, 2], nodes.boxes[b, 2]) - min(nodes.boxes[a, 0], nodes.boxes[b, 0]) + 1
        high = max(nodes.boxes[a, 3], nodes.boxes[b, 3]) - min(nodes.boxes[a, 1], nodes.boxes[b, 1]) + 1
        similarity += 1.0 - (wide * high - size) / nodes.image_area
    return similarity


@kernel
def _intersection(shares: NDArray[np.int32], a: int, b: int, start: int, stop: int) -> int:
    total = np.int32(0)  # at most 24 orientations * ONE; kept at 32 bits, twice as many fit a vector register
    for f in range(start, stop):
        total = np.int32(total + min(shares[a, f], shares[b, f]))
    return int(total)


@kernel
def _code(a: int, b: int) -> int:
    """One number for a pair; smaller for a smaller first, then for a smaller second region."""
    return (a << 32) | b


@kernel
def _parts(code: int) -> tuple[int, int]:
    return code >> 32, code & 0xFFFFFFFF


@kernel
def _collect(
    link: int,
    links: NDArray[np.int32],
    seen: NDArray[np.int32],
    node: int,
    neighbours: NDArray[np.int64],
    found: int,
) -> int:
    """Append a chain's living regions, each once per node, to neighbours[:found]; returns the new number."""
    while link >= 0:
        other = links[link]
        if seen[other] < node:
            seen[other] = node
            neighbours[found] = other
            found += 1
        link = links[link + 1]
    return found


@kernel
def _link(chains: NDArray[np.int32], links: NDArray[np.int32], linked: int, a: int, b: int) -> int:
    """Make two regions neighbours of each other; returns how much of `links` is in use."""
    links[linked], links[linked + 1] = b, chains[a]
    links[linked + 2], links[linked + 3] = a, chains[b]
    chains[a], chains[b] = linked, linked + 2
    return linked + 4


@kernel
def _relinked(
    chains: NDArray[np.int32], links: NDArray[np.int32], seen: NDArray[np.int32], nodes: int, merged: int
) -> tuple[NDArray[np.int32], int]:
    """New links of the first `nodes` regions without those that were merged away, and how many places they take."""
    fresh = np.empty_like(links)
    linked = 0
    for region in range(nodes):
        link = chains[region]
        chains[region] = -1
        while link >= 0 and seen[region] != merged:
            if seen[links[link]] != merged:
                fresh[linked], fresh[linked + 1] = links[link], chains[region]
                chains[region] = linked
                linked += 2
            link = links[link + 1]
    return fresh, linked


@kernel
def _drop_merged(
    similarities: NDArray[np.float64],
    queue: NDArray[np.int64],
    queued: int,
    seen: NDArray[np.int32],
    merged: int,
) -> int:
    """Take pairs of regions merged away out of the heap; returns the new number. No two pairs rank alike, so the
    order in which the others come out does not change."""
    kept = 0
    for slot in range(queued):
        a, b = _parts(queue[slot])
        if seen[a] != merged and seen[b] != merged:
            kept = _push(similarities, queue, kept, similarities[slot], queue[slot])
    return kept


@kernel
def _grown(values: NDArray[Any], more: int) -> NDArray[Any]:
    """A copy with at least double the room."""
    grown = np.empty(2 * values.size + more, values.dtype)
    grown[: values.size] = values
    return grown


@kernel
def _push(
    similarities: NDArray[np.float64], queue: NDArray[np.int64], queued: int, similarity: float, code: int
) -> int:
    """Add a pair to the heap; returns the new number."""
    slot = queued
    while slot > 0:
        above = (slot - 1) >> 1
        if not _goes_first(similarity, code, similarities[above], queue[above]):
            break
        similarities[slot], queue[slot] = similarities[above], queue[above]
        slot = above
    similarities[slot], queue[slot] = similarity, code
    return queued + 1


@kernel
def _pop(similarities: NDArray[np.float64], queue: NDArray[np.int64], queued: int) -> int:
    """Drop the first pair from the heap; returns the new number."""
    last = queued - 1
    similarity, code = similarities[last], queue[last]
    slot, below = 0, 1
    while below < last:
        beside = below + 1
        if beside < last and _goes_first(similarities[beside], queue[beside], similarities[below], queue[below]):
            below = beside
        if _goes_first(similarity, code, similarities[below], queue[below]):
            break
        similarities[slot], queue[slot] = similarities[below], queue[below]
        slot, below = below, 2 * below + 1
    similarities[slot], queue[slot] = similarity, code
    return last


@kernel
def _goes_first(similarity: float, code: int, other_similarity: float, other_code: int) -> bool:
    return similarity > other_similarity or (similarity == other_similarity and code < other_code)
