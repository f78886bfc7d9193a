"""Local response normalisation across channels, as Caffe computes it, at a fraction of the stock cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from detect.local_response_norm_cpu import DTYPES, normalise_channels_last


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
    if torch.is_grad_enabled() and features.requires_grad:
        output: Tensor = _Differentiable.apply(features, size, alpha, beta, k)
        return output
    return _forward(features, size, alpha, beta, k)


class _Differentiable(torch.autograd.Function):
    """The same with its derivative written out: autograd's own, through the shifted slices, takes ten times as long.

    With b = k + alpha / size · window sum of x², y = x · b ** -beta, and g the gradient of y, that of x is
    g · b ** -beta − 2 · alpha · beta / size · x · window sum of (g · x · b ** (-beta − 1)). Only x is kept.
    """

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx, features: Tensor, size: int, alpha: float, beta: float, k: float
    ) -> Tensor:
        ctx.save_for_backward(features)
        ctx.constants = size, alpha, beta, k  # type: ignore[attr-defined]
        return _forward(features, size, alpha, beta, k)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (features,) = ctx.saved_tensors
        changes = _by_image(lambda x, g: _gradient(x, g, *ctx.constants), features, gradient)
        return changes, None, None, None, None


def _forward(features: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    in_order = features.is_contiguous(memory_format=torch.channels_last) and features.dtype in DTYPES
    if features.device.type == "cpu" and in_order and (size, beta) == (5, 0.75):
        return normalise_channels_last(features.detach(), alpha, k)
    return _by_image(lambda x: _normalise(x, size, alpha, beta, k), features)


def _by_image(operation: Callable[..., Tensor], features: Tensor, *others: Tensor) -> Tensor:
    """`operation(features, *others)`; on a CPU one image at a time.

    The temporaries then stay in the cache and are not paged in anew by the allocator.
    """
    if features.device.type != "cpu" or len(features) < 2:
        return operation(features, *others)
    output = torch.empty_like(features)
    for index in range(len(features)):
        output[index : index + 1] = operation(*(one[index : index + 1] for one in (features, *others)))
    return output


def _normalise(features: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    values = _in_float32(features)
    base = _base(values, size, alpha, k)
    return _power(base, beta).mul_(values).to(features.dtype)


def _gradient(features: Tensor, gradient: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    values = _in_float32(features)
    base = _base(values, size, alpha, k)
    direct = _power(base, beta).mul_(_in_float32(gradient))
    through_base = (direct * values).div_(base)
    factor = -2 * alpha * beta / size
    changes = torch.addcmul(direct, values, through_base, value=factor)
    for shift in range(1, size // 2 + 1):
        changes[:, shift:].addcmul_(values[:, shift:], through_base[:, :-shift], value=factor)
        changes[:, :-shift].addcmul_(values[:, :-shift], through_base[:, shift:], value=factor)
    return changes.to(features.dtype)


def _base(values: Tensor, size: int, alpha: float, k: float) -> Tensor:
    """k + alpha / size · sum of squares over the window: as few passes over the memory as torch has operations for."""
    base = torch.addcmul(values.new_full((), k), values, values, value=alpha / size)
    for shift in range(1, size // 2 + 1):
        lower, upper = values[:, :-shift], values[:, shift:]
        base[:, shift:].addcmul_(lower, lower, value=alpha / size)
        base[:, :-shift].addcmul_(upper, upper, value=alpha / size)
    return base


def _in_float32(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _power(base: Tensor, beta: float) -> Tensor:
    """New tensor base ** -beta."""
    return base.sqrt().mul_(base).rsqrt_() if beta == 0.75 else base.pow(-beta)


class LocalResponseNorm(nn.Module):
    """`local_response_norm` with GoogLeNet's constants (BVLC: size 5, alpha 1e-4, beta 0.75, k 1)."""

    def forward(self, features: Tensor) -> Tensor:
        return local_response_norm(features)
