"""Simple pictures with known objects, drawn by seed, so that a training run needs no data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from detect.whole_files import write_whole

ANNOTATIONS = "annotations.json"
SHAPES = ("disc", "square", "triangle", "cross", "ring")
_MOST = 4  # objects a picture
_TRIES = 20  # to find a free place for an object
_CONTRAST = 60  # least mean difference from the background's colour, of 255


def write_generated(folder: Path, count: int, seed: int, size: tuple[int, int] = (240, 320)) -> Path:
    """Write `000000.png` … and their annotations in COCO's form; picture i depends on seed, size and i alone.

    Args:
        folder: made if it is not there; files of the same name are replaced.
        count: of pictures, at least 1.
        size: height and width, each at least 64.
    Returns:
        The annotations' file.
    Raises:
        ValueError: if count or size is below that.
        OutputError: if the folder cannot be written.
    """
    if count < 1:
        raise ValueError(f"count: expected at least 1, got {count}")
    if min(size) < 64:
        raise ValueError(f"size: expected sides of at least 64 pixels, got {size[0]} x {size[1]}")
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(count):
        picture, boxes, labels = draw(np.random.default_rng([seed, number]), size)
        name = f"{number:06d}.png"
        _, png = cv2.imencode(".png", picture[:, :, ::-1])
        write_whole(folder / name, png.tobytes())
        images.append({"id": number + 1, "file_name": name, "height": size[0], "width": size[1]})
        for (x1, y1, x2, y2), label in zip(boxes.tolist(), labels.tolist(), strict=True):
            box = [x1, y1, x2 - x1, y2 - y1]
            row = {"image_id": number + 1, "category_id": label + 1, "bbox": box, "iscrowd": 0}
            annotations.append({"id": len(annotations) + 1, **row})
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(SHAPES)]
    data = {"images": images, "categories": categories, "annotations": annotations}
    write_whole(folder / ANNOTATIONS, (json.dumps(data) + "\n").encode())
    return folder / ANNOTATIONS


def draw(
    rng: np.random.Generator, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """One picture: 1 to 4 shapes that do not touch, over lines, over a noisy gradient.

    Returns:
        Image; boxes (m, 4), exactly the pixels that the shapes cover; labels (m,), indices of `SHAPES`.
    """
    canvas = _background(rng, size)
    for _ in range(int(rng.integers(2, 6))):
        ends = [tuple(int(rng.integers(0, side)) for side in size[::-1]) for _ in range(2)]
        cv2.line(canvas, ends[0], ends[1], rng.uniform(0, 255, 3).tolist(), int(rng.integers(1, 3)))
    boxes: list[tuple[int, int, int, int]] = []
    labels: list[int] = []
    for _ in range(int(rng.integers(1, _MOST + 1))):
        place = _free_place(rng, size, boxes)
        if place is None:
            continue
        label = int(rng.integers(len(SHAPES)))
        mask = shape_mask(SHAPES[label], place, size)
        canvas = np.where(mask[:, :, None], _fill(rng, size, canvas[mask].mean(axis=0)), canvas)
        ys, xs = np.nonzero(mask)
        boxes.append((int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1))
        labels.append(label)
    noisy = canvas + rng.normal(0, 4, canvas.shape)
    image = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return image, np.array(boxes, dtype=np.int64).reshape(-1, 4), np.array(labels, dtype=np.int64)


def shape_mask(shape: str, place: tuple[int, int, int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels (H, W) of a shape; `place`: left, top and side of its square.

    Raises:
        ValueError: for a shape that is not one of `SHAPES`.
    """
    left, top, side = place
    rows, columns = np.mgrid[: size[0], : size[1]]
    x, y = (columns + 0.5 - left) / side * 2 - 1, (rows + 0.5 - top) / side * 2 - 1  # −1 to 1 in the square
    inside = (abs(x) < 1) & (abs(y) < 1)
    distance = np.hypot(x, y)
    masks = {
        "disc": distance < 1,
        "square": inside,
        "triangle": inside & (2 * abs(x) < y + 1),
        "cross": inside & ((abs(x) < 1 / 3) | (abs(y) < 1 / 3)),
        "ring": (distance < 1) & (distance > 0.6),
    }
    if shape not in masks:
        raise ValueError(f"shape: expected one of {', '.join(SHAPES)}, got {shape!r}")
    return np.asarray(masks[shape], dtype=np.bool_)


def _background(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float64]:
    """A gradient between two colours of medium brightness, with coarse noise."""
    ends = rng.uniform(60, 195, (2, 3))
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[: size[0], : size[1]]
    along = np.cos(angle) * columns / size[1] + np.sin(angle) * rows / size[0]
    along = (along - along.min()) / (along.max() - along.min())
    coarse = rng.normal(0, 12, (max(2, size[0] // 16), max(2, size[1] // 16), 3))
    noise = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(ends[0] + along[:, :, None] * (ends[1] - ends[0]) + noise, dtype=np.float64)


def _fill(rng: np.random.Generator, size: tuple[int, int], behind: NDArray[np.float64]) -> NDArray[np.float64]:
    """A colour that stands out, plain, striped or speckled, (H, W, 3)."""
    colour = rng.uniform(0, 255, 3)
    while abs(colour - behind).mean() < _CONTRAST:
        colour = rng.uniform(0, 255, 3)
    rows, columns = np.mgrid[: size[0], : size[1]]
    texture = int(rng.integers(3))
    period = float(rng.uniform(4, 10))
    pattern = np.zeros(size)
    if texture == 1:
        angle = rng.uniform(0, np.pi)
        pattern = 25 * np.sign(np.sin(2 * np.pi / period * (np.cos(angle) * columns + np.sin(angle) * rows)))
    elif texture == 2:
        pattern = rng.normal(0, 20, size)
    return np.asarray(colour + pattern[:, :, None], dtype=np.float64)


def _free_place(
    rng: np.random.Generator, size: tuple[int, int], boxes: list[tuple[int, int, int, int]]
) -> tuple[int, int, int] | None:
    """Left, top and side of a square with two pixels between it and each box; None: none was found."""
    for _ in range(_TRIES):
        side = int(rng.integers(min(size) // 6, min(size) // 2))
        left, top = int(rng.integers(0, size[1] - side)), int(rng.integers(0, size[0] - side))
        apart = (
            x1 > left + side + 2 or x2 + 2 < left or y1 > top + side + 2 or y2 + 2 < top for x1, y1, x2, y2 in boxes
        )
        if all(apart):
            return left, top, side
    return None
