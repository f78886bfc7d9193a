"""Does memory grow with the folder? Resident size of `googlenet-rcnn detect` over thousands of photos.

The folder is links to the same photos over and over, of all their sizes. The command runs as a process of its own; its
resident size is read twice a second, and at each mark is the median (quartiles, and the largest) over the last fifth of
the photos up to it. Few proposals, so that it takes minutes: what is proposed, and how much, is not what could grow.

    python benchmarks/memory_over_folder.py --images FOLDER --model FILE --count 5000 --json memory.json
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measuring import environment, markdown, spread, write_json

from detect.image_sources import find_images

DETECT = "import sys; from tools.cli import main; sys.exit(main())"


def link_photos(images: Path, folder: Path, count: int) -> None:
    """`count` links in `folder` to the photos of `images`, again and again."""
    photos = [source.path.resolve() for source in find_images([str(images)]).images]
    for number in range(count):
        photo = photos[number % len(photos)]
        (folder / f"{number:06}{photo.suffix}").symlink_to(photo)


def resident_bytes(process: int) -> int | None:
    """None once it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return None
    lines = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(lines[0].split()[1]) * 1024 if lines else None


def watch(command: list[str], records: Path) -> list[tuple[int, int]]:
    """(photos done, resident bytes) twice a second until the command has ended."""
    samples, done, read = [], 0, 0
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            time.sleep(0.5)
            size = resident_bytes(process.pid)
            if records.exists():
                with records.open("rb") as file:
                    file.seek(read)
                    new = file.read()
                done, read = done + new.count(b"\n"), read + len(new)
            if size is not None:
                samples.append((done, size))
                print(f"{done} photos, {size / 1e6:.0f} MB", end="\r", file=sys.stderr)
    if process.returncode:
        raise SystemExit(f"detect ended with status {process.returncode}")
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="folder of photos")
    parser.add_argument("--model", required=True, help="name or file of a model")
    parser.add_argument("--count", type=int, default=5000, help="links")
    parser.add_argument("--marks", type=int, default=5, help="the resident size is reported so many times")
    parser.add_argument("--proposals", type=int, default=20, help="regions a photo")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = Path(scratch, "photos"), Path(scratch, "out")
        folder.mkdir()
        link_photos(options.images, folder, options.count)
        flags = ["--regions", "shared", "--no-draw", "--proposals.method", "both", "--proposals.mode", "single"]
        flags += ["--proposals.limit", str(options.proposals), "--model", options.model]
        command = [sys.executable, "-c", DETECT, "detect", str(folder), "--out", str(out), *flags]
        started = time.monotonic()
        samples = np.array(watch(command, out / "detections.jsonl"))
        seconds = time.monotonic() - started
    marks = np.linspace(0, options.count, options.marks + 1)[1:].astype(int)
    rows, results = [], []
    for mark in marks:
        near = samples[(samples[:, 0] > mark - 0.2 * marks[0]) & (samples[:, 0] <= mark), 1] / 1e6
        rows.append(
            [
                str(mark),
                spread(near, ".0f"),
                f"{near.max():.0f}",
                f"{np.median(near) / results[0]:.3f}" if results else "",
            ]
        )
        results.append(float(np.median(near)))
    print(markdown(["photos", "resident, MB", "largest", "of the first"], rows))
    print(f"\n{options.count} photos in {seconds:.0f} s")
    write_json(options.json, {**environment(0), "marks": marks.tolist(), "MB": results, "seconds": seconds})


if __name__ == "__main__":
    main()
