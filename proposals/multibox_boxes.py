"""MultiBox's boxes: normalised corners, written down as what must be added to a prior."""

from __future__ import annotations

from torch import Tensor


def decode(priors: Tensor, offsets: Tensor) -> Tensor:
    """The boxes that a network means: it learns the residual to a prior (MultiBox), corner by corner.

    Args:
        priors: (K, 4) x1, y1, x2, y2 in units of the image's width and height.
        offsets: (..., K, 4) in the same units.
    Returns:
        New (..., K, 4) normalised corners; not clipped, and a box may come out reversed.
    Raises:
        ValueError: if the shapes do not fit.
    """
    _check(priors, "offsets", offsets)
    return priors + offsets


def encode(priors: Tensor, boxes: Tensor) -> Tensor:
    """Inverse of `decode`: (K, 4) priors and (..., K, 4) boxes → offsets (..., K, 4).

    Raises:
        ValueError: if the shapes do not fit.
    """
    _check(priors, "boxes", boxes)
    return boxes - priors


def _check(priors: Tensor, name: str, values: Tensor) -> None:
    if priors.ndim != 2 or priors.shape[1] != 4:
        raise ValueError(f"priors: expected (K, 4), got {tuple(priors.shape)}")
    if values.ndim < 2 or values.shape[-2:] != priors.shape:
        raise ValueError(f"{name}: expected (..., {len(priors)}, 4), got {tuple(values.shape)}")
