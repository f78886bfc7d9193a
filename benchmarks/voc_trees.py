"""What the tools that cut pictures from a VOC tree share: its photos, the split by content, JPEG files, options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from detect.training.content_hashes import content_hashes, held_back_by_hash
from detect.training.data_sets_found import FoundImage
from detect.training.data_sets_xml import find_voc

QUALITY = 95  # of the JPEG files


def add_tree_options(parser: argparse.ArgumentParser) -> None:
    """The options that `photos_of` needs, and --out."""
    parser.add_argument("--voc", type=Path, required=True, help="VOC tree")
    parser.add_argument("--split", help="list of ImageSets/Main, where there are several")
    parser.add_argument("--out", type=Path, required=True, help="folder of the tree, which must not be there yet")


def parse_tree_options(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options; ends the program where --out is there already."""
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"--out: {options.out} is there already")
    return options


def photos_of(options: argparse.Namespace, fraction: float) -> Iterator[tuple[FoundImage, bool]]:
    """The annotated photos, and whether each is among the fraction that its content holds back, as training does.

    What cannot be used is named on stderr.

    Raises:
        ValueError: one sentence about the tree, or the fraction.
    """
    photos, problems = find_voc(options.voc, None, None, options.split)
    for problem in problems:
        print(f"{problem.file}: {problem.what}", file=sys.stderr)
    held = held_back_by_hash(content_hashes([photo.file for photo in photos]), fraction)
    yield from zip(photos, held.tolist(), strict=True)


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """The JPEG file of RGB pixels (H, W, 3), both at least 1."""
    _, content = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return content.tobytes()
