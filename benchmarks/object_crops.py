"""A tree of object crops, a folder for each class, from a VOC tree: what `train backbone` learns from in little time.

    python benchmarks/object_crops.py --voc VOC --out TREE --size 96 [--val 0.2] [--context 0.1] [--least 24]

TREE/train/CLASS and TREE/val/CLASS get a picture of each object: its box, a tenth larger on each side as far as the
photo goes, its shorter side resized to `--size` pixels where it is longer. Photos are split by their content, so that
all objects of a photo are on one side, whatever its name. Objects marked difficult, those with a side of less than
`--least` pixels, and of val those of classes that train has none of, are left out. The same photos and flags give the
same pictures.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from measuring import markdown
from numpy.typing import NDArray
from voc_trees import add_tree_options, jpeg, parse_tree_options, photos_of

from detect.image_decoding import ImageError, decode_image
from detect.training.data_sets_found import FoundImage
from detect.whole_files import write_whole


def with_context(box: tuple[float, ...], context: float, image_size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box (x1, y1, x2, y2) with this part of its sides around it, in whole pixels, as far as the image goes."""
    x1, y1, x2, y2 = box
    dx, dy = context * (x2 - x1), context * (y2 - y1)
    height, width = image_size
    return (
        max(int(np.floor(x1 - dx)), 0),
        max(int(np.floor(y1 - dy)), 0),
        min(int(np.ceil(x2 + dx)), width),
        min(int(np.ceil(y2 + dy)), height),
    )


def resized(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """(H, W, 3) with the shorter side shrunk to `size`; smaller ones as they are."""
    scale = size / min(pixels.shape[:2])
    if scale >= 1:
        return pixels
    height, width = (max(round(side * scale), 1) for side in pixels.shape[:2])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def write_crops(photo: FoundImage, folder: Path, options: argparse.Namespace) -> Counter[str]:
    """The pictures of a photo's objects, below `folder`; how many of each class.

    Raises:
        ImageError: if the photo cannot be read.
        OutputError: if a picture cannot be written.
    """
    image = decode_image(photo.file)
    counts: Counter[str] = Counter()
    for number, one in enumerate(photo.objects):
        x1, y1, x2, y2 = one.box
        if one.ignored or min(x2 - x1, y2 - y1) < options.least:
            continue
        left, top, right, bottom = with_context(one.box, options.context, (image.shape[0], image.shape[1]))
        if left >= right or top >= bottom:  # outside the photo
            continue
        pixels = resized(image[top:bottom, left:right], options.size)
        write_whole(folder / one.name / f"{photo.name}_{number:02}.jpg", jpeg(pixels))
        counts[one.name] += 1
    return counts


def make_tree(options: argparse.Namespace) -> dict[str, Counter[str]]:
    """Write the tree; how many pictures of each class are in train and in val."""
    counts: dict[str, Counter[str]] = {"train": Counter(), "val": Counter()}
    for photo, judge in photos_of(options, options.val):
        part = "val" if judge else "train"
        try:
            counts[part] += write_crops(photo, options.out / part, options)
        except ImageError as error:
            print(f"{photo.file}: {error}: left out", file=sys.stderr)
    for name in sorted(counts["val"].keys() - counts["train"].keys()):  # nobody can be asked what was never shown
        print(f"{name}: {counts['val'].pop(name)} in val, none in train: left out", file=sys.stderr)
        shutil.rmtree(options.out / "val" / name)
    return counts


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_tree_options(parser)
    parser.add_argument("--size", type=int, default=96, help="pixels of a picture's shorter side, at most")
    parser.add_argument("--context", type=float, default=0.1, help="on each side, in sides of the box")
    parser.add_argument("--least", type=float, default=24, help="pixels of the shorter side of objects that are taken")
    parser.add_argument("--val", type=float, default=0.2, help="fraction of the photos")
    return parse_tree_options(parser)


def main() -> None:
    options = parse()
    try:
        counts = make_tree(options)
    except ValueError as error:
        sys.exit(f"object_crops: {error}")
    names = sorted({name for part in counts.values() for name in part})
    rows = [[name, str(counts["train"][name]), str(counts["val"][name])] for name in names]
    rows.append(["all", str(counts["train"].total()), str(counts["val"].total())])
    print(markdown(["class", "train", "val"], rows))


if __name__ == "__main__":
    main()
