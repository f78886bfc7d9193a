"""How many photos a second would one large GPU do, what holds it back, and what would a large collection need?

    python benchmarks/scaling.py [--cores 16] [--shares 0.1 0.3 0.5] [--jobs 40152:3600 100000000:86400] [--json FILE]

Arithmetic, not a measurement: nothing here was run on a GPU. Operations and bytes of each stage are counted
(`benchmarks/stage_limits.py`, one photo of 500 × 375). A GPU is taken to reach a share of its datasheet's rates, of
arithmetic and of memory alike. A photo's cost on a CPU core was measured by other benchmarks (RESULTS.md), and so many
cores are taken to do so many times as much. Sizes of records, and the memory that a listed photo takes, are those of
this project's own code, measured here. Each figure is a flag.

One process drives a GPU. One of its cores hands it the operations, one by one, and suppresses; the others decode and
propose ahead of it. The slowest of these three decides. How many operations a photo is made of is counted; what handing
one over costs is assumed. Not counted: the weights of the products that read regions, which a core computes today.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import tracemalloc
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from limits import IMAGE
from measuring import duration, environment, markdown, size, write_json
from stage_limits import (
    Rates,
    Work,
    multibox_operations,
    multibox_work,
    read_by_products,
    read_operations,
    stage_work,
    stem_operations,
    tail_operations,
)

from detect.class_tables import ilsvrc_detection_classes
from detect.detection_records import detection_record, encode_record
from detect.detections import Detections
from detect.image_sources import find_images
from detect.pipeline import GROUP
from detect.region_warp import WarpSettings
from detect.shared_regions import SharedSettings, padded_size, resized_sizes

PRECISION = "bf16"
LISTED = 20_000  # photos, to see what one takes in memory
BATCHES = {"warp": 128, "shared": 512}  # regions in a pass on a GPU, `DetectorSettings.batch_size`
WORKERS, FEEDER, GPU = "decode, propose", "launch, suppress", "GPU"


@dataclass(frozen=True)
class Costs:
    """Seconds of one core a photo.

    Attributes:
        suppress: of one region; at the lowest score that is of use, 0.001.
        launch: to hand the GPU one operation.
    """

    decode: float
    search: float
    multibox: float
    suppress: float
    launch: float


@dataclass(frozen=True)
class Pipeline:
    """A way to detect.

    Attributes:
        way: warp or shared.
        regions: of a photo.
        search: whether selective search proposes.
        multibox: where MultiBox proposes: "cpu", "gpu", or None.
        in_jobs: whether the table of jobs has it.
    """

    name: str
    way: str
    regions: int
    search: bool
    multibox: str | None = None
    in_jobs: bool = False

    def gpu_work(self) -> list[Work]:
        """The stages of a photo on the GPU."""
        settings = SharedSettings() if self.way == "shared" else None
        work = stage_work(IMAGE, settings, self.regions, PRECISION)
        if settings is not None:
            work["read"] = read_by_products(IMAGE, settings, self.regions, PRECISION)
        looked = [multibox_work(PRECISION)] if self.multibox == "gpu" else []
        return [*work.values(), *looked]

    def worker_seconds(self, costs: Costs) -> float:
        """Of one core, before a photo can be classified."""
        return costs.decode + self.search * costs.search + (self.multibox == "cpu") * costs.multibox

    def operations(self) -> float:
        """Handed to the GPU for a photo, its share of full batches; few others (uploads, indexing) are left out."""
        looked = multibox_operations() if self.multibox == "gpu" else 0
        batch = BATCHES[self.way]
        if self.way == "warp":
            side = WarpSettings().size
            return looked + self.regions / batch * (stem_operations((side, side)) + tail_operations())
        a_map = padded_size(resized_sizes(IMAGE, SharedSettings())[0], SharedSettings())
        reading = math.ceil(self.regions / batch) * read_operations()
        return looked + stem_operations(a_map) + reading + self.regions / batch * tail_operations()

    def rates(self, costs: Costs, gpu: Rates, cores: int) -> dict[str, float]:
        """Photos a second that each part could do by itself."""
        return {
            WORKERS: (cores - 1) / self.worker_seconds(costs),
            FEEDER: 1 / (costs.suppress * self.regions + costs.launch * self.operations()),
            GPU: 1 / sum(gpu.seconds(work, PRECISION) for work in self.gpu_work()),
        }


PIPELINES = (
    Pipeline("warp, selective search ×2", "warp", 1000, search=True),
    Pipeline("shared, selective search ×2", "shared", 1000, search=True, in_jobs=True),
    Pipeline("shared, its best 200", "shared", 200, search=True),
    Pipeline("shared, both, the best 200, MultiBox on cores", "shared", 200, search=True, multibox="cpu"),
    Pipeline("shared, both, the best 200", "shared", 200, search=True, multibox="gpu", in_jobs=True),
    Pipeline("shared, MultiBox alone", "shared", 200, search=False, multibox="gpu", in_jobs=True),
)


def gpu_rates(peak: float, bandwidth: float, share: float) -> Rates:
    """A GPU that reaches a share of its datasheet's rates."""
    return Rates(0, {PRECISION: peak * share}, bandwidth * share)


def slowest(rates: dict[str, float]) -> str:
    """The part that decides."""
    return min(rates, key=lambda part: rates[part])


def cores_to_keep_up(pipeline: Pipeline, costs: Costs, rate: float) -> int:
    """So many cores decode and propose `rate` photos a second, and one feeds the GPU."""
    return 1 + math.ceil(rate * pipeline.worker_seconds(costs))


def record_bytes(detections: int) -> int:
    """Of one line of `detections.jsonl` with so many detections."""
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 250, (detections, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(20, 120, (detections, 2))], axis=1).astype(np.float32)
    scores = np.sort(rng.random(detections).astype(np.float32))[::-1]
    classes = ilsvrc_detection_classes()
    found = Detections(boxes, scores, rng.integers(0, len(classes), detections))
    seconds = {"decode": 0.0081, "propose": 0.1432, "classify": 0.0123}
    name = "0123/4567/012345678901.jpg"
    return len(encode_record(detection_record(name, IMAGE, found, classes, num_proposals=200, seconds=seconds)))


def listed_bytes(photos: int = LISTED) -> float:
    """Memory that a process needs for each photo of a list, at its worst while it reads the list."""
    with tempfile.TemporaryDirectory() as folder:
        names = Path(folder) / "photos.txt"
        names.write_text("".join(f"{number // 1000:04}/{number:012}.jpg\n" for number in range(photos)))
        tracemalloc.start()
        found = find_images([os.fspath(names)])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert len(found.images) == photos
    return peak / photos


def gpu_table(peak: float, bandwidth: float, shares: list[float]) -> str:
    """Milliseconds of the GPU, and photos a second, by share of its rates."""
    rows = []
    for one in (one for one in PIPELINES if one.multibox != "cpu"):
        work = one.gpu_work()
        cells = [f"{sum(part.flops for part in work) / 1e9:.0f}", f"{sum(part.bytes for part in work) / 1e6:.0f}"]
        for share in shares:
            seconds = sum(gpu_rates(peak, bandwidth, share).seconds(part, PRECISION) for part in work)
            cells.append(f"{1000 * seconds:.2f} ms, {1 / seconds:.0f}/s")
        rows.append([one.name, str(one.regions), *cells])
    return markdown(
        ["the GPU alone", "regions", "GFLOP", "MB", *(f"{share:.0%} of its rates" for share in shares)], rows
    )


def machine_table(costs: Costs, gpu: Rates, cores: int) -> str:
    """Photos a second of each part, what decides, and how many cores the GPU could use."""
    rows = []
    for one in PIPELINES:
        rates = one.rates(costs, gpu, cores)
        part = slowest(rates)
        needed = cores_to_keep_up(one, costs, rates[GPU])
        cells = [f"{one.operations():.0f}", *(f"{rates[name]:.0f}" for name in (WORKERS, FEEDER, GPU))]
        rows.append([one.name, *cells, f"**{rates[part]:.0f}**, {part}", str(needed)])
    header = ["photos a second", "operations a photo", f"{cores - 1} cores: {WORKERS}", f"1 core: {FEEDER}", "GPU"]
    return markdown([*header, "all", "cores that the GPU could use"], rows)


def jobs_table(jobs: list[tuple[int, float]], costs: Costs, gpu: Rates, cores: int, photo_bytes: float) -> str:
    """Machines, storage and results of large collections."""
    rows = []
    for images, seconds in jobs:
        rate = images / seconds
        for one in (one for one in PIPELINES if one.in_jobs):
            machine = min(one.rates(costs, gpu, cores).values())
            machines = math.ceil(rate / machine)
            rows.append(
                [
                    f"{images:,} in {duration(seconds)}",
                    one.name,
                    f"{rate:.3g}",
                    str(machines),
                    f"{images / machine / 3600:.3g}",
                    f"{rate * photo_bytes / 1e6:.3g}",
                    size(images * photo_bytes),
                ]
            )
    return markdown(
        ["photos", "way", "photos a second", "machines", "machine-hours", "MB a second to read", "in all"], rows
    )


def results_table(images: list[int], counts: list[int]) -> str:
    """Bytes of `detections.jsonl`."""
    rows = [
        [str(count), f"{record_bytes(count):,}", *(size(record_bytes(count) * n) for n in images)] for count in counts
    ]
    return markdown(["detections a photo", "bytes a line", *(f"{n:,} photos" for n in images)], rows)


def parse_job(text: str) -> tuple[int, float]:
    images, seconds = text.split(":")
    return int(images), float(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=16, help="of the machine, for one GPU")
    parser.add_argument(
        "--peak", type=float, default=989e12, help="operations a second, dense bfloat16 (H100 SXM datasheet)"
    )
    parser.add_argument("--bandwidth", type=float, default=3.35e12, help="bytes a second (H100 SXM datasheet)")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.3, 0.5], help="of these rates; assumed")
    parser.add_argument("--share", type=float, default=0.3, help="of the tables of machines and jobs")
    parser.add_argument("--decode", type=float, default=0.008, help="seconds a photo (RESULTS.md, detection on DET)")
    parser.add_argument("--search", type=float, default=0.143, help="seconds a photo (RESULTS.md, balanced ×2)")
    parser.add_argument("--multibox", type=float, default=0.023, help="seconds a photo on a core (RESULTS.md)")
    parser.add_argument(
        "--suppress", type=float, default=0.0114, help="seconds a photo (RESULTS.md, the pipeline, shared)"
    )
    parser.add_argument("--suppressed", type=int, default=1077, help="regions of such a photo (the same table)")
    parser.add_argument("--launch", type=float, default=1e-5, help="seconds to hand over one operation; assumed")
    parser.add_argument("--photo-bytes", type=float, default=110e3, help="of a file; ILSVRC's are about as large")
    parser.add_argument("--detections", type=int, nargs="+", default=[5, 100], help="in a line of results")
    parser.add_argument(
        "--jobs",
        type=parse_job,
        nargs="+",
        metavar="PHOTOS:SECONDS",
        default=[(40152, 3600.0), (40152, 600.0), (10**8, 604800.0), (10**8, 86400.0)],
        help="default: ILSVRC DET's 40,152 test photos, and a hundred million",
    )
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    costs = Costs(
        options.decode, options.search, options.multibox, options.suppress / options.suppressed, options.launch
    )
    gpu = gpu_rates(options.peak, options.bandwidth, options.share)
    images = sorted({count for count, _ in options.jobs})
    memory = listed_bytes()
    print(gpu_table(options.peak, options.bandwidth, options.shares), end="\n\n")
    print(f"At {options.share:.0%} of the GPU's rates:\n")
    print(machine_table(costs, gpu, options.cores), end="\n\n")
    print(jobs_table(options.jobs, costs, gpu, options.cores, options.photo_bytes), end="\n\n")
    print(results_table(images, options.detections), end="\n\n")
    lists = ", ".join(f"{size(memory * count)} for {count:,}" for count in images)
    print(f"A process that reads one list of all photos needs {memory:.0f} bytes for each: {lists}.")
    print(f"A process that was killed does at most {GROUP - 1} finished photos again.")
    results = {
        one.name: {**one.rates(costs, gpu, options.cores), "gpu_work": [asdict(work) for work in one.gpu_work()]}
        for one in PIPELINES
    }
    about = {"command": sys.argv, **environment(torch.get_num_threads())}
    write_json(options.json, {**about, "photos_a_second": results, "listed_bytes": memory})


if __name__ == "__main__":
    main()
