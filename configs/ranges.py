"""Settings out of range, named as the flags that they come from."""

from __future__ import annotations

from collections.abc import Sequence


def check_least(flag: str, value: int | None, least: int) -> None:
    """Raises ValueError if a value is given and below `least`."""
    if value is not None and value < least:
        raise ValueError(f"--{flag}: expected at least {least}, got {value}")


def check_choice(flag: str, value: str, choices: Sequence[str]) -> None:
    """Raises ValueError if a value is none of the choices."""
    if value not in choices:
        raise ValueError(f"--{flag}: expected one of {', '.join(choices)}, got {value!r}")
