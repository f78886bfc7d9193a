"""RoIAlign in both forms: torchvision's kernel is the oracle; by hand, at the edges, and its gradient."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchvision.ops import roi_align

from detect.shared_map import align_regions, bin_weights, dense_regions

Read = Callable[[Tensor, Tensor, int], Tensor]


def random_case(seed: int, boxes: int = 9, size: tuple[int, int] = (11, 17)) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(5, *size, generator=generator).contiguous()
    corners = torch.rand(boxes, 2, generator=generator) * 12 - 3
    sides = torch.rand(boxes, 2, generator=generator) * 30
    return features, torch.cat([corners, corners + sides], dim=1)


WAYS = pytest.mark.parametrize("read", [align_regions, dense_regions], ids=["cell by cell", "dense"])


@WAYS
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [1, 3, 14])
def test_against_torchvision(read: Read, seed: int, size: int) -> None:
    features, boxes = random_case(seed)
    before = features.clone(), boxes.clone()
    wanted = roi_align(features[None], [boxes], size, sampling_ratio=-1, aligned=True)
    found = read(features, boxes, size)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(features, before[0])
    assert torch.equal(boxes, before[1])


def test_weights_by_hand() -> None:
    """Cells 0 … 3; the interval 1 to 3 in two bins of one cell: the points are the middles of cells 1 and 2."""
    low, high = torch.tensor([1.0]), torch.tensor([3.0])
    assert bin_weights(low, high, 4, 2).tolist() == [[[0, 1, 0, 0], [0, 0, 1, 0]]]
    # One bin of two cells has two points, 1.5 and 2.5 from the edge, which are the middles of cells 1 and 2.
    assert bin_weights(low, high, 4, 1).tolist() == [[[0, 0.5, 0.5, 0]]]
    # Half a cell further the points are 2.0 and 3.0, between two cells each.
    moved = bin_weights(low + 0.5, high + 0.5, 4, 2)
    assert moved.tolist() == [[[0, 0.5, 0.5, 0], [0, 0, 0.5, 0.5]]]


def test_inside_weights_sum_to_one_and_far_outside_there_are_none() -> None:
    low, high = torch.tensor([0.0, 3.2, -9.0, 2.0]), torch.tensor([8.0, 5.1, -4.0, 2.0])
    sums = bin_weights(low, high, 8, 3).sum(dim=2)
    torch.testing.assert_close(sums[:2], torch.ones(2, 3))
    assert sums[2].tolist() == [0, 0, 0]
    assert sums[3].tolist() == [0, 0, 0]  # an interval without length has no points
    assert bin_weights(low[:0], high[:0], 8, 3).shape == (0, 3, 8)


@WAYS
def test_no_extent_reads_nothing(read: Read) -> None:
    boxes = torch.tensor([[2.0, 1.0, 2.0, 4.0], [1.0, 3.0, 4.0, 3.0], [4.0, 1.0, 1.0, 4.0], [1.0, 1.0, 4.0, 4.0]])
    found = read(torch.ones(2, 6, 6), boxes, 3)
    assert found.sum(dim=(1, 2, 3)).tolist() == pytest.approx([0, 0, 0, 18])


@WAYS
def test_the_whole_map_at_its_own_size_is_the_map(read: Read) -> None:
    features = torch.randn(3, 6, 6)
    assert torch.equal(read(features, torch.tensor([[0.0, 0.0, 6.0, 6.0]]), 6)[0], features)


@WAYS
def test_a_shifted_map_and_box_give_the_same(read: Read) -> None:
    features, boxes = random_case(0)
    wide = torch.nn.functional.pad(features, (4, 4, 4, 4))
    inside = boxes.clamp(min=1.5)
    inside[:, 2:] = torch.maximum(inside[:, :2] + 1, inside[:, 2:].clamp(max=9.0))
    torch.testing.assert_close(read(features, inside, 5), read(wide, inside + 4, 5))


@WAYS
def test_the_gradient_is_that_of_torchvision(read: Read) -> None:
    features, boxes = random_case(3)
    gradients = []
    for way in (lambda x: read(x, boxes, 4), lambda x: roi_align(x[None], [boxes], 4, 1.0, -1, True)):
        leaf = features.clone().requires_grad_()
        (way(leaf) * torch.arange(16.0).view(4, 4)).sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-4)


@WAYS
def test_bfloat16_is_near(read: Read) -> None:
    features, boxes = random_case(1)
    found = read(features.bfloat16(), boxes, 7)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), read(features, boxes, 7), rtol=0.05, atol=0.05)


def test_cell_by_cell_bfloat16_is_the_float32_sum_rounded_once() -> None:
    """To the nearest, ties to even, as torch rounds; also far from 1, below the normal numbers, and beyond all."""
    features, boxes = random_case(2, boxes=40)
    for factor in (1.0, 1e-39, 1e30, torch.inf):
        halves = (features.sign() * features.abs().clamp(min=0.01) * factor).bfloat16()
        exact = align_regions(halves.float(), boxes, 5)
        assert torch.equal(align_regions(halves, boxes, 5).nan_to_num(7), exact.bfloat16().nan_to_num(7)), factor


def test_cell_by_cell_a_region_does_not_depend_on_the_others() -> None:
    features, boxes = random_case(4)
    whole = align_regions(features.bfloat16(), boxes, 14)
    assert torch.equal(whole, torch.cat([align_regions(features.bfloat16(), box[None], 14) for box in boxes]))


def test_learning_reads_the_same_bits_and_no_boxes_teach_nothing() -> None:
    features, boxes = random_case(5)
    expected = align_regions(features, boxes, 3)
    features.requires_grad_()
    assert torch.equal(align_regions(features, boxes, 3), expected)
    with torch.no_grad():
        assert not align_regions(features, boxes, 3).requires_grad
    align_regions(features, boxes[:0], 3).sum().backward()
    assert features.grad is not None
    assert torch.equal(features.grad, torch.zeros_like(features))


@WAYS
def test_no_boxes(read: Read) -> None:
    assert read(torch.randn(3, 4, 5), torch.zeros(0, 4), 14).shape == (0, 3, 14, 14)


def test_wrong_shapes() -> None:
    for features, boxes, size in (
        (torch.zeros(1, 3, 4, 5), torch.zeros(1, 4), 2),
        (torch.zeros(3, 4, 5), torch.zeros(1, 5), 2),
        (torch.zeros(3, 4, 5), torch.zeros(1, 4), 0),
    ):
        with pytest.raises(ValueError, match=r"expected features \(C, h, w\), boxes \(N, 4\)"):
            align_regions(features, boxes, size)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_region_reads_nothing_beyond_its_own_cells(dtype: torch.dtype) -> None:
    """Beside a box of bins 2 to 3 cells wide, which have five weights, the map is infinite, and so is another box."""
    features = torch.ones(4, 20, 66).to(memory_format=torch.contiguous_format)
    features[:, :, 42:] = torch.inf
    features = features.to(dtype).permute(1, 2, 0).contiguous().permute(2, 0, 1)
    one, other = [2.3, 3.0, 40.3, 17.0], [36.0, 3.0, 66.0, 17.0]
    read = align_regions(features, torch.tensor([other, one, other]), 14)
    torch.testing.assert_close(read[1], torch.ones(4, 14, 14, dtype=dtype))
    assert torch.equal(align_regions(features, torch.tensor([one]), 14)[0], read[1])


@pytest.mark.parametrize("seed", range(4))
def test_cell_by_cell_is_torchvisions_at_any_size_and_place(seed: int) -> None:
    """Boxes of one to sixty cells, many at the edges of a map that is wider than most."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(3, 44, 66, generator=generator)
    sides = torch.rand(60, 2, generator=generator) * torch.tensor([66.0, 44.0])
    corners = (torch.rand(60, 2, generator=generator) * 1.2 - 0.1) * (torch.tensor([66.0, 44.0]) - sides)
    boxes = torch.cat([corners, corners + sides], dim=1)
    expected = roi_align(features[None], [boxes], (14, 14), sampling_ratio=-1, aligned=True)
    torch.testing.assert_close(align_regions(features, boxes, 14), expected, rtol=1e-4, atol=1e-4)
