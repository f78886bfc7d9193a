"""`googlenet-rcnn evaluate classification`: how often networks name a whole image rightly."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ActionSubCommands, Namespace

from tools.classification_options import build_parser
from tools.exit_status import ERROR, OK, SOME_IMAGES_FAILED
from tools.folder_runs import MOST_WORKERS, checked_job, open_run, run_in_folder, say_interrupted, usable_cores
from tools.messages import complain, tell
from tools.progress import ImageProgress
from tools.run_description import commit, versions
from tools.stop_signals import sigterm_interrupts

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    from detect.class_tables import DetectionClass
    from detect.classification_metrics import Accuracy
    from detect.image_classification import ImageClassifier
    from detect.labelled_images import LabelledImages
    from detect.run_folder import RunFolder

PREDICTIONS, METRICS = "predictions.csv", "metrics.json"
PROTOCOL = "GoogLeNet, section 7: softmax averaged over the crops of an image, then over the models"


@dataclasses.dataclass(frozen=True)
class Job:
    """A command whose arguments have been found good."""

    options: Namespace
    models: list[str]
    classifier: ImageClassifier
    classes: tuple[DetectionClass, ...]
    found: LabelledImages


def add_to(parent: ActionSubCommands) -> None:
    """Add `classification` to `evaluate`."""
    parent.add_subcommand("classification", build_parser(), help="top-1 and top-5 accuracy of networks")


def run(options: Namespace) -> int:
    """Classify and count; returns the exit status."""
    return run_in_folder(options, _open, _run_in)


def _open(options: Namespace) -> tuple[RunFolder, Job]:
    """Everything that can go wrong before the work.

    Raises:
        UsageError: one sentence that says what to do.
    """
    from detect.run_kinds import CLASSIFY

    mode, job = checked_job(options, CLASSIFY, _job)
    sources = [image.source for image in job.found.images]
    return open_run(options.out, _settings(job), mode, sources, kind=CLASSIFY), job


def _job(options: Namespace) -> Job:
    """Check everything that can be checked before the work, the cheap first.

    Raises:
        ValueError, DownloadError: one sentence that says what to do.
    """
    from configs.ranges import check_least
    from detect.classification_classes import common_classes
    from detect.classification_crops import crops_of
    from detect.devices import resolve_device, resolve_precision
    from detect.ensemble import load_members
    from detect.image_classification import ImageClassifier
    from detect.labelled_images import find_labelled_images
    from detect.region_classifier import RegionClassifier

    for name in ("limit", "size", "batch-size", "workers"):
        check_least(name, options[name.replace("-", "_")], 1)
    crops_of((1, 1), options.crops, size=options.size)
    resolve_precision(options.precision, resolve_device(options.device))
    names = [options.model] if isinstance(options.model, str) else options.model
    models = load_members(names)
    classes = common_classes([(name, model.info) for name, model in zip(names, models, strict=True)])
    found = find_labelled_images(Path(options.images), classes, limit=options.limit)
    networks = [
        RegionClassifier(model, device=options.device, precision=options.precision, box_regression=False)
        for model in models
    ]
    classifier = ImageClassifier(
        networks, len(classes), crops=options.crops, size=options.size, batch_size=options.batch_size
    )
    return Job(options, names, classifier, classes, found)


def _settings(job: Job) -> dict[str, Any]:
    """All that decides the answers; the models by their content, the images by what `--limit` leaves of them."""
    classifier = job.classifier
    return {
        "model_sha256": [network.sha256 for network in classifier.networks],
        "crops": classifier.crops,
        "size": classifier.size,
        "limit": job.options.limit,
        "device": classifier.device.type,
        "precision": str(classifier.networks[0].dtype).removeprefix("torch."),
        "batch_size": classifier.batch_size,
        "versions": versions(),
    }


def _description(job: Job) -> dict[str, Any]:
    files = zip(job.models, job.classifier.networks, strict=True)
    return {
        "models": [{"name": one.info.name, "file": file, "sha256": one.sha256} for file, one in files],
        "images": job.options.images,
        "images_to_choose_from": job.found.total,
        "commit": commit(),
    }


def _run_in(folder: RunFolder, job: Job) -> int:
    description = _description(job)
    try:
        with sigterm_interrupts():
            folder.start(description)
            _classify(folder, job)
            accuracy = _write(folder, job, description)
            folder.finish(description)
            _report(folder, job, accuracy)
    except KeyboardInterrupt:
        say_interrupted(len(folder.done), len(job.found.images))
        return ERROR
    return SOME_IMAGES_FAILED if accuracy.unreadable else OK


def _classify(folder: RunFolder, job: Job) -> None:
    """Classify all images not done yet, writing each record as it is there."""
    from detect.classification_metrics import classification_record
    from detect.image_classification import classify_images

    first, images = len(folder.done), job.found.images
    workers = job.options.workers or min(MOST_WORKERS, usable_cores())
    with ImageProgress(len(images), done=first, doing="classifying") as progress:
        results = classify_images(job.classifier, [one.source for one in images], first=first, workers=workers)
        for image, result in zip(images[first:], results, strict=True):
            folder.append(classification_record(result, image.label))
            progress.advance(failed=result.error is not None)


def _write(folder: RunFolder, job: Job, description: dict[str, Any]) -> Accuracy:
    """The metrics last: who finds them finds the predictions of the same run."""
    from detect.classification_metrics import accuracy_metrics, measure_accuracy, prediction_lines
    from detect.detection_records import read_records
    from detect.whole_files import write_lines, write_whole

    accuracy = measure_accuracy(read_records(folder.records_path), len(job.classes))
    write_lines(folder.folder / PREDICTIONS, prediction_lines(read_records(folder.records_path), job.classes))
    settings = _settings(job)
    content = {
        "protocol": PROTOCOL,
        "crops": settings["crops"],
        "models": description["models"],
        **accuracy_metrics(accuracy, job.classes),
        "images_to_choose_from": job.found.total,
        "settings": {"images": job.options.images, **settings},
        "commit": description["commit"],
    }
    write_whole(folder.folder / METRICS, json.dumps(content, indent=2).encode() + b"\n")
    return accuracy


def _report(folder: RunFolder, job: Job, accuracy: Accuracy) -> None:
    from detect.classification_metrics import accuracy_table

    classifier, images = job.classifier, int(accuracy.images.sum())
    crops = f"{classifier.crops} crop{'s' if classifier.crops > 1 else ''}"
    names = ", ".join(network.info.name for network in classifier.networks)
    tell(f"{images} images of {int((accuracy.images > 0).sum())} of {len(job.classes)} classes, {crops}, {names}")
    tell(accuracy_table(accuracy))
    tell(f"\n{folder.folder / METRICS} has every class, {PREDICTIONS} beside it every image")
    if accuracy.unreadable:
        complain(
            f"{len(accuracy.unreadable)} of {len(job.found.images)} images failed, and count neither way; "
            f"{folder.folder / METRICS} says why"
        )
