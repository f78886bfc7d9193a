"""`index.html` of `googlenet-rcnn evaluate detections`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ActionYesNo, Namespace

from tools.messages import complain
from tools.parser import Parser

if TYPE_CHECKING:
    from detect.ground_truth import GroundTruth
    from detect.score_page import ScoredData

PAGE = "index.html"
# Settings that a reader of the page should know, by what they are called there.
SOURCES = {
    "Detections": "predictions",
    "Ground truth": "ground_truth",
    "Images": "image_list",
    "Blacklist": "blacklist",
    "Proposals": "proposals",
}


def add_page_flags(parser: Parser) -> None:
    """`--page`, `--no-page` and `--images`."""
    parser.add_argument(
        "--page",
        action=ActionYesNo(yes_prefix="", no_prefix="no-"),
        default=True,
        help=f"write OUT/{PAGE}, which shows all of it in a browser, from this one file",
    )
    parser.add_argument(
        "--images", type=str, help="folder with the photos: the page then shows hits and errors on them"
    )


def photos_of(options: Namespace, truth: GroundTruth) -> dict[int, Path] | None:
    """The photos that the page can show; None without `--images`.

    Raises:
        ValueError: if the flags do not fit together, or the folder is not that of these images.
    """
    from detect.score_page import find_photos

    if not options.images:
        return None
    if not options.page:
        raise ValueError("--images: expected without --no-page, which leaves out what they are for")
    if Path(options.ground_truth).suffix.lower() == ".mat" and not options.image_index:
        raise ValueError(f"--image-index: expected ILSVRC's val.txt: {options.ground_truth} has no names of images")
    return find_photos(truth, Path(options.images))


def page_of(
    options: Namespace, data: ScoredData, photos: dict[int, Path] | None, remarks: Sequence[str]
) -> bytes | None:
    """The page, or None with `--no-page`; says on stderr how many photos it could not show."""
    from detect.score_page import Captions, score_page

    if not options.page:
        return None
    about = {name: Path(options[setting]).name for name, setting in SOURCES.items() if options[setting]}
    page = score_page(data, photos, Captions(about=about, remarks=remarks))
    if page.failed:
        name, why = next(iter(page.failed.items()))
        complain(f"{options.images}: {len(page.failed)} photos are not on the page, such as {name}: {why}")
    return page.html
