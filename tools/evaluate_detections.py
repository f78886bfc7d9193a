"""`googlenet-rcnn evaluate detections`: the score of any detector's output file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ActionSubCommands, Namespace

from tools.exit_status import ERROR, OK, UsageError
from tools.messages import complain, tell
from tools.parser import Parser, make_parser
from tools.progress import ImageProgress
from tools.score_page import PAGE, add_page_flags, page_of, photos_of

if TYPE_CHECKING:  # these take a second to import; `--help` must not
    from detect.ground_truth import GroundTruth
    from detect.predictions import Predictions, ReadingNotes
    from detect.scoring import Evaluation
    from detect.scoring.analysis import Analysis

METRICS = "metrics.json"
PER_CLASS = "per_class.csv"
PROTOCOLS = ("ilsvrc", "voc07", "voc10", "coco")
SETTINGS = ("predictions", "ground_truth", "protocol", "image_index", "image_list", "blacklist", "proposals", "images")
SHOWN = 5  # best and worst classes in the table

DESCRIPTION = """Average precision of detections, by the rules of ILSVRC, VOC or COCO.

  googlenet-rcnn evaluate detections --predictions OUT/detections.jsonl --ground-truth ILSVRC --out SCORE
  googlenet-rcnn evaluate detections --predictions found.json --ground-truth instances.json --out SCORE --protocol coco

Prints the means with the best and worst classes, and why they are what they are: what each of TIDE's six
types of errors costs, average precision by the size of objects, and the most confused classes. Writes
SCORE/metrics.json, SCORE/per_class.csv and SCORE/index.html, one file for a browser. With --images PHOTOS
the page shows each class's best hits, worst false positives and misses on the photos."""


def add_to(parent: ActionSubCommands) -> None:
    """Add `detections` to the actions of `evaluate`."""
    parent.add_subcommand("detections", build_parser(), help="average precision of detections")


def build_parser() -> Parser:
    """The flags."""
    parser = make_parser(DESCRIPTION)
    parser.add_argument("--config", action="config", help="YAML file with any of these settings")
    parser.add_argument(
        "--predictions",
        type=str,
        required=True,
        help="ILSVRC submission (.txt, .gz: `index det_id score xmin ymin xmax ymax`), our .jsonl, or COCO's .json",
    )
    parser.add_argument(
        "--ground-truth", type=str, required=True, help="ILSVRC or VOC tree, COCO .json, or the ILSVRC devkit's .mat"
    )
    parser.add_argument("--out", type=str, required=True, help="folder for the results")
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default="ilsvrc",
        help="whose rule; voc07: 11 points (recall compared exactly), voc10: area",
    )
    parser.add_argument(
        "--image-index", type=str, help="lines `NAME INDEX` (ILSVRC's val.txt): the numbers of the data set's images"
    )
    parser.add_argument("--image-list", type=str, help="names of images, one a line: score these only")
    parser.add_argument(
        "--blacklist", type=str, help="lines `INDEX WNID`: classes that count neither way on an image (ilsvrc only)"
    )
    parser.add_argument(
        "--proposals", type=str, help="folder that `googlenet-rcnn propose` wrote: also, how many objects they cover"
    )
    parser.add_argument("--no-analysis", action="store_true", help="leave out why: types of errors, sizes, confusions")
    add_page_flags(parser)
    parser.add_argument("--all", action="store_true", help="print every class")
    parser.add_argument("--overwrite", action="store_true", help="replace results that are in --out")
    return parser


def run(options: Namespace) -> int:
    """Score; returns the exit status."""
    from detect.score_page import ScoredData
    from detect.whole_files import OutputError

    try:
        out = _output_folder(options)
        truth, predictions = _read(options)
        photos = photos_of(options, truth)
        evaluation = _evaluate(options, truth, predictions)
        analysis = _analyse(options, truth, predictions, evaluation)
    except ValueError as error:
        raise UsageError(str(error)) from error
    remarks = _remarks(predictions.notes)
    page = page_of(options, ScoredData(truth, predictions, evaluation, analysis), photos, remarks)
    try:
        _write(out, evaluation, analysis, predictions.notes, options, page)
    except OutputError as error:
        complain(str(error))
        return ERROR
    for sentence in remarks:
        complain(f"{options.predictions}: {sentence}")
    tell(_report(evaluation, analysis, every=options.all))
    tell(f"\n{out / METRICS} and {PER_CLASS} beside it have every class")
    if page is not None:
        tell(f"{out / PAGE} shows them in a browser")
    return OK


def _output_folder(options: Namespace) -> Path:
    out = Path(options.out)
    if not options.out:
        raise ValueError("--out: expected a folder, got nothing")
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out: expected a folder, got the file {out}")
    present = [name for name in (METRICS, PER_CLASS, PAGE) if (out / name).exists()]
    if present and not options.overwrite:
        raise ValueError(f"--out {out} already holds {present[0]}: give --overwrite to replace results")
    return out


def _read(options: Namespace) -> tuple[GroundTruth, Predictions]:
    from detect.ground_truth_files import read_ground_truth
    from detect.image_index import read_image_index
    from detect.prediction_images import PredictionImages
    from detect.predictions import read_predictions
    from detect.predictions_coco import coco_labels

    source, predictions = Path(options.ground_truth), Path(options.predictions)
    _check_proposals(options)
    if not predictions.is_file():
        raise ValueError(f"--predictions: no such file: {predictions}")
    if options.blacklist and options.protocol != "ilsvrc":
        raise ValueError(f"--blacklist: expected --protocol ilsvrc with it, got {options.protocol}")
    image_list, image_index = (Path(name) if name else None for name in (options.image_list, options.image_index))
    truth = read_ground_truth(source, image_list=image_list, image_index=image_index)
    index = read_image_index(image_index) if image_index else None
    images = PredictionImages(truth, index, restricted=image_list is not None)
    labels = coco_labels(source) if source.suffix.lower() == ".json" else None
    return truth, read_predictions(predictions, images, labels)


def _check_proposals(options: Namespace) -> None:
    """Before a large file is read and scored in vain."""
    if not options.proposals:
        return
    if options.no_analysis:
        raise ValueError("--proposals: expected without --no-analysis, which leaves out what they are for")
    if not Path(options.proposals).is_dir():
        raise ValueError(f"--proposals: no such folder: {options.proposals}")
    if Path(options.ground_truth).suffix.lower() == ".mat" and not options.image_index:
        raise ValueError(f"--image-index: expected ILSVRC's val.txt: {options.ground_truth} has no names of images")


def _evaluate(options: Namespace, truth: GroundTruth, predictions: Predictions) -> Evaluation:
    from detect.scoring import evaluate, read_blacklist

    blacklist = read_blacklist(Path(options.blacklist), truth) if options.blacklist else None
    return evaluate(truth, predictions, options.protocol, blacklist=blacklist)


def _analyse(
    options: Namespace, truth: GroundTruth, predictions: Predictions, evaluation: Evaluation
) -> Analysis | None:
    from detect.proposal_recall import measure_proposals
    from detect.scoring.analysis import analyse

    if options.no_analysis:
        return None
    if not options.proposals:
        return analyse(truth, predictions, evaluation)
    with ImageProgress(len(truth.images), doing="measuring") as progress:
        measured = measure_proposals(truth, Path(options.proposals), each=lambda: progress.advance(failed=False))
    remarks = {
        "images could not be searched and count as having no proposals": measured.failed,
        "images have another size than the ground truth says": measured.other_size,
    }
    for sentence, names in remarks.items():
        if names:
            complain(f"{options.proposals}: {len(names)} {sentence}, such as {names[0]}")
    return analyse(truth, predictions, evaluation, proposals=measured)


def _write(
    out: Path,
    evaluation: Evaluation,
    analysis: Analysis | None,
    notes: ReadingNotes,
    options: Namespace,
    page: bytes | None,
) -> None:
    """The metrics last: who finds them finds the table and the page of the same run."""
    from detect.scoring.analysis_tables import analysis_metrics
    from detect.scoring.tables import class_rows, csv_text, metrics
    from detect.whole_files import output_error, write_whole
    from tools.run_description import commit, versions

    classes = [one.detection_class for one in evaluation.per_class]
    content = {
        **metrics(evaluation, notes),
        **(analysis_metrics(analysis, classes) if analysis else {}),
        "settings": {name: options[name] for name in SETTINGS},
        "versions": versions(("googlenet-rcnn", "numpy", "pycocotools")),
        "commit": commit(),
    }
    try:
        for name in (METRICS, PAGE):
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise output_error(out / name, error) from error
    if page is not None:
        write_whole(out / PAGE, page)
    write_whole(out / PER_CLASS, csv_text(class_rows(evaluation)).encode())
    write_whole(out / METRICS, json.dumps(content, indent=2).encode() + b"\n")


def _remarks(notes: ReadingNotes) -> list[str]:
    remarks = {
        f"{notes.passed_over} detections are on images that are not scored; they were passed over": notes.passed_over,
        f"{notes.other_classes} detections are of classes that the ground truth does not know; they were passed "
        "over": notes.other_classes,
        f"{notes.empty_boxes} boxes have no area, the first on line {notes.first_empty_line}; they match nothing and "
        "count as wrong": notes.empty_boxes,
        f"{notes.failed_images} images could not be searched; their objects count as not found": notes.failed_images,
        f"{notes.silent_images} images of the ground truth have no record; their objects count as not "
        "found": notes.silent_images,
        f"{notes.other_sizes} images had another size than the ground truth says when they were searched, such as "
        f"{notes.first_other_size}; boxes are compared as they are": notes.other_sizes,
    }
    return [sentence for sentence, number in remarks.items() if number]


def _report(evaluation: Evaluation, analysis: Analysis | None, *, every: bool) -> str:
    from detect.scoring.analysis_tables import why
    from detect.scoring.tables import best_first, class_table, summary

    ranked = best_first(evaluation)
    parts = [summary(evaluation)]
    if every:
        parts.append(class_table(evaluation.per_class))
    elif len(ranked) > 2 * SHOWN:
        parts += [f"best\n{class_table(ranked[:SHOWN])}", f"worst\n{class_table(ranked[-SHOWN:])}"]
    elif ranked:
        parts.append(class_table(ranked))
    if analysis:
        parts.append(why(analysis, [one.detection_class for one in evaluation.per_class]))
    return "\n\n".join(parts)
