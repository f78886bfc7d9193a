"""What does the first search of a process cost, and does importing compile anything?

    python benchmarks/selective_search_start.py [--mode MODE] [--repeats 3] [--json FILE]

Each run is a process of its own with an empty folder for numba's cache (cold), then another one with what the first
left there (cached), as every later process of an installation has it. In each: seconds to import what the package
stands on (numpy, OpenCV, numba) and then the package itself; functions compiled while importing, asserted to be none;
seconds of the first search of a photo (chelsea of scikit-image) and of the second one, which compiles nothing; their
difference is the price of compiling, or of loading. Asserted: both searches, cold and cached, give the same boxes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from measuring import environment, markdown, quartiles, spread, write_json
from skimage import data

from configs.proposing import ProposeConfig, search_mode
from proposals.diversity import MODES

CHILD = """
import sys, time
began = time.perf_counter()
import cv2, numba, numpy as np
libraries = time.perf_counter()
from numba.core import event
compilations = event.RecordingListener()
event.register("numba:compile", compilations)
registered = time.perf_counter()
from proposals import selective_search
imported = time.perf_counter()
def compiled():
    return sum(one.is_start for _, one in compilations.buffer)
at_import = compiled()
cv2.setNumThreads(1)
image = np.load(sys.argv[1])
marks, boxes = [time.perf_counter()], []
for _ in range(2):
    boxes.append(selective_search(image, sys.argv[2]).boxes)
    marks.append(time.perf_counter())
assert np.array_equal(*boxes)
import hashlib, json
print(json.dumps({
    "import_libraries": libraries - began, "import_package": imported - registered, "compiled_at_import": at_import,
    "compiled": compiled(), "first": marks[1] - marks[0], "second": marks[2] - marks[1],
    "boxes": hashlib.sha256(boxes[0].tobytes()).hexdigest(),
}))
"""
ROWS = {
    "import_libraries": "import numpy, cv2, numba",
    "import_package": "then import proposals",
    "first": "first search",
    "second": "second search",
    "compiling": "first less second",
}


def run(cache: Path, image: Path, mode: str) -> dict[str, Any]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    command = [sys.executable, "-c", CHILD, str(image), mode]
    environment = clean | {"NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the search failed: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"compiling": found["first"] - found["second"]}


def measure(mode: str, repeats: int) -> dict[str, list[dict[str, Any]]]:
    results: dict[str, list[dict[str, Any]]] = {"cold": [], "cached": []}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            image, cache = Path(folder, "image.npy"), Path(folder, "cache")
            np.save(image, data.chelsea())
            cache.mkdir()
            for state, runs in results.items():
                runs.append(run(cache, image, mode))
                print(f"{state}: first search {runs[-1]['first']:.2f} s", file=sys.stderr)
    everything = [one for runs in results.values() for one in runs]
    assert all(one["compiled_at_import"] == 0 for one in everything), "importing compiles"
    assert all(one["compiled"] == 0 for one in results["cached"]), "the cache is not used"
    assert len({one["boxes"] for one in everything}) == 1, "cold and cached disagree"
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=tuple(MODES), default=search_mode(ProposeConfig()))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="file to write the results to")
    arguments = parser.parse_args()
    results = measure(arguments.mode, arguments.repeats)
    columns = {name: {key: [one[key] for one in runs] for key in ROWS} for name, runs in results.items()}
    cells = [[label, *(spread(columns[name][key]) for name in results)] for key, label in ROWS.items()]
    compiled = [str(max(one["compiled"] for one in runs)) for runs in results.values()]
    print(f"mode {arguments.mode}, one thread, {arguments.repeats} times; seconds: median (quartiles)\n")
    print(markdown(("", *results), [*cells, ["functions compiled", *compiled], ["while importing", "0", "0"]]))
    figures = {name: {key: quartiles(values) for key, values in column.items()} for name, column in columns.items()}
    report = {"mode": arguments.mode, "figures": figures, "runs": results}
    write_json(arguments.json, {"command": sys.argv, **environment(1), **report})


if __name__ == "__main__":
    main()
