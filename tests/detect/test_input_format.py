from __future__ import annotations

import pytest
import torch
from torch import Tensor

from detect.input_format import BVLC_INPUT, TORCHVISION_INPUT, InputFormat


def pixel(red: float, green: float, blue: float) -> Tensor:
    return torch.tensor([red, green, blue]).view(1, 3, 1, 1)


def test_by_hand() -> None:
    plain = InputFormat("rgb", (10.0, 20.0, 30.0), (0.5, 2.0, 1.0))
    # (12 − 10) · 0.5, (19 − 20) · 2, (30 − 30) · 1
    assert plain.normalise(pixel(12, 19, 30)).flatten().tolist() == [1, -2, 0]
    turned = InputFormat("bgr", (10.0, 20.0, 30.0), (0.5, 2.0, 1.0))
    # blue first: (30 − 10) · 0.5, (19 − 20) · 2, (12 − 30) · 1
    assert turned.normalise(pixel(12, 19, 30)).flatten().tolist() == [10, -2, -18]


def test_bvlcs_mean_is_blue_first() -> None:
    assert BVLC_INPUT.normalise(pixel(123, 117, 104)).flatten().tolist() == [0, 0, 0]
    assert BVLC_INPUT.normalise(pixel(255, 0, 0)).flatten().tolist() == [-104, -117, 132]


def test_torchvisions_range_is_minus_one_to_one() -> None:
    assert TORCHVISION_INPUT.normalise(pixel(0, 127.5, 255)).flatten().tolist() == [-1, 0, 1]


@pytest.mark.parametrize("form", [BVLC_INPUT, TORCHVISION_INPUT])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float16])
@pytest.mark.parametrize("seed", range(2))
def test_channel_by_channel(form: InputFormat, dtype: torch.dtype, seed: int) -> None:
    images = torch.randint(0, 256, (2, 3, 4, 5), generator=torch.Generator().manual_seed(seed)).to(dtype)
    before = images.clone()
    output = form.normalise(images)
    assert output.dtype == torch.float32
    assert output.data_ptr() != images.data_ptr()
    for channel in range(3):
        source = {"rgb": channel, "bgr": 2 - channel}[form.order]
        expected = (images[:, source].double() - form.mean[channel]) * form.scale[channel]
        torch.testing.assert_close(output[:, channel].double(), expected, rtol=1e-6, atol=1e-6)
    assert torch.equal(images, before)


def test_no_images_and_the_identity_is_new_too() -> None:
    assert BVLC_INPUT.normalise(torch.zeros(0, 3, 4, 4)).shape == (0, 3, 4, 4)
    images = torch.rand(1, 3, 2, 2)
    output = InputFormat("rgb", (0.0, 0.0, 0.0)).normalise(images)
    assert torch.equal(output, images)
    output.zero_()
    assert images.count_nonzero() > 0


@pytest.mark.parametrize(
    ("order", "mean", "scale", "message"),
    [
        ("RGB", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "order: expected rgb or bgr, got 'RGB'"),
        ("rgb", (0.0, 0.0), (1.0, 1.0, 1.0), r"mean: expected three numbers, got \(0.0, 0.0\)"),
        ("rgb", (0.0, 0.0, 0.0), (1.0,), r"scale: expected three numbers, got \(1.0,\)"),
        ("bgr", (0.0, float("nan"), 0.0), (1.0, 1.0, 1.0), "mean: expected three numbers, got .*nan"),
        ("bgr", (0.0, 0.0, 0.0), (1.0, float("inf"), 1.0), "scale: expected three numbers, got .*inf"),
    ],
)
def test_other_formats_are_refused(order: str, mean: tuple, scale: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InputFormat(order, mean, scale)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", [BVLC_INPUT, TORCHVISION_INPUT, InputFormat("bgr", (1.0, 2.0, 3.0), (0.1, 0.3, 0.7))])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_one_channel_is_that_of_all_three_to_the_bit(form: InputFormat, dtype: torch.dtype) -> None:
    images = torch.randint(0, 256, (2, 3, 4, 5), generator=torch.Generator().manual_seed(0)).to(dtype)
    before = images.clone()
    planes = [form.normalise_one(images, channel) for channel in range(3)]
    assert [one.shape for one in planes] == [(2, 1, 4, 5)] * 3
    assert torch.equal(torch.cat(planes, dim=1), form.normalise(images))
    assert torch.equal(images, before)
