"""`train … --check-data`: what is in the data, and what is wrong with it, before hours are spent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from configs.training import ClassifierTrainingConfig
from tools.exit_status import OK, SOME_IMAGES_FAILED
from tools.folder_runs import usable_cores
from tools.messages import complain, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detect.training.data_sets import Problem

TOLD = 20  # problems of a kind that are printed; the file has all


def check_data(config: ClassifierTrainingConfig, out: Path) -> int:
    """Read and decode everything, print counts, write OUT/data/report.json and problems.txt; returns the exit status.

    Raises:
        ValueError: if there is nothing to train on, or an image is on both sides.
        OutputError: if OUT cannot be written.
    """
    from rich.console import Console

    from configs.training_data import DATA, read_training_data
    from detect.training.data_check import check_images, data_report, largest_corners, report_table
    from detect.whole_files import write_whole

    data = read_training_data(config, out)
    complain(f"decoding {len(data.hashes)} images")
    parts = [data.train] if data.held_back is None else [data.train, data.held_back]
    problems = list(data.problems)
    for part in parts:
        problems += check_images(part.images, usable_cores(), far_corners=largest_corners(part))
    report = data_report(data.train, problems)
    Console().print(report_table(report))
    held_back = 0 if data.held_back is None else len(data.held_back)
    tell(
        f"{report.images} images to train on with {report.objects} objects, {report.classes_with_boxes} of "
        f"{len(report.classes)} classes have boxes; {held_back} images held back"
    )
    write_whole(out / DATA / "report.json", report.to_json().encode())
    if problems:
        listing = out / DATA / "problems.txt"
        write_whole(listing, "".join(f"{line}\n" for line in _lines(problems)).encode())
        for line in _lines(problems)[:TOLD]:
            complain(line)
        complain(f"{len(problems)} problems in all, listed in {listing}")
    return SOME_IMAGES_FAILED if problems else OK


def _lines(problems: Sequence[Problem]) -> list[str]:
    return [f"{one.kind}: {one.file}: {' '.join(one.what.split())}" for one in problems]
