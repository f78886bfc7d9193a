from __future__ import annotations

import pytest
import torch

from proposals.multibox_boxes import decode, encode

PRIORS = torch.tensor([[0.25, 0.25, 0.75, 0.75], [0.0, 0.5, 1.0, 1.0]])


def test_by_hand() -> None:
    offsets = torch.tensor([[0.25, -0.25, 0.25, 0.0], [0.0, -0.5, -0.5, 0.5]])
    # 0.25 + 0.25, 0.25 − 0.25, 0.75 + 0.25, 0.75 + 0; and beyond the image: 1 + 0.5 below it.
    expected = [[0.5, 0.0, 1.0, 0.75], [0.0, 0.0, 0.5, 1.5]]
    assert decode(PRIORS, offsets).tolist() == expected
    assert encode(PRIORS, torch.tensor(expected)).tolist() == offsets.tolist()


def test_no_offset_is_the_prior() -> None:
    assert torch.equal(decode(PRIORS, torch.zeros(2, 4)), PRIORS)
    assert torch.equal(encode(PRIORS, PRIORS), torch.zeros(2, 4))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_round_trip_of_any_batch(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    priors, offsets = torch.rand(7, 4, generator=generator), torch.randn(*shape, 7, 4, generator=generator)
    before = priors.clone(), offsets.clone()
    boxes = decode(priors, offsets)
    assert boxes.shape == (*shape, 7, 4)
    torch.testing.assert_close(encode(priors, boxes), offsets)
    assert torch.equal(priors, before[0])
    assert torch.equal(offsets, before[1])


def test_no_images() -> None:
    assert decode(PRIORS, torch.zeros(0, 2, 4)).shape == (0, 2, 4)


def test_shapes_that_are_wrong() -> None:
    with pytest.raises(ValueError, match=r"priors: expected \(K, 4\), got \(2, 5\)"):
        decode(torch.zeros(2, 5), torch.zeros(2, 5))
    with pytest.raises(ValueError, match=r"offsets: expected \(\.\.\., 2, 4\), got \(3, 4\)"):
        decode(PRIORS, torch.zeros(3, 4))
    with pytest.raises(ValueError, match=r"boxes: expected \(\.\.\., 2, 4\), got \(4,\)"):
        encode(PRIORS, torch.zeros(4))
