"""An image as stems see it: resized, with its margin, mirrored, channel by channel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from smooth_images import PLAIN, smooth_image

from detect.input_format import BVLC_INPUT, InputFormat
from detect.shared_regions import (
    LevelImages,
    SharedSettings,
    at_level,
)


def test_an_image_at_a_level() -> None:
    """Its own size, with 32 pixels of mean around it; and half of that."""
    pixels = PLAIN.normalise(torch.from_numpy(smooth_image(64, 96)).permute(2, 0, 1)[None])
    settings = SharedSettings(short_sides=(64, 32))
    whole, half = (at_level(pixels, level, settings) for level in (0, 1))
    assert whole.shape == (1, 3, 128, 160)
    torch.testing.assert_close(whole[:, :, 32:-32, 32:-32], pixels)
    assert whole.sum() == whole[:, :, 32:-32, 32:-32].sum()
    assert half.shape == (1, 3, 96, 128)  # 48 + 64 = 112 pixels, and 16 more on the right
    assert half.is_contiguous(memory_format=torch.channels_last)
    inside = half[:, :, 32:-32, 32:-48]
    torch.testing.assert_close(inside.mean(), pixels.mean(), rtol=0, atol=1)
    assert half.sum() == pytest.approx(float(inside.sum()), rel=1e-6)


@pytest.mark.parametrize("width", [96, 97, 110])
def test_a_mirrored_image_is_as_if_it_had_come_mirrored(width: int) -> None:
    image, settings = smooth_image(64, width), SharedSettings(short_sides=(64, 40))
    turned = LevelImages(image, PLAIN, settings=settings).mirrored()
    afresh = LevelImages(np.ascontiguousarray(image[:, ::-1]), PLAIN, settings=settings)
    for level in (0, 1):
        torch.testing.assert_close(turned(level), afresh(level), rtol=1e-5, atol=1e-3)
        assert turned(level).is_contiguous(memory_format=torch.channels_last)
    again = turned.mirrored()
    assert torch.equal(again(0), LevelImages(image, PLAIN, settings=settings)(0))


@pytest.mark.parametrize("size", [(1, 1), (40, 97), (700, 500)])
@pytest.mark.parametrize("form", [BVLC_INPUT, PLAIN])
def test_an_image_channel_by_channel_is_the_whole_one_to_the_bit(size: tuple[int, int], form: InputFormat) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    settings = SharedSettings(short_sides=(64, 224))
    pixels = form.normalise(torch.tensor(image).permute(2, 0, 1)[None])
    images = LevelImages(image, form, settings=settings)
    for level in (0, 1):
        assert torch.equal(images(level), at_level(pixels, level, settings))


def test_any_strides_and_an_array_that_is_read_only() -> None:
    image = smooth_image(40, 60)
    image.flags.writeable = False
    turned = image[:, ::-1, ::-1]
    assert torch.equal(LevelImages(turned, PLAIN)(0), LevelImages(turned.copy(), PLAIN)(0))


@pytest.mark.slow
def test_a_large_photo_takes_few_bytes_a_pixel() -> None:
    """A copy is 3 bytes, one channel in float32 4; all three, and what was made of them on the way, would be 30.

    In a process of its own, whose largest memory nothing else has raised.
    """
    program = (
        "import resource, numpy as np, torch\n"
        "from detect.input_format import BVLC_INPUT\n"
        "from detect.shared_regions import LevelImages\n"
        "most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "LevelImages(np.zeros((64, 64, 3), np.uint8), BVLC_INPUT)(0)\n"
        "image = np.full((5000, 4000, 3), 7, np.uint8)\n"
        "before = most()\n"
        "LevelImages(image, BVLC_INPUT)(0)\n"
        "print((most() - before) / 20e6)\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root, timeout=300
    )
    assert float(found.stdout) < 14
