"""The flags of `googlenet-rcnn evaluate classification`."""

from __future__ import annotations

from tools.parser import Parser, make_parser

DESCRIPTION = """Top-1 and top-5 accuracy of networks on whole images, as GoogLeNet was tested (section 7).

  googlenet-rcnn evaluate classification --images ILSVRC --model bvlc_googlenet --out SCORE
  googlenet-rcnn evaluate classification --images ILSVRC --model A --model B --crops 144 --limit 1000 --out SCORE
  googlenet-rcnn evaluate classification --images PHOTOS --model A --crops 10 --out SCORE --resume

--images is an ILSVRC tree, the folder above Annotations/CLS-LOC, or a folder with a folder of pictures for each
class, called by its wnid or name. --crops says how often each image is looked at: 1, squashed to 256 x 256 and cut
to the centre, as BVLC's networks were tested; 10, that square's corners and centre, mirrored too; 144, 4 scales
x 3 squares x 6 crops x 2 mirror images, as GoogLeNet's. Probabilities are averaged over crops, then over models.

Prints a table, and writes SCORE/metrics.json, with the accuracy of each class and the images that could not be
read, and SCORE/predictions.csv, with the five best classes of each image. SCORE/predictions.jsonl grows while it
runs, for --resume.

Exit status: 0 all images done; 3 finished, some images failed; 2 wrong usage; 1 anything else."""


def build_parser() -> Parser:
    """The parser of `evaluate classification`."""
    parser = make_parser(DESCRIPTION)
    parser.add_argument("--config", action="config", help="YAML file with any of these settings")
    parser.add_argument("--images", type=str, required=True, help="an ILSVRC tree, or a folder of class folders")
    parser.add_argument("--out", type=str, required=True, help="folder for the results")
    parser.add_repeatable(
        "--model",
        type=str | list[str],
        default="bvlc_googlenet",
        help="a name from `googlenet-rcnn models list`, or a model file; given several times, or as a list: models of "
        "the same classes, whose probabilities are averaged; of a detector, background is left out",
    )
    parser.add_argument("--crops", type=int, default=1, help="1, 10 or 144 crops of each image")
    parser.add_argument(
        "--size",
        type=int,
        default=224,
        help="pixels of a crop's side, for networks of another input; what images are resized to keeps its proportion",
    )
    parser.add_argument(
        "--limit", type=int | None, default=None, help="so many images, evenly spaced over all, sorted by path"
    )
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu or cuda")
    parser.add_argument(
        "--precision", type=str, default="auto", help="auto, fp32, or bf16 (faster where the hardware has it)"
    )
    parser.add_argument(
        "--batch-size", type=int | None, default=None, help="crops in one pass, at most; 16 on a CPU, 128 on a GPU"
    )
    parser.add_argument(
        "--workers", type=int | None, default=None, help="threads that decode and cut ahead; null: one a core"
    )
    parser.add_argument("--resume", action="store_true", help="continue the run in OUT, or start one")
    parser.add_argument("--overwrite", action="store_true", help="delete the run in OUT first")
    return parser
