"""Look at proposals: the best boxes of some photos in one picture, the first in the brightest colour.

googlenet-rcnn propose PHOTOS --method multibox --out BOXES
python benchmarks/proposal_pictures.py --photos PHOTOS --proposals BOXES --out boxes.png [--count 20] [--limit 10]
"""

from __future__ import annotations

import argparse
from io import BytesIO
from pathlib import Path

import numpy as np
from measuring import evenly
from PIL import Image, ImageDraw

from detect.image_decoding import decode_image
from detect.proposal_folder import open_proposal_folder
from detect.whole_files import write_whole
from proposals.proposal_files import read_proposals

FIRST, LAST = np.array([255.0, 230.0, 0.0]), np.array([150.0, 0.0, 160.0])


def draw_boxes(image: np.ndarray, boxes: np.ndarray) -> Image.Image:
    """The boxes on a copy of the image, the first one on top."""
    picture = Image.fromarray(image)
    canvas = ImageDraw.Draw(picture)
    line = max(1, round(min(picture.size) / 160))
    for rank in reversed(range(len(boxes))):
        part = rank / max(1, len(boxes) - 1)
        colour = tuple(round(float(value)) for value in FIRST + part * (LAST - FIRST))
        x1, y1, x2, y2 = (round(float(edge)) for edge in boxes[rank])
        canvas.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=colour, width=line)
    return picture


def sheet(pictures: list[Image.Image], side: int, columns: int) -> Image.Image:
    """Thumbnails in rows."""
    rows = -(-len(pictures) // columns)
    whole = Image.new("RGB", (columns * side, rows * side), "white")
    for place, picture in enumerate(pictures):
        small = picture.copy()
        small.thumbnail((side - 6, side - 6))
        whole.paste(small, (place % columns * side, place // columns * side))
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="the folder that was searched")
    parser.add_argument("--proposals", type=Path, required=True, help="what `propose` has made of it")
    parser.add_argument("--out", type=Path, required=True, help="a PNG")
    parser.add_argument("--count", type=int, default=20, help="boxes of each photo")
    parser.add_argument("--limit", type=int, default=10, help="photos, evenly spaced over the folder")
    options = parser.parse_args()
    files = sorted(open_proposal_folder(options.proposals).files.items())
    pictures = []
    for place in evenly(len(files), options.limit):
        name, file = files[place]
        boxes = read_proposals(file)[0].best(options.count).boxes
        pictures.append(draw_boxes(decode_image(options.photos / name), boxes))
    buffer = BytesIO()
    sheet(pictures, side=420, columns=4).save(buffer, format="PNG")
    write_whole(options.out, buffer.getvalue())


if __name__ == "__main__":
    main()
