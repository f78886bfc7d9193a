"""How fast could detection be on this processor, if every stage ran at the hardware's best rate?

    python benchmarks/limits.py [--regions 200 300 1000] [--seconds 0.5] [--json limits.json]

Measured, on one thread and on all of torch's: matrix products in float32 and bfloat16, the best of squares of 1024,
2048 and 4096 (the peak), and the products that a 1 × 1 convolution of GoogLeNet's tail is for 64 regions; copying
256 MB, read and written bytes counted. Each is the fastest of as many runs as fit into `--seconds`: a limit, not a
mean. Counted (`benchmarks/stage_limits.py`): the operations and bytes of each stage, for one photo of 500 × 375 pixels
at a shorter side of 600 and its margin. Divided: the least seconds that each stage can take. Convolutions are counted
as done directly; one that is done with fewer products, by Winograd's way, may beat its limit.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from measuring import environment, markdown, write_json
from stage_limits import (
    DTYPES,
    SQUARES,
    TAIL_PRODUCTS,
    Rates,
    Work,
    gemm_rate,
    measure_rates,
    multibox_work,
    stage_limits,
    stage_work,
)

from detect.shared_regions import SharedSettings

IMAGE = (375, 500)
WAYS = {"shared": SharedSettings(), "warp": None}


def rates_table(rates: list[Rates], tail: dict[tuple[int, str, tuple[int, int, int]], float]) -> str:
    """GFLOP/s and GB/s by threads."""
    rows = []
    for precision in DTYPES:
        rows.append([f"{precision}, best of squares", *(f"{one.flops[precision] / 1e9:.0f}" for one in rates)])
        for sides in TAIL_PRODUCTS:
            name = f"{precision}, {sides[0]} × {sides[1]} × {sides[2]}"
            rows.append([name, *(f"{tail[one.threads, precision, sides] / 1e9:.0f}" for one in rates)])
    rows.append(["copying, GB/s", *(f"{one.bandwidth / 1e9:.1f}" for one in rates)])
    return markdown(["GFLOP/s", *(threads_name(one.threads) for one in rates)], rows)


def work_table(regions: list[int]) -> str:
    """GFLOP and MB of each stage, in bfloat16."""
    rows = [["MultiBox", "", *_work_cells(multibox_work("bf16"))]]
    for way, settings in WAYS.items():
        for count in regions:
            for stage, work in stage_work(IMAGE, settings, count, "bf16").items():
                if work.bytes and not (stage == "map" and count != regions[0]):
                    rows.append([f"{way}: {stage}", "" if stage == "map" else str(count), *_work_cells(work)])
    return markdown(["stage", "regions", "GFLOP", "MB"], rows)


def limits_of(rates: Rates, regions: list[int]) -> dict[str, dict[str, float]]:
    """Seconds by stage and in all, for each way, precision and number of regions; MultiBox by itself."""
    found: dict[str, dict[str, float]] = {}
    for precision in DTYPES:
        found[f"MultiBox, {precision}"] = {"propose": rates.seconds(multibox_work(precision), precision)}
        for way, settings in WAYS.items():
            for count in regions:
                seconds = stage_limits(IMAGE, settings, count, rates, precision)
                found[f"{way}, {precision}, {count} regions"] = {**seconds, "all": sum(seconds.values())}
    return found


def limits_table(rates: list[Rates], limits: list[dict[str, dict[str, float]]]) -> str:
    """A row for each entry of `limits_of`, with the seconds on each number of threads."""
    stages = ["propose", "map", "read", "classify", "all"]
    rows = []
    for name in limits[0]:
        cells = [[f"{one[name][stage]:.3g}" for one in limits if one[name].get(stage)] for stage in stages]
        rows.append([name, *(" / ".join(cell) for cell in cells)])
    return markdown([f"least seconds, {' / '.join(threads_name(one.threads) for one in rates)}", *stages], rows)


def threads_name(threads: int) -> str:
    return f"{threads} thread{'s' if threads > 1 else ''}"


def _work_cells(work: Work) -> list[str]:
    return [f"{work.flops / 1e9:.3g}" if work.flops else "", f"{work.bytes / 1e6:.3g}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regions", type=int, nargs="+", default=[200, 300, 1000], help="of a photo")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each rate")
    parser.add_argument("--squares", type=int, nargs="+", default=list(SQUARES), help="sides of the square products")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    counts = sorted({1, torch.get_num_threads()})
    rates = [measure_rates(count, seconds=options.seconds, squares=tuple(options.squares)) for count in counts]
    tail = {
        (count, precision, sides): gemm_rate(sides, precision, count, seconds=options.seconds)
        for count in counts
        for precision in DTYPES
        for sides in TAIL_PRODUCTS
    }
    limits = [limits_of(one, options.regions) for one in rates]
    for table in (rates_table(rates, tail), work_table(options.regions), limits_table(rates, limits)):
        print(table, end="\n\n")
    about = {"command": sys.argv, **environment(torch.get_num_threads())}
    measured = [
        {
            "threads": one.threads,
            "flops": dict(one.flops),
            "bandwidth": one.bandwidth,
            "tail": [
                {"precision": precision, "sides": sides, "flops": flops}
                for (count, precision, sides), flops in tail.items()
                if count == one.threads
            ],
            "limits": seconds,
        }
        for one, seconds in zip(rates, limits, strict=True)
    ]
    write_json(options.json, {**about, "by_threads": measured})


if __name__ == "__main__":
    main()
