"""Selective search: boxes where an object might be, from the hierarchical grouping of superpixels.

After Uijlings et al., Selective search for object recognition (IJCV 2013), with the settings of the authors'
release, and GoogLeNet's enlarged superpixels as a factor. One file per step: `search_scale`, `colour_images`,
`graph_segmentation`, `texture`, `region_features`, `grouping`, `ranking`.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from proposals.colour_images import colour_image, smoothed
from proposals.diversity import MODES, Diversity, is_above_0
from proposals.graph_segmentation import grow_fragments, join_fragments
from proposals.grouping import group
from proposals.pixel_edges import sort_edges
from proposals.proposals import Proposals
from proposals.ranking import rank
from proposals.region_features import Regions, added_up, common_pieces, make_regions, measure
from proposals.search_scale import MOST_PIXELS, boxes_at_size, resized, search_size
from proposals.texture import texture_bins

Task = TypeVar("Task")
Result = TypeVar("Result")


def selective_search(
    image_rgb: NDArray[np.uint8],
    mode: str | Diversity = "balanced",
    *,
    superpixel_scale: float = 1.0,
    seed: int = 0,
    search_width: int | None = 500,
    min_side: int = 20,
    workers: int = 1,
) -> Proposals:
    """Class-agnostic boxes where an object might be, best first.

    Args:
        image_rgb: (H, W, 3) uint8 RGB, at least 1 x 1; any strides; not changed.
        mode: the authors' settings (IJCV table 5, and their release): "single" (HSV, colour + texture + size
            + fill, k = 100), "fast" (HSV and Lab, with and without colour, k = 50, 100: 8 hierarchies) or
            "quality" (five colour spaces, four strategies, k = 50, 100, 150, 300: 80 hierarchies); or "balanced",
            which is "fast" with k = 50, 150, 450 (12 hierarchies): slightly fewer boxes, which overlap objects
            better from the first few hundred on. Or a `Diversity` of your own.
        superpixel_scale: factor on k and on the smallest superpixel, min_size = k pixels; GoogLeNet: 2, which
            halves the number of boxes.
        seed: of the ranking; it changes the order of the boxes, never which boxes there are.
        search_width: pixels that the picture is resized to before the search, up or down, as R-CNN did (one
            more than 4 times as high as wide is searched narrower, see `search_size`); None searches it as is.
        min_side: boxes narrower or lower than this at the searched size are dropped (R-CNN: 20 pixels).
        workers: threads, over colour spaces, then hierarchies; the result is the same for any number.
    Returns:
        Proposals in pixels of `image_rgb`, continuous edges. Scores are minus the random priorities of IJCV
        section 4.2 and mean nothing beyond their order. Always at least one: the whole image with score 0
        when no box reaches min_side.
    Raises:
        ValueError: naming the argument that is not as above.

    Time and memory grow in proportion to the pixels searched in photos; in pictures of one background around
    thousands of separate spots, and in noise, time grows faster (see `grouping`).
    """
    _check(image_rgb, mode, superpixel_scale, seed, search_width, min_side, workers)
    size = (image_rgb.shape[0], image_rgb.shape[1])
    searched_size = search_size(size, search_width)
    if searched_size[0] * searched_size[1] > MOST_PIXELS:
        raise ValueError(f"image_rgb: expected at most {MOST_PIXELS} pixels to search, got {searched_size}")
    diversity = mode if isinstance(mode, Diversity) else MODES[mode]
    hierarchies = _hierarchies(resized(image_rgb, searched_size), diversity, superpixel_scale, workers)
    boxes, priorities = rank(hierarchies, min_side, np.random.default_rng(seed))
    if len(boxes) == 0:
        boxes = np.array([[0, 0, searched_size[1] - 1, searched_size[0] - 1]], np.int32)
        priorities = np.zeros(1)
    return Proposals(boxes_at_size(boxes, searched_size, size), -priorities.astype(np.float32))


def _hierarchies(
    image_rgb: NDArray[np.uint8], diversity: Diversity, superpixel_scale: float, workers: int
) -> list[NDArray[np.int32]]:
    """The boxes of every hierarchy: colour spaces outermost, then k, then strategies."""
    ks = [k * float(superpixel_scale) for k in diversity.ks]
    superpixels = _map(lambda colour: _superpixels(image_rgb, colour, ks), diversity.colours, workers)
    tasks = [(regions, strategy) for each in superpixels for regions in each for strategy in diversity.strategies]
    return _map(lambda task: group(*task)[0], tasks, workers)


def _superpixels(image_rgb: NDArray[np.uint8], colour: str, ks: list[float]) -> list[Regions]:
    """The superpixels of one colour space at every scale k."""
    image = colour_image(image_rgb, colour)
    fragments = grow_fragments(sort_edges(smoothed(image)), min(ks))
    pixels = image.shape[0] * image.shape[1]
    scales = [join_fragments(fragments, k, round(min(k, pixels))) for k in ks]
    pieces, count = common_pieces([superpixels.of_fragment for superpixels in scales])
    measures = measure(pieces[fragments.labels], count, image, texture_bins(image))
    found = []
    for superpixels in scales:
        of_piece = np.empty(count, np.int32)
        of_piece[pieces] = superpixels.of_fragment
        found.append(make_regions(added_up(measures, of_piece, superpixels.count), superpixels.pairs))
    return found


def _map(function: Callable[[Task], Result], tasks: Iterable[Task], workers: int) -> list[Result]:
    """Results in the order of the tasks. Threads do: the kernels run without the interpreter lock."""
    if workers == 1:
        return [function(task) for task in tasks]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, tasks))


def _check(
    image_rgb: object,
    mode: object,
    superpixel_scale: object,
    seed: object,
    search_width: object,
    min_side: object,
    workers: object,
) -> None:
    if not isinstance(image_rgb, np.ndarray):
        raise ValueError(f"image_rgb: expected a uint8 array (H, W, 3), got {type(image_rgb).__name__}")
    if image_rgb.dtype != np.uint8 or image_rgb.ndim != 3 or image_rgb.shape[2] != 3 or image_rgb.size == 0:
        raise ValueError(f"image_rgb: expected uint8 (H, W, 3), got {image_rgb.dtype} {image_rgb.shape}")
    if not isinstance(mode, Diversity) and (not isinstance(mode, str) or mode not in MODES):
        raise ValueError(f"mode: expected one of {', '.join(MODES)}, got {mode!r}")
    if not is_above_0(superpixel_scale):
        raise ValueError(f"superpixel_scale: expected a finite number above 0, got {superpixel_scale!r}")
    _check_whole("seed", seed, 0)
    if search_width is not None:
        _check_whole("search_width", search_width, 1)
    _check_whole("min_side", min_side, 1)
    _check_whole("workers", workers, 1)


def _check_whole(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name}: expected a whole number of at least {least}, got {value!r}")
