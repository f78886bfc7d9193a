"""What detection has the host wait for on a GPU (docs/decisions/0019-waits-on-a-gpu.md), counted without one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gpu_waits import gpu_waits
from torch import Tensor, nn

from detect.box_coding import decode_boxes
from detect.googlenet import GoogLeNet
from detect.googlenet_bn import GoogLeNetBN
from detect.input_format import BVLC_INPUT, TORCHVISION_INPUT, InputFormat
from detect.region_warp import RegionWarper
from detect.shared_regions import LevelImages, SharedRegions, SharedSettings
from detect.suppression import above
from detect.view_averaging import corrected

GPU = torch.device("cuda")
IMAGE = np.zeros((375, 500, 3), np.uint8)
BOXES = np.array([[0, 0, 500, 375], [5, 5, 20, 40], [30, 30, 200, 100]], np.float32)


def there(*shape: int) -> Tensor:
    return torch.zeros(shape, device=GPU)


@pytest.mark.parametrize("form", [BVLC_INPUT, TORCHVISION_INPUT])
def test_normalising_waits_for_nothing(form: InputFormat) -> None:
    assert gpu_waits(lambda: form.normalise(there(1, 3, 4, 4))) == []


def test_warping_waits_for_nothing() -> None:
    assert gpu_waits(lambda: RegionWarper(IMAGE, BVLC_INPUT, device=GPU).regions(BOXES)) == []


@pytest.mark.parametrize("short_sides", [(600,), (128, 600)])
def test_shared_regions_wait_for_nothing(short_sides: tuple[int, ...]) -> None:
    settings = SharedSettings(short_sides=short_sides)

    def stem(images: Tensor) -> Tensor:
        return images.new_zeros(1, 8, (images.shape[2] + 1) // 16, (images.shape[3] + 1) // 16)

    def read() -> None:
        SharedRegions(LevelImages(IMAGE, BVLC_INPUT, settings=settings, device=GPU), stem).regions(BOXES)

    assert gpu_waits(read) == []


@pytest.mark.parametrize("kind", [GoogLeNet, GoogLeNetBN])
def test_the_network_waits_for_nothing(kind: type[nn.Module]) -> None:
    def network() -> nn.Module:
        with torch.device(GPU):
            return kind(10).eval()

    @torch.inference_mode()
    def run(network: nn.Module) -> None:
        images = torch.zeros(2, 3, 224, 224, device=GPU)
        network.classifier(network.tail(network.stem_to_4e(images)))  # type: ignore[operator]

    assert gpu_waits(run, network) == []


@pytest.mark.parametrize("classes", [1, 7])
def test_box_regression_waits_for_nothing(classes: int) -> None:
    assert gpu_waits(lambda: decode_boxes(there(3, 4), there(3, 4 * classes))) == []
    assert gpu_waits(lambda: corrected(there(3, 4), there(3, 7), [there(3, 4 * classes)], (375, 500))) == []


@pytest.mark.parametrize("shape", [(3, 4), (3, 7, 4)])
def test_suppression_waits_for_a_number_and_a_copy(shape: tuple[int, ...]) -> None:
    assert gpu_waits(lambda: above(there(*shape), there(3, 7), 0.5)) == ["nonzero", "to the CPU"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_torch_sees_no_wait_either() -> None:
    def read() -> None:
        RegionWarper(IMAGE, BVLC_INPUT, device=GPU).regions(BOXES)
        boxes = decode_boxes(torch.zeros(3, 4, device=GPU), torch.zeros(3, 4, device=GPU))
        corrected(boxes, torch.zeros(3, 7, device=GPU), [torch.zeros(3, 28, device=GPU)], (375, 500))

    read()  # what is loaded at its first use may wait
    torch.cuda.set_sync_debug_mode("error")
    try:
        read()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_what_passes_as_the_cpu_does() -> None:
    generator = torch.Generator().manual_seed(0)
    boxes, probs = torch.rand(50, 4, generator=generator) * 100, torch.rand(50, 20, generator=generator)
    assert torch.equal(above(boxes.to(GPU), probs.to(GPU), 0.3), above(boxes, probs, 0.3))
