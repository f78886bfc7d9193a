"""What does it cost to page a training step's memory in anew? Steps a second with and without `keep_freed_memory`.

The setting holds for a process, so processes take turns. Random weights and regions, frozen through 3b.

    python benchmarks/freed_memory.py --json freed.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from measuring import environment, markdown, spread, write_json

from detect.devices import resolve_precision
from detect.freed_memory import keep_freed_memory
from detect.googlenet import GoogLeNet
from detect.training.network_pass import freeze, training_outputs


def steps(keep: bool, regions: int, count: int) -> list[float]:
    """Regions a second of each step but the first."""
    if keep and not keep_freed_memory():
        raise SystemExit("freed_memory: this system's allocator is not glibc's")
    torch.manual_seed(0)
    device = torch.device("cpu")
    network = GoogLeNet(1001, box_outputs=4).to(memory_format=torch.channels_last)
    freeze(network, "3b")
    images = torch.randn(regions, 3, 224, 224).to(memory_format=torch.channels_last)
    rates = []
    for step in range(count + 1):
        started = time.perf_counter()
        with torch.autocast("cpu", enabled=resolve_precision("auto", device) == torch.bfloat16):
            outputs = training_outputs(
                network,
                images,
                frozen="3b",
                slots=torch.arange(regions),
                generator_seed=step,
                total_slots=regions,
                dropout=0.4,
                auxiliary_dropout=0.7,
            )
        assert outputs.deltas is not None
        (outputs.logits.logsumexp(1).sum() + outputs.deltas.square().sum()).backward()
        rates.append(regions / (time.perf_counter() - started))
    return rates[1:]


def main() -> None:
    """Let processes with and without take turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regions", type=int, default=128, help="of a batch")
    parser.add_argument("--steps", type=int, default=5, help="of each process")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each kind")
    parser.add_argument("--one", choices=("keep", "hand_back"), help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(steps(options.one == "keep", options.regions, options.steps)))
        return
    found: dict[str, list[float]] = {"hand_back": [], "keep": []}
    sizes = ["--regions", str(options.regions), "--steps", str(options.steps)]
    for _ in range(options.rounds):
        for how, rates in found.items():
            command = [sys.executable, __file__, "--one", how, *sizes]
            rates += json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    ratios = np.array(found["keep"]) / np.array(found["hand_back"])
    rows = [[how.replace("_", " "), spread(rates)] for how, rates in found.items()]
    print(markdown(("freed memory", "regions a second"), [*rows, ["ratio", spread(ratios)]]))
    result = {**environment(torch.get_num_threads()), "regions": options.regions, **found, "ratios": ratios.tolist()}
    write_json(options.json, result)


if __name__ == "__main__":
    main()
