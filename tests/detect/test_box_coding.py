from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from detect.box_coding import LARGEST_LOG_RATIO, clip_boxes, decode_boxes, encode_boxes


def random_boxes(n: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(n, 2, generator=generator) * 300
    return torch.cat([corners, corners + 1 + torch.rand(n, 2, generator=generator) * 200], dim=1)


def one_by_one(box: list[float], matched: list[float]) -> list[float]:
    """R-CNN, appendix C, word for word, with the divisors of the later code."""
    px, py, pw, ph = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]
    gx, gy = (matched[0] + matched[2]) / 2, (matched[1] + matched[3]) / 2
    gw, gh = matched[2] - matched[0], matched[3] - matched[1]
    return [(gx - px) / pw / 0.1, (gy - py) / ph / 0.1, math.log(gw / pw) / 0.2, math.log(gh / ph) / 0.2]


def test_by_hand() -> None:
    # 10 wide, 20 high around (15, 30); the object 20 wide, 20 high around (20, 28).
    boxes, matched = torch.tensor([[10.0, 20, 20, 40]]), torch.tensor([[10.0, 18, 30, 38]])
    before = boxes.clone(), matched.clone()
    # 5 / 10 = .5 → 5; −2 / 20 = −.1 → −1; log 2 = .693 → 3.466; log 1 = 0
    assert encode_boxes(boxes, matched)[0].tolist() == pytest.approx([5, -1, math.log(2) / 0.2, 0], abs=1e-6)
    deltas = torch.tensor([[5, -1, math.log(2) / 0.2, 0]])
    assert decode_boxes(boxes, deltas)[0].tolist() == pytest.approx([10, 18, 30, 38], abs=1e-5)
    assert torch.equal(boxes, before[0])
    assert torch.equal(matched, before[1])


def test_several_classes_by_hand() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10]])
    decoded = decode_boxes(boxes, torch.tensor([[0.0, 0, 0, 0, 10, 0, 0, math.log(3) / 0.2]]))
    # class 0 leaves the box; class 1 shifts it by its width and triples its height around the same middle
    torch.testing.assert_close(decoded, torch.tensor([[[0.0, 0, 10, 10], [10, -10, 20, 20]]]))


@pytest.mark.parametrize("seed", range(4))
def test_one_by_one(seed: int) -> None:
    boxes, matched = random_boxes(9, seed).double(), random_boxes(9, seed + 100).double()
    expected = torch.tensor([one_by_one(*pair) for pair in zip(boxes.tolist(), matched.tolist(), strict=True)])
    torch.testing.assert_close(encode_boxes(boxes, matched).float(), expected)


@given(st.integers(0, 10**6), st.integers(0, 8), st.floats(0.1, 10), st.floats(-1000, 1000))
def test_laws(seed: int, n: int, scale: float, shift: float) -> None:
    boxes, matched = random_boxes(n, seed).double(), random_boxes(n, seed + 1).double()
    deltas = encode_boxes(boxes, matched)
    limited = deltas[:, 2:].max().item() * 0.2 > LARGEST_LOG_RATIO if n else False
    if not limited:  # there and back
        torch.testing.assert_close(decode_boxes(boxes, deltas), matched, rtol=1e-9, atol=1e-6)
    # shifting or scaling the image changes nothing; a box coded by itself is 0; the order does not matter
    torch.testing.assert_close(encode_boxes(boxes * scale + shift, matched * scale + shift), deltas)
    torch.testing.assert_close(encode_boxes(boxes, boxes), torch.zeros(n, 4, dtype=torch.float64))
    assert torch.equal(encode_boxes(boxes.flip(0), matched.flip(0)), deltas.flip(0))
    # mirrored: the shift along x changes its sign
    mirror = torch.tensor([-1.0, 1, -1, 1], dtype=torch.float64)
    mirrored = [(one * mirror)[:, [2, 1, 0, 3]] for one in (boxes, matched)]
    torch.testing.assert_close(encode_boxes(*mirrored), deltas * torch.tensor([-1.0, 1, 1, 1], dtype=torch.float64))


def test_a_box_per_class_is_each_class_alone() -> None:
    boxes, deltas = random_boxes(5), torch.randn(5, 12, generator=torch.Generator().manual_seed(0))
    decoded = decode_boxes(boxes, deltas)
    assert decoded.shape == (5, 3, 4)
    for label in range(3):
        torch.testing.assert_close(decoded[:, label], decode_boxes(boxes, deltas[:, 4 * label : 4 * label + 4]))


def test_wild_outputs_stay_finite() -> None:
    boxes = torch.tensor([[0.0, 0, 16, 16]])
    decoded = decode_boxes(boxes, torch.tensor([[0.0, 0, 1e6, -1e6]]))
    # 16 · 1000 / 16 = 1000 wide around 8; no height at all
    torch.testing.assert_close(decoded, torch.tensor([[8 - 500.0, 8, 508, 8]]))


def test_no_boxes() -> None:
    none = torch.zeros(0, 4)
    assert encode_boxes(none, none).shape == (0, 4)
    assert decode_boxes(none, none).shape == (0, 4)
    assert decode_boxes(none, torch.zeros(0, 12)).shape == (0, 3, 4)
    assert clip_boxes(none, (5, 5)).shape == (0, 4)


def test_clipping_by_hand() -> None:
    boxes = torch.tensor([[-5.0, -5, 5, 5], [2, 3, 4, 5], [8, 8, 30, 40], [50, 1, 60, 2]])
    clipped = clip_boxes(boxes, (10, 20))  # 10 high, 20 wide
    assert clipped.tolist() == [[0, 0, 5, 5], [2, 3, 4, 5], [8, 8, 20, 10], [20, 1, 20, 2]]
    assert torch.equal(clip_boxes(boxes.view(2, 2, 4), (10, 20)).view(4, 4), clipped)
    assert boxes[0, 0] == -5


def test_errors() -> None:
    boxes = random_boxes(3)
    with pytest.raises(ValueError, match=r"expected \(N, 4\) of the same N, got \(3, 4\) and \(2, 4\)"):
        encode_boxes(boxes, boxes[:2])
    with pytest.raises(ValueError, match=r"got \(3, 3\) and \(3, 3\)"):
        encode_boxes(boxes[:, :3], boxes[:, :3])
    flat = torch.tensor([[3.0, 3, 3, 9]])
    with pytest.raises(ValueError, match=r"^boxes: expected sides above 0, got a box without area"):
        encode_boxes(flat, boxes[:1])
    with pytest.raises(ValueError, match=r"^matched: expected sides above 0"):
        encode_boxes(boxes[:1], flat)
    for wrong in (torch.zeros(3, 6), torch.zeros(2, 4), torch.zeros(3, 0), torch.zeros(12)):
        with pytest.raises(ValueError, match=r"deltas: expected \(3, 4 K\), got"):
            decode_boxes(boxes, wrong)
    with pytest.raises(ValueError, match=r"boxes: expected \(N, 4\), got \(3, 5\)"):
        decode_boxes(torch.zeros(3, 5), torch.zeros(3, 4))
