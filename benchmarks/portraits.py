"""Photos cut as portraits are, people seen from the waist or the chest up, from a VOC tree: a tree of its own.

    python benchmarks/portraits.py --voc VOC --out TREE [--cuts 2] [--held-back 0.1] [--seed 0]

Who is cut off by the edge of a photo is a person; the same part of somebody who is seen whole is background by R-CNN's
rule, as it overlaps the whole too little. Where most people of a data set are whole, a detector learns from these parts
that a head and shoulders are background. Each person who is tall enough is cut `--cuts` times: at 30 to 70 % of the
height, with a random frame. Other objects are cut with the photo: one of which less than half of the area is left is
marked difficult, which training ignores. Photos that training holds back (by content, `--held-back` as there) are left
out, so that none of their people is learnt. The same photos and flags give the same tree.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np
from voc_trees import add_tree_options, jpeg, parse_tree_options, photos_of

from detect.image_decoding import ImageError, decode_image
from detect.training.data_sets_found import Box, FoundImage, FoundObject
from detect.whole_files import write_whole

PERSON = "person"
TALLER = 1.2  # height : width from which on somebody stands or sits
LEFT = 0.5  # of an object's area, from which on it counts
GONE = 0.05  # below it there is no object


def frame_of(person: Box, image_size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """A window that shows the upper part of a person, who is cut off by its lower edge.

    It is 0.6 to 1.5 times as wide as high, and at least 0.6 times as wide as the person, whose middle is in its middle
    two fifths; all as far as the photo goes.

    Args:
        person: xyxy pixels, of some area.
        image_size: (height, width).
    Returns:
        left, top, right, bottom in whole pixels, the last two not included; without area if the person is outside.
    """
    x1, y1, x2, y2 = person
    height, width = image_size
    shown = rng.uniform(0.3, 0.7) * (y2 - y1)
    top = y1 - rng.uniform(0.02, 0.4) * shown
    high = y1 + shown - max(top, 0.0)
    wide = max(rng.uniform(0.6, 1.5) * high, 0.6 * (x2 - x1))
    left = (x1 + x2) / 2 - rng.uniform(0.3, 0.7) * wide
    return (
        max(int(np.floor(left)), 0),
        max(int(np.floor(top)), 0),
        min(int(np.ceil(left + wide)), width),
        min(int(np.ceil(y1 + shown)), height),
    )


def cut(objects: Sequence[FoundObject], subject: int, window: tuple[int, int, int, int]) -> list[FoundObject]:
    """The objects in a window, in its coordinates and their order; what has less than `GONE` of its area there is not.

    Args:
        subject: position of whom the window is made for, who counts however much is cut off.
        window: left, top, right, bottom.
    Returns:
        Those with less than `LEFT` of their area, and those ignored before, are ignored.
    """
    left, top, right, bottom = window
    found = []
    for number, one in enumerate(objects):
        x1, y1, x2, y2 = one.box
        box = (max(x1, left), max(y1, top), min(x2, right), min(y2, bottom))
        if box[2] <= box[0] or box[3] <= box[1]:
            continue
        rest = (box[2] - box[0]) * (box[3] - box[1]) / ((x2 - x1) * (y2 - y1))
        if rest < GONE:
            continue
        lost = one.ignored or (rest < LEFT and number != subject)
        moved = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
        found.append(FoundObject(one.name, moved, lost))
    return found


def annotation(name: str, image_size: tuple[int, int], objects: Sequence[FoundObject]) -> bytes:
    """VOC's XML of objects with continuous edges: inclusive pixels, counted from 1. `image_size`: (height, width)."""
    root = Element("annotation")
    SubElement(root, "filename").text = name
    size = SubElement(root, "size")
    for side, value in zip(("width", "height", "depth"), (image_size[1], image_size[0], 3), strict=True):
        SubElement(size, side).text = str(value)
    for one in objects:
        entry = SubElement(root, "object")
        SubElement(entry, "name").text = one.name
        SubElement(entry, "difficult").text = str(int(one.ignored))
        box = SubElement(entry, "bndbox")
        x1, y1, x2, y2 = one.box
        for corner, edge in zip(("xmin", "ymin", "xmax", "ymax"), (x1 + 1, y1 + 1, x2, y2), strict=True):
            SubElement(box, corner).text = f"{edge:g}"
    indent(root)
    return tostring(root) + b"\n"


def cut_photo(photo: FoundImage, options: argparse.Namespace, rng: np.random.Generator) -> list[str]:
    """Write the portraits of a photo; returns their names.

    Raises:
        ImageError: if the photo cannot be read.
        OutputError: if a file cannot be written.
    """
    people = [number for number, one in enumerate(photo.objects) if is_cut(one, options.least)]
    image = decode_image(photo.file) if people else np.zeros((0, 0, 3), np.uint8)
    names = []
    for number in people:
        for again in range(options.cuts):
            left, top, right, bottom = window = frame_of(photo.objects[number].box, image.shape[:2], rng)
            pixels = image[top:bottom, left:right]
            if not pixels.size:  # outside the photo
                continue
            name = f"{photo.name}_{number:02}_{again}"
            write_whole(options.out / "JPEGImages" / f"{name}.jpg", jpeg(pixels))
            objects = cut(photo.objects, number, window)
            write_whole(
                options.out / "Annotations" / f"{name}.xml", annotation(f"{name}.jpg", pixels.shape[:2], objects)
            )
            names.append(name)
    return names


def is_cut(one: FoundObject, least: float) -> bool:
    """Whether somebody is there who stands or sits, and is large enough."""
    x1, y1, x2, y2 = one.box
    return one.name == PERSON and not one.ignored and y2 - y1 >= max(least, TALLER * (x2 - x1))


def make_tree(options: argparse.Namespace) -> list[str]:
    """Write the tree; the names of its photos."""
    names: list[str] = []
    for number, (photo, held_back) in enumerate(photos_of(options, options.held_back)):
        if held_back:
            continue
        try:
            names += cut_photo(photo, options, np.random.default_rng([options.seed, number]))
        except ImageError as error:
            print(f"{photo.file}: {error}: left out", file=sys.stderr)
    write_whole(options.out / "ImageSets/Main/train.txt", "".join(f"{name}\n" for name in names).encode())
    return names


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_tree_options(parser)
    parser.add_argument("--cuts", type=int, default=2, help="of each person")
    parser.add_argument("--least", type=float, default=120, help="pixels that a person is high, at least")
    parser.add_argument("--held-back", type=float, default=0.1, help="fraction of the photos that training holds back")
    parser.add_argument("--seed", type=int, default=0)
    return parse_tree_options(parser)


def main() -> None:
    options = parse()
    try:
        names = make_tree(options)
    except ValueError as error:
        sys.exit(f"portraits: {error}")
    print(f"{len(names)} portraits in {options.out}")


if __name__ == "__main__":
    main()
