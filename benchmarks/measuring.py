"""What every benchmark reports besides its numbers, and how numbers are summarised."""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np


def quartiles(values: list[float] | np.ndarray) -> list[float]:
    """[first quartile, median, third quartile]."""
    return [float(value) for value in np.percentile(values, (25, 50, 75))]


def spread(values: list[float] | np.ndarray, form: str = ".3g") -> str:
    """`median (first quartile-third quartile)`."""
    low, middle, high = quartiles(values)
    return f"{middle:{form}} ({low:{form}}-{high:{form}})"


def evenly(total: int, count: int | None) -> np.ndarray:
    """Positions of at most `count` of `total` things, spaced evenly over their order; None: all."""
    wanted = total if count is None else min(count, total)
    return np.linspace(0, total - 1, wanted).round().astype(int)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as RESULTS.md has it."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def duration(seconds: float) -> str:
    """In the largest unit that it has one of: `2 hours`."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            return f"{seconds / length:g} {unit}{'' if seconds == length else 's'}"
    return f"{seconds:g} seconds"


def size(count: float) -> str:
    """Bytes, with three digits: `1.23 GB`."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count / 1e3:.3g} kB"


def peak_bytes() -> int:
    """The most memory that this process has held; on Linux not getrusage's figure, which starts from the parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def environment(threads: int) -> dict[str, Any]:
    """Commit, processor, threads and versions."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    packages = ("torch", "torchvision", "numpy", "numba", "opencv-contrib-python")
    return {
        "commit": commit.stdout.strip() or None,
        "device": cpu_name(),
        "threads": threads,
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def cpu_name() -> str:
    """The processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def write_json(path: Path | None, content: dict[str, Any]) -> None:
    """Write the results where `--json` asks for them."""
    if path is not None:
        path.write_text(json.dumps(content, indent=2) + "\n")
