"""What `propose` runs: every setting of a proposal run, with its unit and the papers' values."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from configs.ranges import check_choice, check_least

if TYPE_CHECKING:  # numba takes most of a second to import; `--help` must not
    from proposals.proposals import Proposer

METHODS = ("selective_search", "multibox", "both")
MODES = ("single", "fast", "balanced", "quality")  # of selective search


@dataclass(frozen=True)
class ProposeConfig:
    """A proposal run; the command line's flags have the same names.

    Attributes:
        method: selective_search; multibox and both are not built yet. GoogLeNet: both.
        mode: of selective search; None: its own default. IJCV: fast has 8 hierarchies, quality 80;
            ours, balanced, 12.
        superpixel_scale: GoogLeNet: 2; the authors of selective search: 1.
        limit: boxes an image, best first; None: all. R-CNN: all, 2403 an image on ILSVRC.
        seed: of the ranking.
        search_width: pixels that an image is resized to before the search, R-CNN: 500; None: searched as it is.
        min_side: pixels at the searched size that a box is wide and high at least, R-CNN: 20.
        workers: threads over images; where there are fewer, each image gets workers // images; None: one per core, at
            most 16. The result does not depend on it.
    Raises:
        ValueError: naming the flag that is out of range.
    """

    method: str = "selective_search"
    mode: str | None = None
    superpixel_scale: float = 1.0
    limit: int | None = None
    seed: int = 0
    search_width: int | None = 500
    min_side: int = 20
    workers: int | None = None

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        if self.method != "selective_search":
            raise ValueError(f"--method: expected selective_search (MultiBox is not built yet), got {self.method!r}")
        if self.mode is not None:
            check_choice("mode", self.mode, MODES)
        if not (math.isfinite(self.superpixel_scale) and self.superpixel_scale > 0):
            raise ValueError(f"--superpixel-scale: expected a finite number above 0, got {self.superpixel_scale}")
        check_least("limit", self.limit, 1)
        check_least("seed", self.seed, 0)
        check_least("search-width", self.search_width, 1)
        check_least("min-side", self.min_side, 1)
        check_least("workers", self.workers, 1)


def search_mode(config: ProposeConfig) -> str:
    """The mode that is searched in: the configuration's, or else the default of selective search."""
    from proposals import selective_search

    return config.mode or str(inspect.signature(selective_search).parameters["mode"].default)


def build_image_proposer(config: ProposeConfig, workers: int = 1) -> Proposer:
    """Image → its best proposals.

    Args:
        workers: threads inside one image.
    """
    from proposals import selective_search

    search = partial(
        selective_search,
        mode=search_mode(config),
        superpixel_scale=config.superpixel_scale,
        seed=config.seed,
        search_width=config.search_width,
        min_side=config.min_side,
        workers=workers,
    )
    return lambda image: search(image).best(config.limit)
