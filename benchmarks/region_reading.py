"""How long does it take to read regions from a map, cell by cell, by matrix products, and by torchvision?

    python benchmarks/region_reading.py [--boxes 64] [--repeats 15] [--json FILE]

A map of 832 × 41 × 54, as of a 600 × 800 picture; boxes drawn at random, small (3 to 12 cells on a side), middling (8
to 25) and large (20 to 41); 14 × 14 bins. The three take turns, and who goes first moves on; median and quartiles of
milliseconds, ratios of the same turn. bfloat16; torchvision's kernel takes float32 only, and is given the map and
gives regions in it. Matrix products use all of torch's threads, torchvision too, ours one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from measuring import environment, markdown, quartiles, spread, write_json
from torch import Tensor
from torchvision.ops import roi_align

from detect.shared_map import dense_regions
from detect.shared_map_cpu import align_regions_cpu

SIZES = {"small": (3, 12), "middling": (8, 25), "large": (20, 41)}
HEIGHT, WIDTH, BINS = 41, 54, 14


def random_boxes(count: int, sides: tuple[int, int], seed: int) -> Tensor:
    """(count, 4) in cells, inside the map."""
    rng = np.random.default_rng(seed)
    lengths = rng.uniform(*sides, (count, 2))
    corners = rng.random((count, 2)) * np.maximum([WIDTH, HEIGHT] - lengths, 0)
    ends = np.minimum(corners + lengths, [WIDTH, HEIGHT])
    return torch.from_numpy(np.concatenate([corners, ends], axis=1).astype(np.float32))


def ways(features: Tensor, boxes: Tensor) -> dict[str, Callable[[], Tensor]]:
    exact = features.float()
    return {
        "torchvision": lambda: roi_align(exact[None], [boxes], BINS, sampling_ratio=-1, aligned=True),
        "matrix products": lambda: dense_regions(features, boxes, BINS),
        "cell by cell": lambda: align_regions_cpu(features, boxes, BINS),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boxes", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path, help="file to write the results to")
    arguments = parser.parse_args()
    features = torch.randn(1, 832, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    features = features.bfloat16().contiguous(memory_format=torch.channels_last)[0]
    rows, results = [], {}
    for seed, (name, sides) in enumerate(SIZES.items()):
        readers = ways(features, random_boxes(arguments.boxes, sides, seed))
        answers = {way: read().float() for way, read in readers.items()}
        for way, answer in answers.items():
            torch.testing.assert_close(answer, answers["torchvision"], atol=0.05, rtol=0.05, msg=way)
        taken: dict[str, list[float]] = {way: [] for way in readers}
        for repeat in range(arguments.repeats):
            names = list(readers)
            for way in names[repeat % 3 :] + names[: repeat % 3]:
                start = time.perf_counter()
                readers[way]()
                taken[way].append(1000 * (time.perf_counter() - start))
        ratio = np.array(taken["matrix products"]) / taken["cell by cell"]
        results[name] = {**{way: quartiles(one) for way, one in taken.items()}, "ratio": quartiles(ratio)}
        rows.append([name, *(spread(one) for one in taken.values()), spread(ratio)])
    header = (f"{arguments.boxes} regions, ms", *readers, "products / cells")
    print(markdown(header, [[cell.replace("-", "–") for cell in row] for row in rows]))
    about = {"command": sys.argv, **environment(torch.get_num_threads()), "boxes": arguments.boxes}
    write_json(arguments.json, {**about, "results": results})


if __name__ == "__main__":
    main()
