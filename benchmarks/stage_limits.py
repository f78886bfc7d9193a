"""The least time that each stage of detection can take: its arithmetic and its bytes over what the hardware allows.

A stage computes so many floating-point operations (a product and a sum are two; of convolutions done directly and of
linear layers, nothing else) and moves at least so many bytes (what it is given, what it gives and its weights, once
each). Neither can be done faster than the hardware multiplies and copies, so the larger of the two times is a bound
from below. It has no pools, normalisations, activations, interpolation or suppression in it.

`benchmarks/limits.py` measures the rates and prints the bounds; `benchmarks/pipeline.py` can print them beside what it
measures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from detect.backbones.map_grid import GOOGLENET_GRID, STRIDE
from detect.googlenet import TABLE_1, GoogLeNet
from detect.multibox_trunk import GoogLeNetTrunk
from detect.region_warp import WarpSettings
from detect.shared_map import dense_regions
from detect.shared_regions import SharedSettings, padded_size, resized_sizes
from detect.torch_threads import torch_threads
from proposals.multibox_heads import HeadSetting, MultiBoxHead, build_head
from proposals.multibox_priors import num_grid_priors

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
CELLS = GOOGLENET_GRID.cells
SQUARES = (1024, 2048, 4096)  # sides of the products whose best rate is the peak
# What a 1 × 1 convolution of the tail is, for 64 regions of 7 × 7 cells: (rows, inputs, outputs).
TAIL_PRODUCTS = ((64 * 49, 832, 1024), (64 * 49, 1024, 1024))
COPIED = 256 * 2**20  # bytes
MULTIBOX_HEAD = HeadSetting("convolutional", 128, (14, 7, 5, 3, 2, 1))  # of the model that comes with the package
MULTIBOX_SIZE = 224


@dataclass(frozen=True)
class Work:
    """What a stage has to do: floating-point operations, and bytes to read and write."""

    flops: float
    bytes: float


@dataclass(frozen=True)
class Rates:
    """What hardware allows.

    Attributes:
        threads: of torch.
        flops: operations a second in matrix products, by precision.
        bandwidth: bytes a second, read and written ones together.
    """

    threads: int
    flops: Mapping[str, float]
    bandwidth: float

    def seconds(self, work: Work, precision: str) -> float:
        """The least that the work takes."""
        return max(work.flops / self.flops[precision], work.bytes / self.bandwidth)


def stage_work(
    image_size: tuple[int, int], settings: SharedSettings | None, regions: int, precision: str
) -> dict[str, Work]:
    """What one image costs by stage, named as in `benchmarks/pipeline.py`: map, read, classify.

    Args:
        image_size: (height, width) in pixels.
        settings: of shared regions; None: each region is warped, and goes through the whole network.
        regions: of the image. Of several maps all are made. Reading is counted as bytes alone: a CPU reads cell by
            cell, a GPU as in `read_by_products`.
        precision: of the network. The image is bytes, warped regions are float32, all else has this type.
    """
    number = torch.finfo(DTYPES[precision]).bits // 8
    pixels = 3 * image_size[0] * image_size[1]
    if settings is None:
        warped = 4 * 3 * WarpSettings().size ** 2 * regions
        weights = number * (stem_weights() + tail_weights())
        return {
            "map": Work(0, 0),
            "read": Work(0, pixels + warped),
            "classify": Work(regions * region_flops(), warped + weights),
        }
    sizes = [padded_size(one, settings) for one in resized_sizes(image_size, settings)]
    cells = sum((h + 1) // STRIDE * ((w + 1) // STRIDE) for h, w in sizes)
    maps = number * TABLE_1["4e"].output * cells
    read = number * TABLE_1["4e"].output * CELLS**2 * regions
    return {
        "map": Work(sum(stem_flops(size) for size in sizes), pixels + maps + number * stem_weights()),
        "read": Work(0, maps + read),
        "classify": Work(regions * tail_flops(), read + number * tail_weights()),
    }


def read_by_products(image_size: tuple[int, int], settings: SharedSettings, regions: int, precision: str) -> Work:
    """What reading regions costs a GPU, which does it by two matrix products (`detect.shared_map.dense_regions`).

    All regions are counted at the first of the short sides. Besides what `stage_work` counts, the lines between the two
    products are written and read.
    """
    number = torch.finfo(DTYPES[precision]).bits // 8
    padded = padded_size(resized_sizes(image_size, settings)[0], settings)
    height, width = ((side + 1) // STRIDE for side in padded)
    channels = TABLE_1["4e"].output
    lines = CELLS * width * channels * regions
    flops = 2 * lines * height + 2 * CELLS * lines
    numbers = channels * (height * width + CELLS**2 * regions) + 2 * lines + CELLS * (height + width) * regions
    return Work(flops, number * numbers)


def stage_limits(
    image_size: tuple[int, int], settings: SharedSettings | None, regions: int, rates: Rates, precision: str = "bf16"
) -> dict[str, float]:
    """The least seconds that each stage of `stage_work` can take."""
    work = stage_work(image_size, settings, regions, precision)
    return {stage: rates.seconds(one, precision) for stage, one in work.items()}


def multibox_work(precision: str) -> Work:
    """What MultiBox, the model of the package, costs for one image that is squashed already."""
    number = torch.finfo(DTYPES[precision]).bits // 8
    return Work(multibox_flops(), 3 * MULTIBOX_SIZE**2 + number * sum(map(_weights, _multibox())))


@cache
def stem_flops(size: tuple[int, int]) -> int:
    """Of GoogLeNet to 4e, for one image of that (height, width)."""
    network, images = _network(), torch.empty(1, 3, *size, device="meta")
    return _counted(lambda: network.stem_to_4e(images))


@cache
def tail_flops() -> int:
    """Of pool4, 5a, 5b, the average and the classifier of 1000 outputs, for one region of 14 × 14 cells."""
    maps = torch.empty(1, TABLE_1["4e"].output, CELLS, CELLS, device="meta")
    network = _network()
    return _counted(lambda: network.classifier(network.tail(maps)))


@cache
def stem_operations(size: tuple[int, int]) -> int:
    """How many a GPU is handed for the stem, of an image or a batch of them; without views."""
    network, images = _network(), torch.empty(1, 3, *size, device="meta")
    return _operations(lambda: network.stem_to_4e(images))


@cache
def tail_operations() -> int:
    """The same of the tail and the classifier."""
    maps = torch.empty(1, TABLE_1["4e"].output, CELLS, CELLS, device="meta")
    network = _network()
    return _operations(lambda: network.classifier(network.tail(maps)))


@cache
def read_operations() -> int:
    """The same of reading regions from one map by products, without what a CPU does."""
    features = torch.empty(TABLE_1["4e"].output, CELLS, CELLS, device="meta")
    return _operations(lambda: dense_regions(features, torch.tensor([[0.0, 0, 9, 9]]), CELLS))


@cache
def multibox_operations() -> int:
    """The same of MultiBox; its head's are those of tensors with numbers."""
    trunk, head = _multibox()
    images = torch.empty(1, 3, MULTIBOX_SIZE, MULTIBOX_SIZE, device="meta")
    maps = [torch.zeros(one.shape) for one in trunk(images)]
    return _operations(lambda: trunk(images)) + _operations(lambda: head(*maps), "cpu")


def region_flops() -> int:
    """Of the whole network, for one warped region."""
    return stem_flops((WarpSettings().size,) * 2) + tail_flops()


@cache
def multibox_flops() -> int:
    """Of GoogLeNet to 5b and MultiBox's head, for one square."""
    trunk, head = _multibox()
    images = torch.empty(1, 3, MULTIBOX_SIZE, MULTIBOX_SIZE, device="meta")
    maps = [torch.zeros(one.shape) for one in trunk(images)]
    return _counted(lambda: trunk(images)) + _counted(lambda: head(*maps))


def stem_weights() -> int:
    """Numbers in the stem."""
    return _weights(_network()) - tail_weights()


def tail_weights() -> int:
    """Numbers in the tail and the classifier."""
    network = _network()
    return sum(_weights(part) for part in (network.inception("5a"), network.inception("5b"), network.classifier))


def measure_rates(threads: int, *, seconds: float = 0.5, squares: tuple[int, ...] = SQUARES) -> Rates:
    """This processor's, on so many of torch's threads: the best of several products, and of copies.

    Args:
        seconds: spent on each product, and on copying.
    """
    peaks = {
        precision: max(gemm_rate((side, side, side), precision, threads, seconds=seconds) for side in squares)
        for precision in DTYPES
    }
    return Rates(threads, peaks, copy_rate(threads, seconds=seconds))


def gemm_rate(sides: tuple[int, int, int], precision: str, threads: int, *, seconds: float = 0.5) -> float:
    """Operations a second of the fastest of several products (rows, inner) × (inner, columns)."""
    rows, inner, columns = sides
    first, second = (
        torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(DTYPES[precision])
        for shape in ((rows, inner), (inner, columns))
    )
    out = torch.empty(rows, columns, dtype=first.dtype)
    with torch_threads(threads):
        return 2 * rows * inner * columns / fastest(lambda: torch.mm(first, second, out=out), seconds)


def copy_rate(threads: int, *, seconds: float = 0.5, size: int = COPIED) -> float:
    """Bytes a second, read and written ones counted, of the fastest copy of a block that no cache holds."""
    source = torch.zeros(size // 4)
    target = torch.zeros_like(source)
    with torch_threads(threads):
        return 2 * size / fastest(lambda: target.copy_(source), seconds)


def fastest(work: Callable[[], object], seconds: float) -> float:
    """The least seconds of several runs, at least three after one that warms up."""
    work()
    taken: list[float] = []
    while len(taken) < 3 or sum(taken) < seconds:
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


@cache
def _network() -> GoogLeNet:
    with torch.device("meta"):
        return GoogLeNet(1000)


@cache
def _multibox() -> tuple[GoogLeNetTrunk, MultiBoxHead]:
    """The head has numbers: its autocast knows no device without them."""
    with torch.device("meta"):
        trunk = GoogLeNetTrunk(GoogLeNet(1))
    return trunk, build_head(MULTIBOX_HEAD, num_grid_priors(MULTIBOX_HEAD.grids))


def _weights(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


class _Operations(TorchDispatchMode):
    """Counts what is done on a device, but for views, which nobody has to do."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device, self.count = device, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        answer = func(*args, **(kwargs or {}))
        first = answer[0] if isinstance(answer, tuple | list) else answer
        free = func.is_view or func is torch.ops.aten._unsafe_view.default
        self.count += not free and isinstance(first, torch.Tensor) and first.device.type == self.device
        return answer


@torch.no_grad()
def _operations(work: Callable[[], object], device: str = "meta") -> int:
    with _Operations(device) as counter:
        work()
    return counter.count


@torch.no_grad()
def _counted(work: Callable[[], object]) -> int:
    """Operations, as torch counts them on tensors that have a shape and no numbers."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())
