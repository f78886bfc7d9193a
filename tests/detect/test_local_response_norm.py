from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from detect.local_response_norm import LocalResponseNorm, local_response_norm


def random(*shape: int, seed: int = 0, scale: float = 100.0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def from_the_definition(features: Tensor, size: int, alpha: float, beta: float, k: float) -> np.ndarray:
    """One value at a time, in float64."""
    values = features.double().numpy()
    output = np.empty_like(values)
    for n, c, y, x in np.ndindex(*values.shape):
        window = values[n, max(c - size // 2, 0) : c + size // 2 + 1, y, x]
        output[n, c, y, x] = values[n, c, y, x] / (k + alpha / size * (window**2).sum()) ** beta
    return output


@pytest.mark.parametrize(
    ("k", "channel", "expected"),
    [
        (11, 0, 1 / 8),  # 11 + 0² + 1² + 2² = 16, 16 ** 0.75 = 8, and 1 / 8
        (2, 1, 2 / 8),  # 2 + 1² + 2² + 3² = 16
        (3, 2, 3 / 8),  # 3 + 2² + 3² + 0² = 16
    ],
)
def test_three_channels_by_hand(k: float, channel: int, expected: float) -> None:
    features = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
    output = local_response_norm(features, size=3, alpha=3.0, beta=0.75, k=k)  # alpha / size = 1
    assert output[0, channel, 0, 0].item() == pytest.approx(expected, rel=1e-6)


def test_googlenets_constants_by_hand() -> None:
    # Five channels of 100: the middle one sees 5 · 100² · 1e-4 / 5 = 1, so 100 / (1 + 1) ** 0.75 = 59.4604;
    # its neighbours see four (1.8 ** 0.75), the ends three (1.6 ** 0.75).
    output = LocalResponseNorm()(torch.full((1, 5, 1, 1), 100.0)).flatten()
    expected = [100 / 1.6**0.75, 100 / 1.8**0.75, 59.4604, 100 / 1.8**0.75, 100 / 1.6**0.75]
    assert output.tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("size", "alpha", "beta", "k"), [(5, 1e-4, 0.75, 1.0), (3, 0.5, 0.75, 2.0), (7, 1e-2, 0.6, 0.5)]
)
def test_the_definition_one_value_at_a_time(seed: int, size: int, alpha: float, beta: float, k: float) -> None:
    features = random(2, 6, 3, 2, seed=seed)
    output = local_response_norm(features, size, alpha, beta, k)
    np.testing.assert_allclose(output.numpy(), from_the_definition(features, size, alpha, beta, k), rtol=1e-5)


@pytest.mark.parametrize(
    "shape", [(1, 64, 7, 9), (3, 192, 5, 5), (2, 1, 4, 4), (2, 2, 3, 3), (4, 4, 1, 1), (1, 5, 1, 8)]
)
@pytest.mark.parametrize("size", [1, 3, 5, 9])
@pytest.mark.parametrize("alpha", [1e-4, 1.0])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_equal_to_torchs(shape: tuple[int, ...], size: int, alpha: float, memory_format: torch.memory_format) -> None:
    features = random(*shape).to(memory_format=memory_format)
    before = features.clone()
    expected = F.local_response_norm(features, size, alpha, 0.75, 1.0)
    for context in (torch.enable_grad, torch.no_grad, torch.inference_mode):
        with context():
            output = local_response_norm(features, size, alpha, 0.75, 1.0)
        torch.testing.assert_close(output, expected, rtol=2e-6, atol=1e-6)
        assert output.is_contiguous(memory_format=memory_format)
        assert output.data_ptr() != features.data_ptr()
    assert torch.equal(features, before)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 300.0, 1e5, 1e12])
@pytest.mark.parametrize("pixels", [1, 15, 16, 17, 40])
def test_the_kernels_power_is_exact_to_rounding_for_numbers_of_any_size(scale: float, pixels: int) -> None:
    """Channels last, GoogLeNet's constants, on both sides of a block of pixels; against float64."""
    features = random(1, 9, 1, pixels, scale=scale).to(memory_format=torch.channels_last)
    expected = F.local_response_norm(features.double(), 5, 1e-4, 0.75, 1.0)
    torch.testing.assert_close(local_response_norm(features).double(), expected, rtol=6e-7, atol=0.0)


def test_the_kernel_rounds_bfloat16_once() -> None:
    features = random(2, 64, 9, 7).bfloat16().to(memory_format=torch.channels_last)
    expected = F.local_response_norm(features.double(), 5, 1e-4, 0.75, 1.0).bfloat16()
    output = local_response_norm(features)
    # a sum that lies within 4e-7 of the middle between two numbers may be rounded to the other
    assert (output != expected).float().mean() < 1e-3
    torch.testing.assert_close(output, expected, rtol=2**-7, atol=0.0)


def test_the_kernel_lets_nan_through() -> None:
    features = random(1, 16, 2, 2).to(memory_format=torch.channels_last)
    features[0, 8, 1, 1] = torch.nan
    assert local_response_norm(features).isnan().nonzero().tolist() == [[0, channel, 1, 1] for channel in range(6, 11)]


@pytest.mark.parametrize("beta", [0.75, 0.5, 1.0])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_is_torchs(beta: float, memory_format: torch.memory_format) -> None:
    features = random(2, 8, 3, 4).to(memory_format=memory_format)
    weights = random(2, 8, 3, 4, seed=1, scale=1.0)
    gradients = []
    for norm in (local_response_norm, F.local_response_norm):
        leaf = features.clone().requires_grad_()
        (norm(leaf, 5, 1e-2, beta, 1.0) * weights).sum().backward()
        assert leaf.grad is not None
        gradients.append(leaf.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-6)
    assert gradients[0].abs().max() > 1e-3


def test_a_gradient_by_hand() -> None:
    # One channel, alpha = beta = k = 1: y = x / (1 + x²), so dy/dx = (1 − x²) / (1 + x²)²: at 2, −3 / 25.
    features = torch.tensor([2.0]).view(1, 1, 1, 1).requires_grad_()
    local_response_norm(features, 1, 1.0, 1.0, 1.0).backward()
    assert features.grad is not None
    assert features.grad.item() == pytest.approx(-3 / 25)


def test_the_gradient_of_bfloat16_is_computed_in_float32() -> None:
    features, weights = random(3, 16, 4, 4).bfloat16(), random(3, 16, 4, 4, seed=1, scale=1.0).bfloat16()
    gradients = []
    for dtype in (torch.bfloat16, torch.float32):
        leaf = features.to(dtype, copy=True).requires_grad_()
        local_response_norm(leaf).backward(weights.to(dtype))
        assert leaf.grad is not None
        gradients.append(leaf.grad)
    assert gradients[0].dtype == torch.bfloat16
    assert torch.equal(gradients[0], gradients[1].bfloat16())


def test_nothing_is_kept_but_the_features() -> None:
    kept: list[Tensor] = []
    features = random(2, 8, 3, 3).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):  # type: ignore[func-returns-value]
        local_response_norm(features)
    assert [one.data_ptr() for one in kept] == [features.data_ptr()]


def test_float64_is_not_rounded_to_float32() -> None:
    features = random(1, 3, 2, 2, scale=1.0).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: local_response_norm(x, 3, 0.5, 0.75, 1.0), (features,))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("batch", [1, 3])
def test_half_types_are_summed_in_float32(dtype: torch.dtype, batch: int) -> None:
    features = random(batch, 16, 4, 4, scale=30.0).to(dtype)  # 30² · 1e-4 / 5: 1.018, which bfloat16 cannot hold
    with torch.inference_mode():
        output = local_response_norm(features)
    assert output.dtype == dtype
    torch.testing.assert_close(output, local_response_norm(features.float()).to(dtype), rtol=0, atol=0)


def test_large_float16_values_do_not_overflow() -> None:
    features = torch.full((1, 5, 1, 1), 3e4, dtype=torch.float16)  # 9e8 is far beyond 65504
    # 1 + 5 · 9e8 · 1e-4 / 5 = 90001 in the middle; 30000 / 90001 ** 0.75 = 5.7734
    assert local_response_norm(features)[0, 2].item() == pytest.approx(5.7734, rel=1e-3)


@pytest.mark.parametrize("shape", [(0, 8, 4, 4), (2, 8, 0, 4), (2, 0, 4, 4), (0, 0, 0, 0)])
@pytest.mark.parametrize("grad", [True, False])
def test_nothing_in_nothing_out(shape: tuple[int, ...], grad: bool) -> None:
    with torch.set_grad_enabled(grad):
        assert local_response_norm(torch.zeros(shape)).shape == shape


def test_zeros_stay_zeros_and_a_lone_channel_sees_only_itself() -> None:
    assert torch.equal(local_response_norm(torch.zeros(1, 4, 2, 2)), torch.zeros(1, 4, 2, 2))
    features = torch.zeros(1, 9, 1, 1)
    features[0, 4] = 100.0
    output = local_response_norm(features).flatten()
    assert output[4].item() == pytest.approx(100 / 1.2**0.75)  # 1 + 100² · 1e-4 / 5 = 1.2
    assert output.count_nonzero() == 1


@settings(max_examples=40)
@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 4), st.sampled_from([1, 3, 5]), st.integers(0, 10**6))
def test_laws(batch: int, channels: int, side: int, size: int, seed: int) -> None:
    features = random(batch, channels, side, side, seed=seed)
    output = local_response_norm(features, size, 0.1)
    close = {"rtol": 1e-5, "atol": 1e-5}
    # odd; blind to the direction of the channels; a pixel by itself; an image by itself
    torch.testing.assert_close(local_response_norm(-features, size, 0.1), -output, **close)
    torch.testing.assert_close(local_response_norm(features.flip(1), size, 0.1), output.flip(1), **close)
    torch.testing.assert_close(
        local_response_norm(features.transpose(2, 3), size, 0.1), output.transpose(2, 3), **close
    )
    torch.testing.assert_close(local_response_norm(features.flip(0), size, 0.1), output.flip(0), **close)
    # without k the exponent is left: f(s · x) = s ** (1 − 2 · 0.75) · f(x)
    scaled = local_response_norm(4 * features, size, 0.1, 0.75, 0.0)
    torch.testing.assert_close(scaled, local_response_norm(features, size, 0.1, 0.75, 0.0) * 4**-0.5, **close)


@pytest.mark.parametrize("shape", [(3, 4, 4), (4,), (1, 1, 3, 4, 4)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"features: expected \(N, C, H, W\), got \("):
        local_response_norm(torch.zeros(shape))


@pytest.mark.parametrize("size", [0, 2, 4, -1])
def test_windows_without_a_middle_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"size: expected an odd number of channels, got {size}"):
        local_response_norm(torch.zeros(1, 4, 2, 2), size)
