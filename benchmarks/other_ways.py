"""Would torch.compile or 8-bit integers make the network faster on this processor? Beside ours, in one run.

torch.compile gets the network in plain torch (its own pools, the normalisation as one expression, Inception as
published), with frozen weights: the map of a photo of 500 × 375 pixels, and the tail for 64 regions. Its warm-up is the
time to the first answer for that size of picture. 8-bit integers are tried on two of the tail's
layers: a 3×3 convolution by oneDNN's quantised one, a 1×1 convolution as a product of int8 matrices; what mean AP they
would keep is not tried. One thread; cases take turns; ratios are of the same turn.

    python benchmarks/other_ways.py --json other_ways.json          # needs a C++ compiler
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from measuring import environment, markdown, quartiles, spread, write_json
from torch import Tensor, nn

from detect.freed_memory import keep_freed_memory
from detect.fused_inception import fuse_inceptions
from detect.googlenet import GoogLeNet
from detect.inception import Inception

LAST = torch.channels_last


class PlainNorm(nn.Module):
    """GoogLeNet's normalisation as one expression, for a compiler to fuse."""

    def forward(self, features: Tensor) -> Tensor:
        values = features.float()
        squares, count = F.pad(values * values * (1e-4 / 5), (0, 0, 0, 0, 2, 2)), values.shape[1]
        base = 1 + sum(squares[:, shift : shift + count] for shift in range(5))
        return (values * torch.rsqrt(base * torch.sqrt(base))).to(features.dtype)


class PlainPool(nn.Module):
    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, features: Tensor) -> Tensor:
        if self.stride == 1:
            return F.max_pool2d(features, 3, stride=1, padding=1)
        return F.max_pool2d(features, 3, stride=2, ceil_mode=True)


def plain(network: GoogLeNet) -> GoogLeNet:
    """A copy in plain torch."""
    copied = copy.deepcopy(network)
    copied.norm, copied.pool = PlainNorm(), PlainPool(2)
    for module in copied.modules():
        if isinstance(module, Inception):
            module.pool = PlainPool(1)
    return copied


def compiled(network: GoogLeNet, photo: Tensor, regions: Tensor) -> tuple[dict[str, Callable[[], Tensor]], float]:
    """Both halves, and the seconds until both have answered."""
    import torch._inductor.config as settings

    settings.freezing = True
    stem, tail = torch.compile(network.stem_to_4e), torch.compile(network.tail)
    started = time.perf_counter()
    stem(photo), tail(regions)
    return {"stem": lambda: stem(photo), "tail": lambda: tail(regions)}, time.perf_counter() - started


def integer_cases() -> dict[str, tuple[Callable[[], Tensor], Callable[[], Tensor]]]:
    """Name → (in bfloat16, in 8 bits)."""
    features, weights = torch.randn(64, 192, 7, 7), torch.randn(384, 192, 3, 3)
    floats = features.bfloat16().to(memory_format=LAST), weights.bfloat16().to(memory_format=LAST)
    bytes_in = torch.randint(0, 255, (64, 192, 7, 7), dtype=torch.uint8).to(memory_format=LAST)
    scales, zeros = torch.full((384,), 0.01), torch.zeros(384, dtype=torch.int32)
    place = ([1, 1], [1, 1], [1, 1], 1)
    packed = torch.ops.onednn.qconv_prepack(
        torch.randint(-127, 127, (384, 192, 3, 3), dtype=torch.int8), scales, 0.02, 0, *place, [64, 192, 7, 7]
    )
    rows, columns = torch.randn(3136, 832).bfloat16(), torch.randn(832, 624).bfloat16()
    whole = [torch.randint(-127, 127, shape, dtype=torch.int8) for shape in ((3136, 832), (832, 624))]
    return {
        "3×3 convolution of 5b": (
            lambda: F.relu(F.conv2d(*floats, padding=1), inplace=True),
            lambda: torch.ops.onednn.qconv2d_pointwise(
                bytes_in, 0.02, 0, packed, scales, zeros, None, *place, 0.05, 0, torch.uint8, "relu", [], ""
            ),
        ),
        "1×1 convolutions of 5b": (lambda: rows @ columns, lambda: torch._int_mm(*whole)),
    }


def take_turns(pairs: dict[str, tuple[Callable[[], Tensor], ...]], repeats: int) -> dict[str, np.ndarray]:
    """Seconds (repeats, ways) of each case."""
    taken = {name: np.empty((repeats, len(ways))) for name, ways in pairs.items()}
    for turn in range(-2, repeats):  # two to warm up
        for name, ways in pairs.items():
            for column, way in enumerate(ways):
                started = time.perf_counter()
                way()
                if turn >= 0:
                    taken[name][turn, column] = time.perf_counter() - started
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = GoogLeNet(1000).eval().requires_grad_(False).bfloat16().to(memory_format=LAST)
    ours = copy.deepcopy(network)
    fuse_inceptions(ours)
    photo = torch.randn(1, 3, 664, 864).bfloat16().to(memory_format=LAST)
    regions = torch.rand(64, 832, 14, 14).bfloat16().to(memory_format=LAST)
    with torch.no_grad():
        theirs, warm_up = compiled(plain(network), photo, regions)
        torch.testing.assert_close(theirs["tail"](), ours.tail(regions), rtol=0.05, atol=0.05)
        off = (theirs["stem"]().float() - ours.stem_to_4e(photo).float()).abs().mean()
        assert off < 0.01 * ours.stem_to_4e(photo).float().abs().mean(), "the two networks disagree"
        pairs = {
            "compiled: map of a photo": (lambda: ours.stem_to_4e(photo), theirs["stem"]),
            "compiled: tail of 64 regions": (lambda: ours.tail(regions), theirs["tail"]),
            **{f"8 bits: {name}": ways for name, ways in integer_cases().items()},
        }
        taken = take_turns(pairs, options.repeats)
    rows = [
        [name, spread(seconds[:, 0] * 1e3), spread(seconds[:, 1] * 1e3), spread(seconds[:, 0] / seconds[:, 1])]
        for name, seconds in taken.items()
    ]
    print(markdown(["one thread, ms", "bfloat16, ours", "the other way", "times as fast"], rows))
    print(f"\nwarm-up of torch.compile: {warm_up:.0f} s, for one size of picture")
    results = {name: quartiles(seconds[:, 0] / seconds[:, 1]) for name, seconds in taken.items()}
    write_json(options.json, {**environment(1), "warm_up": warm_up, "times as fast": results})


if __name__ == "__main__":
    main()
