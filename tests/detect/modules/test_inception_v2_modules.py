"""The modules of "Rethinking the Inception Architecture" together: shapes, what each branch sees, what it costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detect.modules.asymmetric_inception import AsymmetricInception, AsymmetricWidths
from detect.modules.conv_bn_relu import ConvBNReLU
from detect.modules.grid_reduction import GridReduction, ReductionWidths
from detect.modules.pool_projection import PoolProjection
from detect.modules.two_3x3_inception import Two3x3Inception, Two3x3Widths
from detect.modules.widened_inception import WidenedInception, WidenedWidths

TWO_3X3 = Two3x3Widths(conv1x1=2, reduce3x3=3, conv3x3=4, reduce_twice=5, conv_twice=6, pool_proj=7)
ASYMMETRIC = AsymmetricWidths(conv1x1=2, inner=3, once=4, twice=5, pool_proj=6)
WIDENED = WidenedWidths(conv1x1=2, reduce3x3=3, reduce_twice=4, bank=5, pool_proj=6)
REDUCTION = ReductionWidths(reduce3x3=2, conv3x3=3, reduce_twice=4, conv_twice=5)

KEEPING: list[tuple[Callable[[], nn.Module], int]] = [
    (lambda: Two3x3Inception(4, TWO_3X3), 2 + 4 + 6 + 7),
    (lambda: AsymmetricInception(4, ASYMMETRIC), 2 + 4 + 5 + 6),
    (lambda: AsymmetricInception(4, ASYMMETRIC, n=3), 2 + 4 + 5 + 6),
    (lambda: WidenedInception(4, WIDENED), 2 + 4 * 5 + 6),
    (lambda: PoolProjection(4, 3), 3),
]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("build", "channels"), KEEPING)
@pytest.mark.parametrize("size", [(17, 17), (8, 8), (5, 6), (1, 1)])
def test_height_and_width_are_kept(build: Callable[[], nn.Module], channels: int, size: tuple[int, int]) -> None:
    images = random(2, 4, *size)
    before = images.clone()
    with torch.inference_mode():
        assert build().eval()(images).shape == (2, channels, *size)
    assert torch.equal(images, before)
    assert (TWO_3X3.output, ASYMMETRIC.output, WIDENED.output) == (19, 17, 28)


@pytest.mark.parametrize(("side", "half"), [(35, 17), (17, 8), (8, 3), (12, 5), (3, 1)])
def test_a_grid_is_halved(side: int, half: int) -> None:
    module = GridReduction(4, REDUCTION).eval()
    with torch.inference_mode():
        found = module(random(2, 4, side, side))
    assert found.shape == (2, 3 + 5 + 4, half, half)
    assert module.out_channels == 12


def seen_by(branch: nn.Module, side: int = 17) -> tuple[int, int]:
    """(height, width) of what the middle cell of a branch's output depends on."""
    for module in branch.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1.0)
    images = torch.ones(1, 4, side, side, requires_grad=True)
    output = branch.eval()(images)
    output[0, 0, output.shape[2] // 2, output.shape[3] // 2].backward()
    assert images.grad is not None
    rows, columns = (images.grad[0, 0] != 0).nonzero().T
    return int(rows.max() - rows.min() + 1), int(columns.max() - columns.min() + 1)


def test_what_the_branches_see() -> None:
    """Figure 5: two 3×3 see 5×5. Figure 6: 1×7 then 7×1 see 7×7, twice 13×13. Figure 7: 1×3 and 3×1."""
    two = Two3x3Inception(4, TWO_3X3)
    assert [seen_by(b) for b in (two.conv1x1, two.once, two.twice, two.pool)] == [(1, 1), (3, 3), (5, 5), (3, 3)]
    asymmetric = AsymmetricInception(4, ASYMMETRIC)
    assert [seen_by(b) for b in (asymmetric.once, asymmetric.twice)] == [(7, 7), (13, 13)]
    wide = WidenedInception(4, WIDENED)
    assert seen_by(nn.Sequential(wide.once, wide.once_across)) == (1, 3)
    assert seen_by(nn.Sequential(wide.once, wide.once_down)) == (3, 1)
    assert seen_by(nn.Sequential(wide.twice, wide.twice_across)) == (3, 5)
    assert seen_by(nn.Sequential(wide.twice, wide.twice_down)) == (5, 3)
    reduction = GridReduction(4, REDUCTION)
    assert [seen_by(b) for b in (reduction.once, reduction.twice, reduction.pool)][:2] == [(3, 3), (5, 5)]


def weights(module: nn.Module) -> int:
    return sum(one.weight.numel() for one in module.modules() if isinstance(one, nn.Conv2d))


def test_what_factorising_saves() -> None:
    """Section 3.1: 18 / 25 of a 5×5; section 3.2: 2 / 7 of a 7×7; with the same number of filters throughout."""
    same: Any = dict.fromkeys(("conv1x1", "reduce3x3", "conv3x3", "reduce_twice", "conv_twice", "pool_proj"), 8)
    twice = Two3x3Inception(8, Two3x3Widths(**same)).twice
    assert weights(nn.Sequential(*twice[1:])) * 25 == 18 * (25 * 8 * 8)
    once = AsymmetricInception(8, AsymmetricWidths(8, 8, 8, 8, 8)).once
    assert weights(nn.Sequential(*once[1:])) * 7 == 2 * (49 * 8 * 8)


def plain(unit: ConvBNReLU, images: Tensor, stride: int = 1, padding: tuple[int, int] = (0, 0)) -> Tensor:
    """Fresh batch normalisation in evaluation divides by the root of 1 + ε."""
    convolution = unit[0]
    assert isinstance(convolution, nn.Conv2d)
    return F.relu(F.conv2d(images, convolution.weight, None, stride, padding) / (1 + 1e-3) ** 0.5)


@pytest.mark.parametrize("seed", [0, 1])
def test_against_the_figures_written_out(seed: int) -> None:
    torch.manual_seed(seed)
    images = random(2, 4, 9, 8, seed=seed)
    wide, reduction = WidenedInception(4, WIDENED).eval(), GridReduction(4, REDUCTION).eval()
    with torch.inference_mode():
        once = plain(wide.once, images)
        twice = plain(wide.twice[1], plain(wide.twice[0], images), padding=(1, 1))  # type: ignore[arg-type]
        ones = F.avg_pool2d(F.pad(torch.ones_like(images), (1, 1, 1, 1)), 3, stride=1)
        averaged = F.avg_pool2d(F.pad(images, (1, 1, 1, 1)), 3, stride=1) / ones
        figure_7 = [
            plain(wide.conv1x1, images),
            plain(wide.once_across, once, padding=(0, 1)),
            plain(wide.once_down, once, padding=(1, 0)),
            plain(wide.twice_across, twice, padding=(0, 1)),
            plain(wide.twice_down, twice, padding=(1, 0)),
            plain(wide.pool[1], averaged),  # type: ignore[arg-type]
        ]
        torch.testing.assert_close(wide(images), torch.cat(figure_7, dim=1), rtol=1e-4, atol=1e-5)
        one, two = reduction.once, reduction.twice
        within = plain(two[1], plain(two[0], images), padding=(1, 1))  # type: ignore[arg-type]
        figure_10 = [
            plain(one[1], plain(one[0], images), stride=2),  # type: ignore[arg-type]
            plain(two[2], within, stride=2),  # type: ignore[arg-type]
            F.max_pool2d(images, 3, stride=2),
        ]
        torch.testing.assert_close(reduction(images), torch.cat(figure_10, dim=1), rtol=1e-4, atol=1e-5)
