"""The flags of `googlenet-rcnn propose`."""

from __future__ import annotations

from jsonargparse import ArgumentParser

from configs.proposing import CROPS, METHODS, MODES, ProposeConfig
from tools.parser import make_parser
from tools.run_options import add_run_options, add_source_options

DESCRIPTION = """Propose boxes where an object might be, whatever it is.

  googlenet-rcnn propose PHOTOS --out OUT
  googlenet-rcnn propose PHOTOS --out OUT --superpixel-scale 2    GoogLeNet's enlarged superpixels: half the boxes
  googlenet-rcnn propose PHOTOS --out OUT --mode quality --limit 2000
  googlenet-rcnn propose PHOTOS --out OUT --method both           such a search and 200 boxes of MultiBox in one list
  googlenet-rcnn propose PHOTOS --out OUT --method multibox       MultiBox alone
  googlenet-rcnn propose PHOTOS --out OUT --resume                continue an interrupted run
  googlenet-rcnn propose PHOTOS --out OUT2 --shard 2/4            the second quarter, on another machine

OUT/sub/a.jpg.npz belongs to sub/a.jpg: `boxes` (N, 4) float32, x1 y1 x2 y2 in pixels of the upright image, ranked
best first; `scores` (N,) float32, which mean nothing beyond that order; `size`, the image's height and width. In
Python: `from proposals.proposal_files import read_proposals`, or numpy.load.

OUT/proposals.jsonl has one line per image, in source order: its size and the number of its boxes, or why it failed.
OUT/run.json says how the run was made. The same images and settings give the same boxes, with any number of workers.

Exit status: 0 all images done; 3 finished, some images failed; 2 wrong usage; 1 anything else."""


def build_parser() -> ArgumentParser:
    """The parser of `propose`."""
    parser = make_parser(DESCRIPTION)
    add_source_options(parser)
    _add_search_options(parser)
    _add_multibox_options(parser)
    parser.add_argument(
        "--workers",
        type=int | None,
        default=None,
        help="threads, one an image, or with fewer images WORKERS // images in the search of each; null: one per core, "
        "at most 16",
    )
    add_run_options(parser)
    return parser


def _add_search_options(parser: ArgumentParser) -> None:
    default = ProposeConfig()
    parser.add_argument(
        "--method",
        type=str,
        default=default.method,
        help=f"{', '.join(METHODS)}: a network's boxes, or those and the search's, near duplicates once",
    )
    parser.add_argument(
        "--mode",
        type=str | None,
        default=None,
        help=f"selective search: {', '.join(MODES)}; null: what the search itself takes",
    )
    parser.add_argument(
        "--superpixel-scale",
        type=float | None,
        default=None,
        help="selective search: 2: GoogLeNet's enlarged superpixels, about half the boxes of 1; null: 2 with --method "
        "both, else 1",
    )
    parser.add_argument("--limit", type=int | None, default=None, help="at most so many boxes an image, the best")
    parser.add_argument("--seed", type=int, default=default.seed, help="selective search: of the ranking")
    parser.add_argument(
        "--search-width",
        type=int | None,
        default=default.search_width,
        help="selective search: pixels that an image is resized to; null: searched as it is",
    )
    parser.add_argument(
        "--min-side",
        type=int,
        default=default.min_side,
        help="selective search: boxes narrower or lower are dropped; pixels at the searched size",
    )


def _add_multibox_options(parser: ArgumentParser) -> None:
    default = ProposeConfig()
    parser.add_argument(
        "--multibox", type=str, default=default.multibox, help="multibox, the model that is installed, or a file"
    )
    parser.add_argument("--multibox-limit", type=int, default=default.multibox_limit, help="its boxes an image")
    parser.add_argument(
        "--multibox-nms-iou",
        type=float,
        default=default.multibox_nms_iou,
        help="of its boxes, one that overlaps a better one by more is dropped",
    )
    parser.add_argument(
        "--multibox-crops",
        type=int,
        default=default.multibox_crops,
        help=f"{' or '.join(map(str, CROPS))}: it sees the whole image, or also its four corners",
    )
    parser.add_argument("--device", type=str, default=default.device, help="of MultiBox: auto, cpu, cuda, cuda:1")
    parser.add_argument("--precision", type=str, default=default.precision, help="of MultiBox: auto, fp32, bf16")
