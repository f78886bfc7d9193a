"""How much cheaper is our local response normalisation than torch's, on GoogLeNet's two maps?

python benchmarks/local_response_norm.py --json lrn.json
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from measuring import environment, quartiles, spread, write_json

from detect.local_response_norm import local_response_norm

SHAPES = {"pool1/norm1": (16, 64, 56, 56), "conv2/norm2": (16, 192, 56, 56)}


def stock(features: torch.Tensor) -> torch.Tensor:
    """torch's own; it has no bfloat16 kernel on every version, so that a user converts."""
    return F.local_response_norm(features.float(), 5, 1e-4, 0.75, 1.0).to(features.dtype)


def seconds(function: Callable[[torch.Tensor], torch.Tensor], features: torch.Tensor) -> float:
    start = time.perf_counter()
    function(features)
    return time.perf_counter() - start


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    results = {}
    print(f"{'':24}{'torch, ms an image':>26}{'ours, ms an image':>26}{'torch / ours':>22}")
    for name, shape in SHAPES.items():
        for dtype in (torch.float32, torch.bfloat16):
            features = (torch.randn(shape) * 30).relu().to(dtype).contiguous(memory_format=torch.channels_last)
            torch.testing.assert_close(local_response_norm(features), stock(features))
            runs = [(seconds(stock, features), seconds(local_response_norm, features)) for _ in range(options.repeats)]
            pairs = runs[2:]  # the first two warm up
            theirs, ours = 1000 * np.array(pairs).T / shape[0]
            label = f"{name} {str(dtype).removeprefix('torch.')}"
            print(f"{label:24}{spread(theirs):>26}{spread(ours):>26}{spread(theirs / ours):>22}")
            results[label] = {"torch": quartiles(theirs), "ours": quartiles(ours), "ratio": quartiles(theirs / ours)}
    write_json(options.json, {**environment(torch.get_num_threads()), "results": results})


if __name__ == "__main__":
    main()
