"""`googlenet-rcnn propose`: a folder of photos in, a file of ranked boxes for each out."""

from __future__ import annotations

import dataclasses
import time
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from jsonargparse import ActionSubCommands, Namespace

from configs.proposing import MultiBoxPart, ProposeConfig, build_image_proposer, load_multibox_part
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
from tools.propose_options import build_parser
from tools.run_description import count_records, proposing_description, proposing_settings
from tools.stop_signals import sigterm_interrupts

if TYPE_CHECKING:  # numba takes most of a second to import; `--help` must not
    from detect.image_sources import FoundImages, SourceImage
    from detect.proposed_images import ProposedImage
    from detect.run_folder import RunFolder


@dataclasses.dataclass(frozen=True)
class Job:
    """A command whose arguments have been found good.

    Attributes:
        found: what all sources came to.
        images: of this shard, in order.
        multibox: where it takes part.
    """

    config: ProposeConfig
    sources: tuple[str, ...]
    found: FoundImages
    images: list[SourceImage]
    multibox: MultiBoxPart | None


def add_to(parent: ActionSubCommands) -> None:
    """Add `propose`."""
    parent.add_subcommand("propose", build_parser(), help="boxes where an object might be, a file per photo")


def run(options: Namespace) -> int:
    """Propose; returns the exit status."""
    return run_in_folder(options, _open, _run_in)


def _open(options: Namespace) -> tuple[RunFolder, Job]:
    """Everything that can go wrong before the work.

    Raises:
        UsageError: one sentence that says what to do.
    """
    from detect.run_kinds import PROPOSE

    mode, job = checked_job(options, PROPOSE, _job)
    settings = proposing_settings(job.config, shard=options.shard, multibox=job.multibox)
    folder = open_run(options.out, settings, mode, job.images, kind=PROPOSE)
    say_what_was_found(job.found)
    return folder, job


def _job(options: Namespace) -> Job:
    """Check everything that can be checked before the work.

    Raises:
        ValueError: one sentence that says what to do.
    """
    from detect.image_sources import find_images, parse_shard, shard

    config = ProposeConfig(**{field.name: getattr(options, field.name) for field in dataclasses.fields(ProposeConfig)})
    block = parse_shard(options.shard) if options.shard else (1, 1)
    found = find_images(options.source)
    images = shard(found.images, *block)
    return Job(config, tuple(options.source), found, images, load_multibox_part(config))


def _run_in(folder: RunFolder, job: Job) -> int:
    try:
        with sigterm_interrupts():
            description = proposing_description(job.config, job.sources, multibox=job.multibox)
            folder.start(description)
            wall = _propose(folder, job)
            totals, stages = count_records(folder.records_path)
            counts = {name: totals[name] for name in ("images", "failed", "proposals")}
            seconds = {"wall_of_last_session": round(wall, 2), **stages}
            folder.finish({**description, "counts": counts, "seconds": seconds})
            tell(f"{counts['images']} images, {counts['proposals']} proposals in {folder.folder}")
            if counts["failed"]:
                complain(f"{counts['failed']} of {counts['images']} images failed; {folder.records_path} says why")
    except KeyboardInterrupt:
        say_interrupted(len(folder.done), len(job.images))
        return ERROR
    return SOME_IMAGES_FAILED if counts["failed"] else OK


def _propose(folder: RunFolder, job: Job) -> float:
    """Search all images not done yet, writing each as it is finished; returns the seconds that took."""
    from detect.proposed_images import propose_images

    workers = job.config.workers or min(MOST_WORKERS, usable_cores())
    started = time.monotonic()
    first = len(folder.done)
    with ImageProgress(len(job.images), done=first, doing="proposing") as progress, _threads_of(job):
        build = partial(build_image_proposer, job.config, multibox=job.multibox)
        for result in propose_images(build, job.images[first:], workers=workers):
            _write(result, folder)
            progress.advance(failed=result.error is not None)
    return time.monotonic() - started


def _threads_of(job: Job) -> AbstractContextManager[None]:
    """Torch keeps to the threads of the images; it is not imported where nothing needs it."""
    if job.multibox is None:
        return nullcontext()
    from detect.torch_threads import one_torch_thread

    return one_torch_thread()


def _write(result: ProposedImage, folder: RunFolder) -> None:
    """The boxes first, then the record: an image with a record is complete."""
    from detect.detection_records import error_record, proposal_record
    from detect.whole_files import write_whole
    from proposals.proposal_files import proposal_bytes

    name = result.source.name
    if result.size is None or result.proposals is None:
        folder.append(error_record(name, result.error or "unknown reason"))
        return
    write_whole(folder.output_path(name), proposal_bytes(result.proposals, result.size))
    folder.append(proposal_record(name, result.size, num_proposals=len(result.proposals), seconds=result.seconds))
