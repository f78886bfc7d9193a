"""Pictures that show none of the 200 detection classes, drawn by seed: pages, scribbles, charts, patterns, the dark.

Photos teach what is beside objects in photos. What people keep among their photos besides, scans and drawings, is as
unlike these as can be, and a classification network has a name for everything.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from detect.whole_files import OutputError, write_whole

SHORTEST, LONGEST = 320, 640  # pixels of a side
DIGITS = 6  # of a file's name
FONTS = (
    *(cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX),
    *(cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, cv2.FONT_HERSHEY_SCRIPT_COMPLEX),
)

Canvas = NDArray[np.uint8]


def write_empty(folder: Path, count: int, seed: int) -> list[Path]:
    """Write `000000.png` …; picture i depends on seed and i alone, and is of kind i modulo their number.

    Args:
        folder: made if it is not there; files of the same name are replaced, and those with higher numbers, which
            were written when there were more, deleted.
        count: of pictures, at least 1.
    Raises:
        ValueError: if count is below that.
        OutputError: if the folder cannot be written, or a file not be deleted.
    """
    if count < 1:
        raise ValueError(f"count: expected at least 1, got {count}")
    _delete_from(folder, count)
    files = []
    for number in range(count):
        _, png = cv2.imencode(".png", draw_empty(number, seed)[:, :, ::-1])
        files.append(folder / f"{number:0{DIGITS}d}.png")
        write_whole(files[-1], png.tobytes())
    return files


def _delete_from(folder: Path, count: int) -> None:
    for path in folder.glob("[0-9]" * DIGITS + ".png"):
        if int(path.stem) >= count:
            try:
                path.unlink()
            except OSError as error:
                raise OutputError(f"cannot delete {path}: {error.strerror or error}") from error


def draw_empty(number: int, seed: int) -> NDArray[np.uint8]:
    """One picture, uint8 RGB (H, W, 3), with the noise of a camera or scanner over it."""
    rng = np.random.default_rng([seed, number])
    height, width = (int(side) for side in rng.integers(SHORTEST, LONGEST + 1, 2))
    canvas = _paper(rng, (height, width))
    KINDS[number % len(KINDS)](rng, canvas)
    noisy = canvas + rng.normal(0, rng.uniform(0, 6), canvas.shape)
    picture: NDArray[np.uint8] = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return picture


def _page(rng: np.random.Generator, canvas: Canvas) -> None:
    """Lines of made-up words, some of them headings, and sometimes a ruled table."""
    height, width = canvas.shape[:2]
    ink, font = _ink(rng, canvas), FONTS[int(rng.integers(len(FONTS)))]
    scale = float(rng.uniform(0.35, 0.9))
    step, margin = int(34 * scale) + 4, int(rng.integers(10, width // 6))
    y = margin + step
    while y < height - margin // 2:
        heading = rng.random() < 0.1
        size = scale * (1.6 if heading else 1.0)
        line = " ".join(_word(rng) for _ in range(3 if heading else 30))
        letters = max(1, int((width - 2 * margin) / (17 * size)))
        shown = line[: letters if rng.random() < 0.8 else max(1, letters // 2)]
        cv2.putText(canvas, shown, (margin, y), font, size, ink, 2 if heading else 1, cv2.LINE_AA)
        y += int(step * (1.8 if heading else 1.0))
    if rng.random() < 0.4:
        top = int(rng.integers(height // 3, height - 60))
        _grid(canvas, (margin, top, width - margin, height - 20), rows=4, columns=int(rng.integers(2, 6)), ink=ink)


def _scribbles(rng: np.random.Generator, canvas: Canvas) -> None:
    """Strokes of a pen: smooth, straight or closed, of one or several colours."""
    height, width = canvas.shape[:2]
    thickness, one_ink = int(rng.integers(1, 9)), _ink(rng, canvas)
    colourful = rng.random() < 0.5
    for _ in range(int(rng.integers(3, 25))):
        corners = rng.uniform(0.05, 0.95, (int(rng.integers(2, 9)), 2)) * (width, height)
        if rng.random() < 0.5:  # a small mark instead of one across the paper
            corners = corners[0] + (corners - corners[0]) * rng.uniform(0.05, 0.4)
        points = _smooth(corners) if rng.random() < 0.5 else corners
        ink = _ink(rng, canvas) if colourful else one_ink
        closed = bool(rng.random() < 0.3)
        cv2.polylines(canvas, [np.rint(points).astype(np.int32)[:, None]], closed, ink, thickness, cv2.LINE_AA)


def _chart(rng: np.random.Generator, canvas: Canvas) -> None:
    """Axes with bars, a curve or points, and labels."""
    height, width = canvas.shape[:2]
    ink = _ink(rng, canvas)
    left, bottom = int(width * rng.uniform(0.08, 0.2)), int(height * rng.uniform(0.8, 0.92))
    top, right = int(height * 0.08), int(width * 0.95)
    cv2.line(canvas, (left, top), (left, bottom), ink, 2)
    cv2.line(canvas, (left, bottom), (right, bottom), ink, 2)
    if rng.random() < 0.5:
        _grid(canvas, (left, top, right, bottom), rows=5, columns=6, ink=ink)
    count = int(rng.integers(4, 14))
    xs = np.linspace(left + 10, right - 10, count).astype(int)
    ys = rng.integers(top, bottom, count)
    kind = int(rng.integers(3))
    if kind == 0:
        half = max(2, (right - left) // (3 * count))
        for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
            cv2.rectangle(canvas, (x - half, y), (x + half, bottom), _ink(rng, canvas), -1)
    elif kind == 1:
        cv2.polylines(canvas, [np.stack([xs, ys], axis=1).astype(np.int32)[:, None]], False, ink, 3, cv2.LINE_AA)
    else:
        for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
            cv2.circle(canvas, (x, y), int(rng.integers(3, 9)), _ink(rng, canvas), -1, cv2.LINE_AA)
    for x in xs[::2].tolist():
        cv2.putText(canvas, _word(rng)[:4], (x - 15, bottom + 20), FONTS[0], 0.4, ink, 1, cv2.LINE_AA)


def _pattern(rng: np.random.Generator, canvas: Canvas) -> None:
    """Stripes, checks, or smoothed noise: a wall, cloth, a screen test."""
    height, width = canvas.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    ends, period, angle = rng.uniform(0, 255, (2, 3)), rng.uniform(6, 120), rng.uniform(0, np.pi)
    along = np.cos(angle) * columns + np.sin(angle) * rows
    across = np.sin(angle) * columns - np.cos(angle) * rows
    kind = int(rng.integers(3))
    if kind == 0:
        share = np.sin(2 * np.pi * along / period) > 0
    elif kind == 1:
        share = (np.sin(2 * np.pi * along / period) > 0) ^ (np.sin(2 * np.pi * across / period) > 0)
    else:
        coarse = rng.random((max(2, int(height / period * 4)), max(2, int(width / period * 4)))).astype(np.float32)
        share = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    canvas[:] = np.clip(ends[0] + share[:, :, None] * (ends[1] - ends[0]), 0, 255)


def _dark(rng: np.random.Generator, canvas: Canvas) -> None:
    """A dark gradient with blurred lights."""
    height, width = canvas.shape[:2]
    above, below = rng.uniform(0, 50, 2).tolist()
    scene = np.linspace(above, below, height)[:, None, None] * rng.uniform(0.5, 1, 3) * np.ones((1, width, 1))
    rows, columns = np.mgrid[:height, :width]
    for _ in range(int(rng.integers(0, 15))):
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(2, 25)
        light = rng.uniform(60, 255) * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2))
        scene = scene + light[:, :, None] * rng.uniform(0.6, 1, 3)
    canvas[:] = np.clip(scene, 0, 255)


KINDS: tuple[Callable[[np.random.Generator, Canvas], None], ...] = (
    _page,
    _scribbles,
    _chart,
    _scribbles,
    _pattern,
    _dark,
)


def _paper(rng: np.random.Generator, size: tuple[int, int]) -> Canvas:
    """White, tinted or dark, plain or with a shadow across, sometimes ruled."""
    colour = rng.uniform(225, 255, 3) if rng.random() < 0.8 else rng.uniform(0, 255, 3)
    shade = 1 - rng.uniform(0, 0.25) * np.linspace(0, 1, size[1])[None, :, None]
    paper: Canvas = np.ascontiguousarray((colour * shade * np.ones((size[0], 1, 1))).astype(np.uint8))
    if rng.random() < 0.2:
        for y in range(int(rng.integers(10, 40)), size[0], int(rng.integers(14, 40))):
            cv2.line(paper, (0, y), (size[1], y), (170, 190, 215), 1)
    return paper


def _ink(rng: np.random.Generator, canvas: Canvas) -> tuple[float, float, float]:
    """A colour that is dark on light paper, and light on dark."""
    light = canvas[::8, ::8].mean() > 127
    red, green, blue = rng.uniform(0, 150, 3) if light else rng.uniform(120, 255, 3)
    return float(red), float(green), float(blue)


def _grid(
    canvas: Canvas, box: tuple[int, int, int, int], *, rows: int, columns: int, ink: tuple[float, float, float]
) -> None:
    left, top, right, bottom = box
    for y in np.linspace(top, bottom, rows + 1).astype(int).tolist():
        cv2.line(canvas, (left, y), (right, y), ink, 1)
    for x in np.linspace(left, right, columns + 1).astype(int).tolist():
        cv2.line(canvas, (x, top), (x, bottom), ink, 1)


def _smooth(corners: NDArray[np.float64], steps: int = 12) -> NDArray[np.float64]:
    """(C, 2) → points on a curve through them: Catmull and Rom's spline."""
    padded = np.concatenate([corners[:1], corners, corners[-1:]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    parts = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False)
    ]
    return np.concatenate([*parts, corners[-1:]])


def _word(rng: np.random.Generator) -> str:
    letters = string.ascii_letters if rng.random() < 0.3 else string.ascii_lowercase
    return "".join(letters[int(one)] for one in rng.integers(0, len(letters), int(rng.integers(2, 11))))
