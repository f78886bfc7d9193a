"""`googlenet-rcnn detect`: a folder of photos in, named and scored boxes out."""

from __future__ import annotations

import dataclasses
import os
import platform
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

from jsonargparse import ActionSubCommands, Namespace

from configs.detection import DetectionConfig, ProposalConfig, build_detector
from tools.detect_options import build_parser
from tools.exit_status import ERROR, OK, SOME_IMAGES_FAILED, UsageError
from tools.progress import ImageProgress

if TYPE_CHECKING:
    from detect.detector import Detector
    from detect.image_sources import FoundImages, SourceImage
    from detect.pipeline import ImageResult
    from detect.run_folder import RunFolder


def add_to(parent: ActionSubCommands) -> None:
    """Add `detect`."""
    parser = build_parser()
    parent.add_subcommand("detect", parser, help="find objects in photos: boxes, names and scores")


def run(options: Namespace) -> int:
    """Detect; returns the exit status."""
    config = _config(options)
    from detect.download import DownloadError
    from detect.exports import parse_formats, read_image_index
    from detect.image_sources import find_images, parse_shard, shard
    from detect.model_file import ModelFileError
    from detect.model_zoo import UnknownModelError
    from detect.run_folder import OutputError, RunFolder, RunFolderError

    try:
        formats = parse_formats(options.export)
        index = read_image_index(Path(options.image_index)) if options.image_index else None
        found = find_images(options.source, exclude=Path(options.out))
        images = found.images
        if options.shard:
            images = shard(images, *parse_shard(options.shard))
        if "ilsvrc" in formats and index is not None:
            _check_index(images, index)
        detector = build_detector(config)
        folder = RunFolder(Path(options.out), _settings(options, config, detector), _mode(options))
        folder.check_sources([image.name for image in images])
        _say_what_was_found(found)
    except (
        ValueError,
        FileNotFoundError,
        RunFolderError,
        UnknownModelError,
        ModelFileError,
        DownloadError,
    ) as error:
        raise UsageError(str(error)) from error
    try:
        with _stop_on_signals():
            counts = _detect(detector, images, folder, options, config)
            _export(folder, detector, formats, index)
    except OutputError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        done = f"after {len(folder.done)} of {len(images)} images" if folder.done else "before the first image"
        return _complain(f"interrupted {done}; continue with --resume")
    finally:
        folder.close()
    _summarise(counts, folder)
    return SOME_IMAGES_FAILED if counts["failed"] else OK


def _detect(
    detector: Detector,
    images: list[SourceImage],
    folder: RunFolder,
    options: Namespace,
    config: DetectionConfig,
) -> dict[str, Any]:
    """Search all images not done yet, writing each as it is finished; returns the counts of the whole run."""
    from detect.pipeline import detect_images

    workers = config.workers or _default_workers(detector.classifier.device.type)
    description = _description(detector, config, options)
    folder.start(description)
    started = time.monotonic()
    with ImageProgress(len(images), done=len(folder.done)) as progress:
        for result in detect_images(detector, images, first=len(folder.done), workers=workers):
            _write(result, folder, detector, draw=options.draw)
            folder.done.append(result.source.name)
            progress.advance(failed=result.error is not None)
    counts = _count(folder.records_path)
    seconds = {"wall_of_last_session": round(time.monotonic() - started, 2), **counts.pop("seconds")}
    folder.finish({**description, "counts": counts, "seconds": seconds})
    return counts


def _write(result: ImageResult, folder: RunFolder, detector: Detector, *, draw: bool) -> None:
    """The picture first, then the record: an image with a record is complete."""
    from detect.detection_records import detection_record, error_record
    from detect.drawing import draw_detections, encode_jpeg
    from detect.run_folder import write_whole

    name = result.source.name
    if result.image is None or result.detections is None:
        folder.append(error_record(name, result.error or "unknown reason"))
        return
    if draw:
        picture = draw_detections(result.image, result.detections, detector.info.classes)
        write_whole(folder.picture_path(name), encode_jpeg(picture))
    folder.append(
        detection_record(
            name,
            result.image.shape[:2],
            result.detections,
            detector.info.classes,
            num_proposals=result.num_proposals,
            seconds=result.seconds,
        )
    )


def _export(folder: RunFolder, detector: Detector, formats: tuple[str, ...], index: dict[str, int] | None) -> None:
    from detect.exports import coco_lines, csv_lines, ilsvrc_lines
    from detect.run_folder import write_lines

    records = folder.records_path
    for name in formats:
        if name == "coco":
            write_lines(folder.folder / "coco.json", coco_lines(records, detector.info.classes))
        elif name == "ilsvrc":
            write_lines(folder.folder / "ilsvrc.txt", ilsvrc_lines(records, index))
        else:
            write_lines(folder.folder / "detections.csv", csv_lines(records))


def _config(options: Namespace) -> DetectionConfig:
    names = [field.name for field in dataclasses.fields(DetectionConfig) if field.name != "proposals"]
    try:
        proposals = ProposalConfig(**vars(options.proposals))
        return DetectionConfig(proposals=proposals, **{name: getattr(options, name) for name in names})
    except ValueError as error:
        raise UsageError(str(error)) from error


def _mode(options: Namespace) -> Literal["new", "resume", "overwrite"]:
    if options.resume and options.overwrite:
        raise ValueError("--resume and --overwrite: expected one of them, got both")
    if options.resume:
        return "resume"
    return "overwrite" if options.overwrite else "new"


def _settings(options: Namespace, config: DetectionConfig, detector: Detector) -> dict[str, Any]:
    """All that decides the output; the model by its content, so that a moved file is still the same."""
    settings = dataclasses.asdict(config)
    for name in ("workers", "device", "precision", "model"):
        del settings[name]
    classifier = detector.classifier
    return {
        "model_sha256": classifier.sha256,
        **settings,
        "device": classifier.device.type,
        "precision": str(classifier.dtype).removeprefix("torch."),
        "batch_size": detector.batch_size,
        "shard": options.shard,
        "draw": options.draw,
    }


def _description(detector: Detector, config: DetectionConfig, options: Namespace) -> dict[str, Any]:
    import numpy
    import torch
    import torchvision

    versions = {
        "googlenet-rcnn": _version(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": numpy.__version__,
    }
    model = {"name": detector.info.name, "file": config.model, "sha256": detector.classifier.sha256}
    return {
        "model": model,
        "config": dataclasses.asdict(config),
        "sources": [os.fsencode(s).decode("utf-8", "backslashreplace") for s in options.source],
        "versions": versions,
    }


def _count(records: Path) -> dict[str, Any]:
    """Totals over all records, those of earlier sessions included."""
    from detect.detection_records import read_records

    counts: dict[str, Any] = {"images": 0, "failed": 0, "detections": 0, "proposals": 0}
    seconds: dict[str, float] = {}
    for record in read_records(records):
        counts["images"] += 1
        counts["failed"] += "error" in record
        counts["detections"] += len(record.get("detections", ()))
        counts["proposals"] += record.get("num_proposals", 0)
        for stage, value in record.get("seconds", {}).items():
            seconds[stage] = round(seconds.get(stage, 0.0) + value, 4)
    return {**counts, "seconds": seconds}


def _check_index(images: list[SourceImage], index: dict[str, int]) -> None:
    from detect.exports import image_number

    for image in images:
        if image.error is None and image_number(image.name, index) is None:
            raise ValueError(f"--image-index: expected a line for every image, found none for {image.name}")


def _say_what_was_found(found: FoundImages) -> None:
    notes = []
    if found.repeated:
        notes.append(f"{found.repeated} named more than once, taken once")
    if found.ignored:
        notes.append(f"{found.ignored} files that are not pictures passed over")
    if notes:
        print(f"googlenet-rcnn: {'; '.join(notes)}", file=sys.stderr)


def _summarise(counts: dict[str, Any], folder: RunFolder) -> None:
    print(
        f"{counts['images']} images, {counts['detections']} detections in {folder.records_path}"
        + (f"; pictures in {folder.pictures}" if folder.pictures.is_dir() else "")
    )
    if counts["failed"]:
        _complain(f"{counts['failed']} of {counts['images']} images failed; {folder.records_path} says why")


def _default_workers(device: str) -> int:
    """Beside a GPU all cores but one propose; on a CPU the network needs the cores, and one worker stays ahead."""
    return max(1, (os.cpu_count() or 1) - 1) if device == "cuda" else 1


@contextmanager
def _stop_on_signals() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: between two records, with a message."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _complain(sentence: str) -> int:
    print(f"googlenet-rcnn: {sentence}", file=sys.stderr)
    return ERROR


def _version() -> str:
    from importlib.metadata import version

    return version("googlenet-rcnn")
