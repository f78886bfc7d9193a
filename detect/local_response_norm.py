"""Local response normalisation across channels, as Caffe computes it, at a fraction of the stock cost."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def local_response_norm(
    features: Tensor, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divide each value by (k + alpha / size · sum of squares over `size` neighbouring channels) ** beta.

    The stock `torch.nn.functional.local_response_norm` pads, transposes and average-pools in three dimensions
    and raises to a general power. Here the window is a sum of shifted channel slices, and for the published
    beta = 0.75 the power is two square roots: x ** -0.75 = rsqrt(x · sqrt(x)). Squares and sums are taken
    in float32 also when the features are bfloat16, whose 8 bits cannot hold 1 + 1e-5 (float64 stays float64).

    Args:
        features: (N, C, H, W), any float type and memory format; N may be 0.
        size: odd number of channels in the window; beyond the first and last channel there are zeros.
        alpha: divided by `size`, as in Caffe and torch.
    Returns:
        New tensor, same shape, type and memory format.
    Raises:
        ValueError: if `features` is not four-dimensional or `size` is even or below 1.
    Source: Krizhevsky et al. 2012, section 3.3, with Caffe's division of alpha by the window's size.
    """
    if features.ndim != 4:
        raise ValueError(f"features: expected (N, C, H, W), got {tuple(features.shape)}")
    if size % 2 == 0 or size < 1:
        raise ValueError(f"size: expected an odd number of channels, got {size}")
    if features.device.type != "cpu" or torch.is_grad_enabled() or len(features) < 2:
        return _normalise(features, size, alpha, beta, k)
    # One image at a time, the five temporaries stay in the cache and are not paged in anew by the allocator.
    output = torch.empty_like(features)
    for index in range(len(features)):
        output[index : index + 1] = _normalise(features[index : index + 1], size, alpha, beta, k)
    return output


def _normalise(features: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    squares = features.to(torch.promote_types(features.dtype, torch.float32)).square()
    base = squares.clone(memory_format=torch.preserve_format)
    for shift in range(1, size // 2 + 1):
        base[:, shift:] += squares[:, :-shift]
        base[:, :-shift] += squares[:, shift:]
    base = base.mul(alpha / size).add_(k)
    scale = (base.sqrt() * base).rsqrt_() if beta == 0.75 else base.pow(-beta)
    return (features * scale).to(features.dtype)


class LocalResponseNorm(nn.Module):
    """`local_response_norm` with GoogLeNet's constants (BVLC: size 5, alpha 1e-4, beta 0.75, k 1)."""

    def forward(self, features: Tensor) -> Tensor:
        return local_response_norm(features)
