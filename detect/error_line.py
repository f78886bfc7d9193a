"""An unexpected error of one image as a line of its record."""

from __future__ import annotations


def error_line(error: Exception, doing: str) -> str:
    """`ValueError in proposing: what it says`, on one line."""
    return " ".join(f"{type(error).__name__} in {doing}: {error}".split())
