"""Both forms of the head: shapes, order, numbers of weights, how they start, float32 at the end."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from proposals.multibox_heads import (
    GRIDS,
    ConvolutionalHead,
    Float32Linear,
    FullyConnectedHead,
    HeadSetting,
    MultiBoxHead,
    build_head,
)
from proposals.multibox_priors import grid_priors, num_grid_priors

CONVOLUTIONAL = HeadSetting("convolutional", 6, GRIDS)
CONNECTED = HeadSetting("fully_connected", 2)


def maps(images: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Mostly zero, as after a trained trunk's ReLU."""
    generator = torch.Generator().manual_seed(seed)
    map16 = torch.randn(images, 832, 14, 14, generator=generator) - 1
    map32 = torch.randn(images, 1024, 7, 7, generator=generator) - 1
    return map16.relu(), map32.relu()


def built(setting: HeadSetting, num_priors: int = 10, seed: int = 0) -> MultiBoxHead:
    torch.manual_seed(seed)
    return build_head(setting, num_grid_priors(setting.grids) if setting.grids else num_priors)


def lively(head: MultiBoxHead) -> MultiBoxHead:
    """Every weight positive, so that every change of an input arrives at the end."""
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.abs_().add_(0.01)
    return head


def num_weights(head: nn.Module) -> int:
    return sum(parameter.numel() for parameter in head.parameters())


@pytest.mark.parametrize("grids", [GRIDS, (14, 7), (7,), (7, 5), (7, 3, 1), (14, 7, 1), (7, 5, 3, 2, 1)])
@pytest.mark.parametrize("images", [0, 1, 3])
def test_shapes_of_the_convolutional_head(grids: tuple[int, ...], images: int) -> None:
    head = built(HeadSetting("convolutional", 4, grids))
    assert head.num_priors == len(grid_priors(grids))
    logits, offsets = head(*maps(images))
    assert logits.shape == (images, head.num_priors)
    assert offsets.shape == (images, head.num_priors, 4)


@pytest.mark.parametrize("images", [0, 1, 3])
def test_shapes_of_the_fully_connected_head(images: int) -> None:
    head = built(CONNECTED, num_priors=11)
    assert head.num_priors == 11
    logits, offsets = head(*maps(images))
    assert (logits.shape, offsets.shape) == ((images, 11), (images, 11, 4))


@pytest.mark.parametrize(("priors", "channels", "expected"), [(800, 8, 1_580_200), (200, 32, 1_601_800)])
def test_weights_of_the_fully_connected_head(priors: int, channels: int, expected: int) -> None:
    assert expected == 1025 * channels + 5 * priors * (49 * channels + 1)
    assert num_weights(FullyConnectedHead(priors, channels)) == expected < 2_000_000


@pytest.mark.parametrize(("grids", "expected"), [(GRIDS, 864_280), (GRIDS[1:], 750_561)])
def test_weights_of_the_convolutional_head(grids: tuple[int, ...], expected: int) -> None:
    first = {14: 832 * 128 + 128, 7: 1024 * 128 + 128}
    between = 128 * 128 * 9 + 128
    last = {n: 129 * (5 if n == 1 else 55) for n in grids}
    assert expected == sum(first.get(n, between) for n in grids) + sum(last.values())
    assert num_weights(ConvolutionalHead(grids, 128)) == expected


@pytest.mark.parametrize("setting", [CONVOLUTIONAL, CONNECTED])
def test_how_training_starts(setting: HeadSetting) -> None:
    """Hardly an object anywhere, and boxes at their priors; but no two predictions quite alike."""
    logits, offsets = built(setting)(*maps(2))
    torch.testing.assert_close(logits.sigmoid(), torch.full_like(logits, 0.01), atol=0.001, rtol=0)
    assert offsets.abs().max() < 0.01
    assert offsets.std() > 0
    assert logits.std() > 0


@pytest.mark.parametrize("setting", [CONVOLUTIONAL, CONNECTED])
def test_gradients_arrive_everywhere(setting: HeadSetting) -> None:
    head = lively(built(setting))
    logits, offsets = head(*maps(1))
    (logits.sum() + offsets.sum()).backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in head.parameters())


def changed_priors(head: MultiBoxHead, which: int, row: int, column: int) -> set[int]:
    """The predictions that a change of one cell of map16 (which = 0) or map32 (1) changes."""
    before = maps(1)
    after = [one.clone() for one in before]
    after[which][:, :, row, column] += 1
    with torch.no_grad():
        (logits, offsets), (other_logits, other_offsets) = head(*before), head(*after)
    changed = (logits != other_logits) | (offsets != other_offsets).any(dim=2)
    return set(changed[0].nonzero().flatten().tolist())


def cell_priors(grid: int, row: int, column: int) -> set[int]:
    """Where the 11 priors of a cell are in the order of `grid_priors`."""
    first = num_grid_priors(GRIDS[: GRIDS.index(grid)]) + 11 * (row * grid + column)
    return set(range(first, first + 11))


@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 5), (13, 4)])
def test_a_cell_of_14_speaks_of_its_own_priors(row: int, column: int) -> None:
    changed = changed_priors(lively(built(CONVOLUTIONAL)), 0, row, column)
    assert changed == cell_priors(14, row, column)
    centre = torch.tensor([column + 0.5, row + 0.5]) / 14
    priors = torch.from_numpy(grid_priors(GRIDS))[sorted(changed)]
    assert ((priors[:, :2] < centre) & (centre < priors[:, 2:])).all(), "boxes around that place"


@pytest.mark.parametrize(("row", "column"), [(0, 0), (1, 5), (6, 3)])
def test_a_cell_of_7_speaks_of_its_own_priors_and_of_coarser_ones_nearby(row: int, column: int) -> None:
    changed = changed_priors(lively(built(CONVOLUTIONAL)), 1, row, column)
    assert {one for one in changed if one < num_grid_priors((14,))} == set()
    seven = range(num_grid_priors((14,)), num_grid_priors((14, 7)))
    assert changed & set(seven) == cell_priors(7, row, column)
    # Cell i of the grid of 5 sees rows i, i + 1 and i + 2 of that of 7.
    near = [(i, j) for i in range(5) for j in range(5) if i <= row <= i + 2 and j <= column <= j + 2]
    five = range(seven.stop, num_grid_priors((14, 7, 5)))
    assert changed & set(five) == set().union(*(cell_priors(5, i, j) for i, j in near))
    assert num_grid_priors(GRIDS) - 1 in changed, "the whole image's"


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 6), (6, 0), (6, 6)])
def test_each_corner_reaches_its_own_quarter(row: int, column: int) -> None:
    head = lively(built(HeadSetting("convolutional", 4, (7, 5, 3, 2))))
    before = maps(1)
    after = before[1].clone()
    after[:, :, row, column] += 1
    with torch.no_grad():
        difference = (head(before[0], after)[0] - head(*before)[0])[0, -44:].view(2, 2, 11).sum(dim=2)
    expected = torch.zeros(2, 2, dtype=torch.bool)
    expected[row // 4, column // 4] = True
    assert torch.equal(difference > 1e-6 * difference.max(), expected)


def test_the_fully_connected_head_sees_everything_everywhere() -> None:
    head = lively(built(CONNECTED))
    assert changed_priors(head, 1, 3, 6) == set(range(10))
    assert changed_priors(head, 0, 3, 6) == set()


@pytest.mark.parametrize("setting", [CONVOLUTIONAL, CONNECTED])
def test_float32_under_autocast(setting: HeadSetting) -> None:
    head = lively(built(setting))
    with torch.autocast("cpu", torch.bfloat16):
        logits, offsets = head(*maps(1))
    assert logits.dtype == offsets.dtype == torch.float32
    exact = head(*maps(1))
    torch.testing.assert_close(logits, exact[0], rtol=0.02, atol=0)
    assert not torch.equal(logits, exact[0]), "the layers below are in bfloat16"


def test_the_last_layer_takes_any_float_type_and_keeps_its_precision() -> None:
    layer = Float32Linear(3, 2)
    features = torch.rand(5, 3, generator=torch.Generator().manual_seed(0))
    exact = layer(features)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(features), exact)
    rounded = features.bfloat16()
    assert torch.equal(layer(rounded), layer(rounded.float()))


@pytest.mark.parametrize("setting", [CONVOLUTIONAL, CONNECTED])
def test_the_layout_of_memory_does_not_matter(setting: HeadSetting) -> None:
    head = built(setting)
    last = copy.deepcopy(head).to(memory_format=torch.channels_last)
    found = last(*(one.contiguous(memory_format=torch.channels_last) for one in maps(2)))
    for one, other in zip(found, head(*maps(2)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_build_head() -> None:
    assert isinstance(build_head(CONNECTED, 50), FullyConnectedHead)
    assert isinstance(build_head(CONVOLUTIONAL, 3114), ConvolutionalHead)
    with pytest.raises(ValueError, match=r"num_priors: expected 3114 for the grids \(14, 7, 5, 3, 2, 1\), got 800"):
        build_head(CONVOLUTIONAL, 800)
    with pytest.raises(ValueError, match="num_priors: expected at least 1, got 0"):
        build_head(CONNECTED, 0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("linear", 8, ()), "kind: expected fully_connected or convolutional, got 'linear'"),
        (("fully_connected", 0, ()), "channels: expected at least 1, got 0"),
        (("fully_connected", 8, (7,)), r"grids: expected none with a fully connected head, got \(7,\)"),
        (("convolutional", 8, ()), r"grids: expected some of \(14, 7, 5, 3, 2, 1\) in this order, 7 among them, got"),
        (("convolutional", 8, (5, 3)), r"7 among them, got \(5, 3\)"),
        (("convolutional", 8, (5, 7)), r"in this order.*got \(5, 7\)"),
        (("convolutional", 8, (8, 7)), r"got \(8, 7\)"),
        (("convolutional", 8, (7, 7)), r"got \(7, 7\)"),
    ],
)
def test_settings_that_are_none(fields: tuple[str, int, tuple[int, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HeadSetting(*fields)  # type: ignore[arg-type]


def test_grids_are_checked_by_the_head_too() -> None:
    with pytest.raises(ValueError, match="grids: expected some of"):
        ConvolutionalHead((14, 5), 4)
