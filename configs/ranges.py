"""Settings out of range, named as the flags that they come from."""

from __future__ import annotations

import math
from collections.abc import Sequence


def check_least(flag: str, value: int | None, least: int) -> None:
    """Raises ValueError if a value is given and below `least`."""
    if value is not None and value < least:
        raise ValueError(f"--{flag}: expected at least {least}, got {value}")


def check_choice(flag: str, value: str, choices: Sequence[str]) -> None:
    """Raises ValueError if a value is none of the choices."""
    if value not in choices:
        raise ValueError(f"--{flag}: expected one of {', '.join(choices)}, got {value!r}")


def check_range(
    name: str, value: float, *, above: float | None = None, least: float | None = None, most: float = math.inf
) -> None:
    """Raises ValueError if a value is not finite, not above or at least a bound, or more than another."""
    low = above is None or value > above
    at_least = least is None or value >= least
    if not (math.isfinite(value) and low and at_least and value <= most):
        wanted = f"above {above}" if above is not None else f"from {least}"
        wanted += f" to {most}" if math.isfinite(most) else " on"
        raise ValueError(f"{name}: expected a finite number {wanted}, got {value}")
