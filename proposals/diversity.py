"""What selective search varies (IJCV section 3.2): the authors' modes, ours, and anybody's own."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass

from proposals.colour_images import COLOURS
from proposals.grouping import STRATEGIES


def is_above_0(value: object) -> bool:
    """Whether it is a number above 0 that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return False
    try:
        return math.isfinite(value) and float(value) > 0
    except OverflowError:  # of a whole number beyond 1e308
        return False


@dataclass(frozen=True)
class Diversity:
    """What is varied: every strategy groups the superpixels of every scale k in every colour space.

    Attributes:
        colours: of HSV, Lab, rgI, H, I (see `colour_image`).
        strategies: of CTSF, TSF, F, S (see `group`).
        ks: scales of the superpixels (see `segment`), each also the smallest superpixel in pixels; above 0.
    Raises:
        ValueError: if one of them is empty, holds another value, or one twice.
    """

    colours: tuple[str, ...]
    strategies: tuple[str, ...]
    ks: tuple[float, ...]

    def __post_init__(self) -> None:
        for name, values in (("colours", self.colours), ("strategies", self.strategies), ("ks", self.ks)):
            if not isinstance(values, tuple) or not values or len(set(values)) != len(values):
                raise ValueError(f"{name}: expected a tuple of at least one, each once, got {values!r}")
        for name, names, known in (("colours", self.colours, COLOURS), ("strategies", self.strategies, STRATEGIES)):
            if not set(names) <= set(known):
                raise ValueError(f"{name}: expected of {', '.join(known)}, got {names!r}")
        if not all(is_above_0(k) for k in self.ks):
            raise ValueError(f"ks: expected finite numbers above 0, got {self.ks!r}")


MODES = {
    "single": Diversity(("HSV",), ("CTSF",), (100,)),  # 1 hierarchy
    "fast": Diversity(("HSV", "Lab"), ("CTSF", "TSF"), (50, 100)),  # 8
    "balanced": Diversity(("HSV", "Lab"), ("CTSF", "TSF"), (50, 150, 450)),  # 12, ours: decision 0013
    "quality": Diversity(COLOURS, STRATEGIES, (50, 100, 150, 300)),  # 80
}
