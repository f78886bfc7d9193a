"""Numbers in json that somebody else wrote, checked."""

from __future__ import annotations

import math


def checked_score(value: object, where: str) -> float:
    """A finite number.

    Raises:
        ValueError: for anything else, after `where`.
    """
    if not is_finite_number(value):
        raise ValueError(f"{where}: expected a finite score, got {str(value)[:60]!r}")
    return float(value)  # type: ignore[arg-type]


def checked_box(value: object, what: str, where: str) -> list[float]:
    """Four finite numbers.

    Raises:
        ValueError: for anything else, after `where`, calling them `what`.
    """
    if not isinstance(value, list) or len(value) != 4 or not all(map(is_finite_number, value)):
        raise ValueError(f"{where}: expected four finite numbers as {what!r}, got {str(value)[:60]!r}")
    return [float(one) for one in value]


def is_finite_number(value: object) -> bool:
    """Whether float64 can hold it; json knows NaN, Infinity and whole numbers of any length."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
