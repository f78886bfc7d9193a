"""The flags of `googlenet-rcnn detect`."""

from __future__ import annotations

from jsonargparse import ActionYesNo, ArgumentParser

from configs.detection import DetectionConfig, ProposalConfig
from configs.proposing import METHODS, MODES
from tools.parser import Parser, make_parser
from tools.run_options import add_run_options, add_source_options

DESCRIPTION = """Find objects in photos.

  googlenet-rcnn detect PHOTOS --out OUT
  googlenet-rcnn detect 'trip/**/*.jpg' extra.png list.txt --out OUT --min-score 0.3 --export coco,csv
  googlenet-rcnn detect PHOTOS --out OUT --model A --model B --flip    an ensemble: better, in as many times the time
  googlenet-rcnn detect PHOTOS --out OUT --resume          continue an interrupted run
  googlenet-rcnn detect PHOTOS --out OUT2 --shard 2/4      the second quarter, on another machine

OUT/detections.jsonl has one line per image, in source order: its boxes in pixels of the upright image, or why it
failed. OUT/run.json says how the run was made, OUT/pictures shows the boxes. The detections.jsonl of all shards,
one after the other, are that of the whole.

Exit status: 0 all images done; 3 finished, some images failed; 2 wrong usage; 1 anything else."""


def build_parser() -> ArgumentParser:
    """The parser of `detect`."""
    parser = make_parser(DESCRIPTION)
    add_source_options(parser)
    _add_model_options(parser)
    _add_result_options(parser)
    add_run_options(parser)
    return parser


def _add_model_options(parser: Parser) -> None:
    default = DetectionConfig()
    parser.add_repeatable(
        "--model",
        type=str | list[str],
        default=default.model,
        help="a name from `googlenet-rcnn models list`, or a model file; given several times, or as a list: an "
        "ensemble of models of the same classes, whose probabilities are averaged; boxes are proposed once, as the "
        "first says, and each model adds its own time",
    )
    parser.add_argument(
        "--flip",
        action=ActionYesNo(yes_prefix="", no_prefix="no-"),
        default=default.flip,
        help="look at every region mirrored left to right too, and average: twice the time of the models",
    )
    parser.add_argument(
        "--box-regression",
        action=ActionYesNo(yes_prefix="", no_prefix="no-"),
        default=default.box_regression,
        help="correct boxes, where the model was trained to; --no-box-regression: as they were proposed, with "
        "the classifier's own scores",
    )
    parser.add_argument("--device", type=str, default=default.device, help="auto, cpu or cuda")
    parser.add_argument(
        "--precision",
        type=str,
        default=default.precision,
        help="auto, fp32, or bf16 (faster where the hardware has it)",
    )
    parser.add_argument(
        "--regions",
        type=str | None,
        default=default.regions,
        help="warp: each region by itself through the network (R-CNN); shared: all read from one map of the image, "
        "which takes a fraction of the time; null: the first that the model was trained for",
    )
    parser.add_argument(
        "--short-sides",
        type=list[int] | None,
        default=default.short_sides,
        help="of shared regions: pixels that an image's shorter side is resized to; [600,1000]: two maps, each region "
        "reads the one where it is nearest 224 pixels; null: what the model was trained for, else [600]",
    )
    parser.add_argument(
        "--batch-size", type=int | None, default=None, help="regions a pass; 16 on a CPU, 128 on a GPU; shared: 64, 512"
    )
    parser.add_argument(
        "--workers",
        type=int | None,
        default=None,
        help="images at a time; beside a GPU: threads that decode and propose ahead; null: one a core",
    )
    proposals = ProposalConfig()
    parser.add_argument(
        "--proposals.method", type=str | None, default=None, help=f"{', '.join(METHODS)}; what the model says"
    )
    parser.add_argument("--proposals.mode", type=str | None, default=None, help=f"selective search: {', '.join(MODES)}")
    parser.add_argument(
        "--proposals.superpixel-scale",
        "--proposals.superpixel_scale",
        type=float | None,
        default=None,
        help="2: GoogLeNet's enlarged superpixels, about half the boxes of 1",
    )
    parser.add_argument("--proposals.limit", type=int | None, default=None, help="at most so many boxes an image")
    parser.add_argument(
        "--proposals.multibox",
        type=str | None,
        default=None,
        help="the MultiBox model: multibox, which comes with the package, or a file",
    )
    parser.add_argument(
        "--proposals.multibox-limit",
        "--proposals.multibox_limit",
        type=int | None,
        default=None,
        help="at most so many of MultiBox's boxes an image",
    )
    parser.add_argument("--proposals.seed", type=int, default=proposals.seed, help="of the ranking of proposals")


def _add_result_options(parser: ArgumentParser) -> None:
    default = DetectionConfig()
    parser.add_argument(
        "--min-score",
        type=float,
        default=default.min_score,
        help="leave out detections below; 0.4 suits looking at pictures (0.6 of a model without fit), "
        "0.001 suits computing mAP",
    )
    parser.add_argument(
        "--nms-iou",
        type=float,
        default=default.nms_iou,
        help="overlap above which the worse of two of a class goes",
    )
    parser.add_argument(
        "--vote-iou",
        type=float,
        default=default.vote_iou,
        help="a box is the mean of all that overlap it by this, weighted by probability; 1: it stays as it is",
    )
    parser.add_argument(
        "--nested-factor",
        type=float,
        default=default.nested_factor,
        help="of the score of a box that lies in a better one of its class, or around it; 1: it stays",
    )
    parser.add_argument("--max-detections", type=int, default=default.max_detections, help="kept per image, best first")
    parser.add_argument("--export", type=str, default="", help="further files: any of coco,ilsvrc,csv")
    parser.add_argument(
        "--image-index",
        type=str | None,
        default=None,
        help="for --export ilsvrc: lines NAME INDEX, as in val.txt",
    )
    parser.add_argument(
        "--draw",
        action=ActionYesNo(yes_prefix="", no_prefix="no-"),
        default=True,
        help="write annotated pictures to OUT/pictures",
    )
