"""`googlenet-rcnn evaluate proposals`: how many objects the proposed boxes cover, and how closely."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ActionSubCommands, Namespace

from tools.exit_status import ERROR, OK, UsageError
from tools.messages import complain, tell
from tools.parser import make_parser
from tools.progress import ImageProgress

if TYPE_CHECKING:
    from detect.ground_truth import GroundTruth
    from detect.proposal_recall import MeasuredProposals

FILES = METRICS, PER_CLASS, PLOT = ("metrics.json", "per_class.csv", "recall.png")

DESCRIPTION = """Measure proposals against ground truth: coverage (recall at IoU 0.5), ABO, MABO and AR
of the 10, 100, 300, 1000, 2000 best boxes of each image, and of all.

  googlenet-rcnn evaluate proposals --proposals PROPOSALS --ground-truth ILSVRC --out SCORES

prints a table and writes metrics.json, per_class.csv and recall.png. Every image of the ground truth
must have a file in PROPOSALS, or a record there that it could not be read: then it has no boxes."""


def add_to(parent: ActionSubCommands) -> None:
    """Add `proposals` to `evaluate`."""
    parser = make_parser(DESCRIPTION)
    parser.add_argument("--config", action="config", help="YAML file with any of these settings")
    parser.add_argument("--proposals", type=str, required=True, help="folder that `googlenet-rcnn propose` wrote")
    parser.add_argument(
        "--ground-truth",
        type=str,
        required=True,
        help="an ILSVRC or VOC tree (the folder above Annotations), a COCO .json, or the ILSVRC devkit's .mat",
    )
    parser.add_argument("--out", type=str, required=True, help="folder for metrics.json, per_class.csv and recall.png")
    parser.add_argument("--image-list", type=str, help="evaluate these images only: a file with a name on each line")
    parser.add_argument(
        "--image-index",
        type=str,
        help="ILSVRC's val.txt, lines `NAME INDEX`; the devkit's .mat has no names without it",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier evaluation in --out")
    parent.add_subcommand("proposals", parser, help="coverage, MABO and AR of proposed boxes")


def run(options: Namespace) -> int:
    """Evaluate; returns the exit status."""
    from detect.whole_files import OutputError

    try:
        _evaluate(options)
    except ValueError as error:
        raise UsageError(str(error)) from error
    except OutputError as error:
        complain(str(error))
        return ERROR
    return OK


def _evaluate(options: Namespace) -> None:
    from detect.proposal_recall import measure_proposals
    from detect.recall_report import table

    out = _output_folder(options)
    truth = _ground_truth(options)
    with ImageProgress(len(truth.images), doing="measuring") as progress:
        measured = measure_proposals(truth, Path(options.proposals), each=lambda: progress.advance(failed=False))
    _write(measured, options, out)
    tell(table(measured))
    tell(f"\n{', '.join(FILES)} in {out}")


def _output_folder(options: Namespace) -> Path:
    out = Path(options.out)
    if not options.out:
        raise ValueError("--out: expected a folder, got nothing")
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out: expected a folder, got the file {out}")
    present = [name for name in FILES if (out / name).exists()]
    if present and not options.overwrite:
        raise ValueError(f"--out {out} already holds {present[0]}: give --overwrite to replace results")
    return out


def _ground_truth(options: Namespace) -> GroundTruth:
    from detect.ground_truth_files import read_ground_truth

    path = Path(options.ground_truth)
    image_list, image_index = (Path(name) if name else None for name in (options.image_list, options.image_index))
    if path.suffix.lower() == ".mat" and image_index is None:
        raise ValueError(f"--image-index: expected ILSVRC's val.txt: {path} has no names of images")
    return read_ground_truth(path, image_list=image_list, image_index=image_index)


def _write(measured: MeasuredProposals, options: Namespace, out: Path) -> None:
    """The metrics last: who finds them finds the rest of the same run."""
    from detect.recall_plot import draw_recall
    from detect.recall_report import per_class_csv, report
    from detect.whole_files import output_error, write_whole
    from tools.run_description import commit, versions

    settings = {name: options[name] for name in ("proposals", "ground_truth", "image_list", "image_index")}
    metrics = {
        **report(measured),
        "settings": settings,
        "versions": versions(("googlenet-rcnn", "numpy")),
        "commit": commit(),
    }
    try:
        (out / METRICS).unlink(missing_ok=True)
    except OSError as error:
        raise output_error(out / METRICS, error) from error
    write_whole(out / PLOT, draw_recall(metrics))
    write_whole(out / PER_CLASS, per_class_csv(measured).encode())
    write_whole(out / METRICS, json.dumps(metrics, indent=2).encode() + b"\n")
