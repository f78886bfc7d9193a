"""`train … --check-data`: what is in the data, and what is wrong with it, before hours are spent."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tools.exit_status import OK, SOME_IMAGES_FAILED
from tools.folder_runs import usable_cores
from tools.messages import complain, tell
from tools.training_description import PROBLEMS, problem_lines, write_problems

if TYPE_CHECKING:
    from configs.training_data import DataSettings
    from detect.training.data_check import DataReport
    from detect.training.data_sets import Problem

TOLD = 20  # problems that are printed; the file has all
Config = TypeVar("Config")


def check_data(config: Config, out: Path, *, verb: str, check: Callable[[Config, Path], int]) -> int:
    """Read and decode everything, print counts, write OUT/data/report.json and problems.txt; returns the exit status.

    Args:
        check: does it, in the folder that this makes.
    Raises:
        ValueError: if there is nothing to train on, or an image is on both sides.
        RunFolderError: if OUT is not a folder for a training run.
        OutputError: if OUT cannot be written.
    """
    from detect.training.training_folder import TrainingFolder

    with TrainingFolder(out, "resume", verb=verb) as folder:
        folder.mark_data()
        return check(config, out)


def check_annotations(config: DataSettings, out: Path) -> int:
    """`check_data` of images with boxes."""
    from rich.console import Console

    from configs.training_data import DATA, read_training_data
    from detect.training.data_check import check_images, data_report, largest_corners, report_table

    data = read_training_data(config, out)
    complain(f"decoding {len(data.hashes)} images")
    parts = [data.train] if data.held_back is None else [data.train, data.held_back]
    problems = list(data.problems)
    for part in parts:
        problems += check_images(part.images, usable_cores(), far_corners=largest_corners(part))
    report = data_report(data.train, problems)
    held_back = None
    if data.held_back is not None:  # the problems are told once, of all data
        held_back = dataclasses.replace(data_report(data.held_back), name=f"validation: {data.held_back.name}")
    for one in filter(None, (report, held_back)):
        Console().print(report_table(one))
    tell(
        f"{report.images} images to train on with {report.objects} objects, {report.classes_with_boxes} of "
        f"{len(report.classes)} classes have boxes; {held_back.images if held_back else 0} images held back"
        + (f" with {held_back.objects} objects of {held_back.classes_with_boxes} classes" if held_back else "")
    )
    _write_report(out / DATA / "report.json", report, held_back)
    return say_problems(problems, out / DATA)


def say_problems(problems: Sequence[Problem], folder: Path) -> int:
    """Print the first ones and write them all below data/; returns the exit status.

    Raises:
        OutputError: if they cannot be written.
    """
    write_problems(folder, problems)
    for line in problem_lines(problems)[:TOLD]:
        complain(line)
    if problems:
        complain(f"{len(problems)} problems in all, listed in {folder / PROBLEMS}")
    return SOME_IMAGES_FAILED if problems else OK


def _write_report(path: Path, train: DataReport, held_back: DataReport | None) -> None:
    """The counts of what is trained on, and under `validation` of what is not."""
    from detect.whole_files import write_whole

    content = json.loads(train.to_json())
    content["validation"] = None if held_back is None else json.loads(held_back.to_json())
    write_whole(path, json.dumps(content, indent=2).encode() + b"\n")
