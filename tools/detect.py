"""`googlenet-rcnn detect`: a folder of photos in, named and scored boxes out."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ActionSubCommands, Namespace

from configs.detection import DetectionConfig, ProposalConfig, build_detector
from tools.detect_options import build_parser
from tools.exit_status import ERROR, OK, SOME_IMAGES_FAILED
from tools.folder_runs import (
    MOST_WORKERS,
    checked_job,
    open_run,
    run_in_folder,
    say_interrupted,
    say_what_was_found,
    usable_cores,
)
from tools.messages import complain, tell
from tools.progress import ImageProgress
from tools.run_description import count_records, description_of, settings_of
from tools.stop_signals import sigterm_interrupts

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    from detect.detector import Detector
    from detect.image_results import ImageResult
    from detect.image_sources import SourceImage
    from detect.run_folder import RunFolder

MOST_CORES = 64  # each holds an image and its feature maps


@dataclasses.dataclass(frozen=True)
class Job:
    """A command whose arguments have been found good.

    Attributes:
        images: of this shard, in order.
        exports: formats, of coco, ilsvrc, csv.
        image_index: numbers of images for ilsvrc; None: positions.
        threads: of torch's for one image, on a CPU: all, where the sources are one image.
    """

    config: DetectionConfig
    detector: Detector
    sources: tuple[str, ...]
    images: list[SourceImage]
    exports: tuple[str, ...]
    image_index: dict[str, int] | None
    draw: bool
    threads: int


def add_to(parent: ActionSubCommands) -> None:
    """Add `detect`."""
    parser = build_parser()
    parent.add_subcommand("detect", parser, help="find objects in photos: boxes, names and scores")


def run(options: Namespace) -> int:
    """Detect; returns the exit status."""
    return run_in_folder(options, _open, _run_in)


def _open(options: Namespace) -> tuple[RunFolder, Job]:
    """Everything that can go wrong before the work.

    Raises:
        UsageError: one sentence that says what to do.
    """
    from detect.run_kinds import DETECT

    mode, job = checked_job(options, DETECT, _job)
    settings = settings_of(job.config, job.detector, shard=options.shard, draw=job.draw)
    return open_run(options.out, settings, mode, job.images, kind=DETECT), job


def _run_in(folder: RunFolder, job: Job) -> int:
    from detect.exports import write_export

    try:
        with sigterm_interrupts():
            description = description_of(job.config, job.detector, job.sources)
            folder.start(description)
            _say_what_is_outdated(folder, job.exports)
            wall = _detect(folder, job)
            for name in job.exports:
                write_export(name, folder.records_path, job.detector.info.classes, job.image_index)
            counts, stages = count_records(folder.records_path)
            seconds = {"wall_of_last_session": round(wall, 2), **stages}
            folder.finish({**description, "counts": counts, "seconds": seconds})
            tell(
                f"{counts['images']} images, {counts['detections']} detections in {folder.records_path}"
                + (f"; pictures in {folder.outputs}" if job.draw and folder.outputs.is_dir() else "")
            )
            if counts["failed"]:
                complain(f"{counts['failed']} of {counts['images']} images failed; {folder.records_path} says why")
    except KeyboardInterrupt:
        say_interrupted(len(folder.done), len(job.images))
        return ERROR
    return SOME_IMAGES_FAILED if counts["failed"] else OK


def _say_what_is_outdated(folder: RunFolder, exports: Sequence[str]) -> None:
    from detect.exports import FILES

    lost = [name for name in folder.outdated if name not in {FILES[one] for one in exports}]
    if lost:
        complain(f"{', '.join(lost)}: of fewer images than there are now, deleted; --resume --export makes them anew")


def _detect(folder: RunFolder, job: Job) -> float:
    """Search all images not done yet, writing each as it is finished; returns the seconds that took."""
    from detect.freed_memory import keep_freed_memory
    from detect.pipeline import detect_images

    if job.detector.classifier.device.type == "cpu":
        keep_freed_memory()
    workers = job.config.workers or _default_workers(job.detector.classifier.device.type)
    started = time.monotonic()
    first = len(folder.done)
    with ImageProgress(len(job.images), done=first) as progress:
        for result in detect_images(job.detector, job.images, first=first, workers=workers, threads=job.threads):
            _write(result, folder, job)
            progress.advance(failed=result.error is not None)
    return time.monotonic() - started


def _write(result: ImageResult, folder: RunFolder, job: Job) -> None:
    """The picture first, then the record: an image with a record is complete."""
    from detect.detection_records import detection_record, error_record
    from detect.drawing import draw_detections, encode_jpeg
    from detect.error_line import error_line
    from detect.whole_files import write_whole

    name = result.source.name
    classes = job.detector.info.classes
    if result.image is None or result.detections is None:
        folder.append(error_record(name, result.error or "unknown reason"))
        return
    if job.draw:
        try:
            picture = encode_jpeg(draw_detections(result.image, result.detections, classes))
        except Exception as error:  # of one image; the others' pictures may well be drawn
            reason = f"{error_line(error, 'drawing')}; --no-draw detects without pictures"
            folder.append(error_record(name, reason))
            return
        write_whole(folder.output_path(name), picture)
    size = (result.image.shape[0], result.image.shape[1])
    folder.append(
        detection_record(
            name, size, result.detections, classes, num_proposals=result.num_proposals, seconds=result.seconds
        )
    )


def _job(options: Namespace) -> Job:
    """Check everything that can be checked before the work, the cheap first.

    Raises:
        ValueError, DownloadError: one sentence that says what to do.
    """
    from detect.exports import check_det_classes, parse_formats
    from detect.image_index import check_image_index, read_image_index
    from detect.image_sources import find_images, parse_shard, shard
    from detect.pipeline import GROUP
    from detect.run_kinds import DETECT

    config = _config(options)
    exports = parse_formats(options.export)
    if options.image_index and "ilsvrc" not in exports:
        raise ValueError("--image-index: expected --export ilsvrc with it")
    if options.shard and "ilsvrc" in exports and not options.image_index:
        raise ValueError("--export ilsvrc with --shard: expected --image-index, or all shards would number from 1")
    index = read_image_index(Path(options.image_index)) if options.image_index else None
    block = parse_shard(options.shard) if options.shard else (1, 1)
    found = find_images(options.source, exclude=Path(options.out, DETECT.outputs))
    images = shard(found.images, *block, group=GROUP)
    if index is not None:
        check_image_index([image.name for image in images if image.error is None], index)
    detector = build_detector(config)
    if "ilsvrc" in exports:
        check_det_classes(detector.info.classes)
    say_what_was_found(found)
    threads = usable_cores() if len(found.images) == 1 else 1
    return Job(config, detector, tuple(options.source), images, exports, index, options.draw, threads)


def _config(options: Namespace) -> DetectionConfig:
    values = {field.name: getattr(options, field.name) for field in dataclasses.fields(DetectionConfig)}
    values["proposals"] = ProposalConfig(**vars(options.proposals))
    values["model"] = options.model if isinstance(options.model, str) else _of_list(options.model)
    values["short_sides"] = None if options.short_sides is None else tuple(options.short_sides)
    return DetectionConfig(**values)


def _of_list(models: Sequence[str]) -> str | tuple[str, ...]:
    """A list of one is that one, in what is recorded too."""
    return models[0] if len(models) == 1 else tuple(models)


def _default_workers(device: str) -> int:
    """On a CPU each core has an image of its own; beside a GPU one core is left to what feeds it."""
    return min(MOST_WORKERS, max(1, usable_cores() - 1)) if device == "cuda" else min(MOST_CORES, usable_cores())
