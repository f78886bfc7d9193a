from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from detect.max_pooling import MaxPool3x3, max_pool_3x3


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def of_torch(features: Tensor, stride: int) -> Tensor:
    if stride == 1:
        return F.max_pool2d(features, 3, stride=1, padding=1)
    return F.max_pool2d(features, 3, stride=2, ceil_mode=True)


def test_by_hand() -> None:
    features = torch.tensor([[1.0, 2, 3, 9], [4, 5, 6, 0], [7, 8, -1, 0], [0, 0, 0, -5]])[None, None]
    assert max_pool_3x3(features, stride=1)[0, 0].tolist() == [[5, 6, 9, 9], [8, 8, 9, 9], [8, 8, 8, 6], [8, 8, 8, 0]]
    # Windows begin at 0 and at 2; those at 2 see two rows or columns.
    assert max_pool_3x3(features, stride=2)[0, 0].tolist() == [[8, 9], [8, 0]]


@given(
    st.integers(0, 3),
    st.integers(1, 5),
    st.integers(2, 12),
    st.integers(2, 12),
    st.sampled_from([1, 2]),
    st.sampled_from([torch.float32, torch.bfloat16, torch.float64]),
    st.booleans(),
)
def test_exactly_torchs(
    batch: int, channels: int, height: int, width: int, stride: int, dtype: torch.dtype, last: bool
) -> None:
    """With gradients (torch's own way) and without."""
    layout = torch.channels_last if last else torch.contiguous_format
    features = random(batch, channels, height, width).to(dtype).to(memory_format=layout)
    before = features.clone()
    expected = of_torch(features, stride)
    assert torch.equal(max_pool_3x3(features, stride=stride), expected)
    assert torch.equal(MaxPool3x3(stride=stride)(features.clone().requires_grad_()), expected)
    with torch.inference_mode():
        assert torch.equal(max_pool_3x3(features, stride=stride), expected)
    assert torch.equal(features, before)


@pytest.mark.parametrize("stride", [1, 2])
def test_the_memory_format_is_kept(stride: int) -> None:
    features = random(2, 8, 9, 10).to(memory_format=torch.channels_last)
    assert max_pool_3x3(features, stride=stride).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("stride", [1, 2])
def test_the_gradient_is_torchs(stride: int) -> None:
    gradients = []
    for pool in (lambda x: max_pool_3x3(x, stride=stride), lambda x: of_torch(x, stride)):
        leaf = random(2, 3, 7, 8).requires_grad_()
        pool(leaf).square().sum().backward()
        gradients.append(leaf.grad)
    assert gradients[0] is not None
    assert torch.equal(gradients[0], gradients[1])


def test_nan_and_infinity_pass_through() -> None:
    features = torch.full((1, 1, 5, 5), -torch.inf)
    features[0, 0, 4, 4] = torch.nan
    for stride in (1, 2):
        output = max_pool_3x3(features, stride=stride)
        assert output[0, 0, 0, 0] == -torch.inf
        assert output[0, 0, -1, -1].isnan()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("sign", [1, -1])
def test_nan_of_either_sign_wins_over_everything(dtype: torch.dtype, sign: int) -> None:
    """Channels last, of several channels: our kernel, for which bfloat16 are integers."""
    features = random(1, 4, 6, 6).to(dtype).to(memory_format=torch.channels_last)
    features[0, 2, 3, 3] = torch.inf
    features[0, 2, 2, 2] = torch.tensor(torch.nan).copysign(torch.tensor(float(sign)))
    for stride in (1, 2):
        output, expected = max_pool_3x3(features, stride=stride), of_torch(features, stride)
        assert torch.equal(output.isnan(), expected.isnan())
        assert torch.equal(output.nan_to_num(7.0), expected.nan_to_num(7.0))


def test_bfloat16_of_every_kind_is_in_order() -> None:
    """All pairs of numbers from minus infinity to infinity, the smallest and both zeros among them."""
    values = torch.tensor([-torch.inf, -3e38, -1.5, -1e-40, -0.0, 0.0, 1e-40, 1.5, 3e38, torch.inf]).bfloat16()
    pairs = torch.cartesian_prod(values, values)  # in three rows of a map, with the first one again
    features = torch.stack([pairs[:, 0], pairs[:, 1], pairs[:, 0]])[None, None].expand(1, 2, 3, -1)
    features = features.repeat_interleave(3, dim=3).contiguous(memory_format=torch.channels_last)
    assert torch.equal(max_pool_3x3(features, stride=1), of_torch(features, 1))


def test_errors() -> None:
    with pytest.raises(ValueError, match="stride: expected 1 or 2, got 3"):
        max_pool_3x3(random(1, 1, 4, 4), stride=3)
    with pytest.raises(RuntimeError, match="too small"):
        max_pool_3x3(random(1, 1, 1, 1), stride=2)
