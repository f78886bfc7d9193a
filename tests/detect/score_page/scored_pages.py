"""Something to make pages of: a few photos, objects of a few classes, and names that try to break out."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scoring_cases import Case, Object, Row

from detect.class_tables import DetectionClass
from detect.score_page import ScoredData
from detect.scoring import Protocol, evaluate
from detect.scoring.analysis import ProposalCoverage, analyse

HEIGHT, WIDTH = 300, 400
HOSTILE = (
    "<img src=x onerror=\"document.title='broken'\">",
    "</script><script>document.title='broken'</script>",
    "</title></style><!-- \"'>& &amp; ]]>",
    "line\nbreak\ttab\0nul\x1b[31m",
    "bytes \udce9\udcff and \ud83d",
    "right to left \u202e and \u2028",
    "javascript:alert(1)",
    "{{ 7 * 7 }} {% raw %}",
)


def page_case(images: int = 12, classes: int = 8, seed: int = 3) -> Case:
    """Every class but the last has objects; most are found, with errors of all kinds."""
    rng = random.Random(seed)

    def box() -> tuple[int, int, int, int]:
        x, y = rng.randrange(WIDTH - 150), rng.randrange(HEIGHT - 150)
        return x, y, x + rng.randrange(15, 149), y + rng.randrange(15, 149)

    objects: list[Object] = [
        (number, (number + k) % (classes - 1), box(), False) for number in range(1, images + 1) for k in range(4)
    ]
    rows: list[Row] = []
    for number, label, corners, _ in objects:
        shift = rng.choice((0, 0, 3, 30))
        near = (corners[0] + shift, corners[1], corners[2] + shift, corners[3])
        guess = rng.choice((label, label, label, rng.randrange(classes)))
        rows.append((number, guess, rng.random(), near))
        if rng.random() < 0.5:
            rows.append((number, rng.randrange(classes), 0.6 * rng.random(), box()))
    return Case(range(1, images + 1), objects, rows, classes=classes)


def scored(
    case: Case, protocol: Protocol = "ilsvrc", *, names: Sequence[str] | None = None, analysed: bool = True
) -> ScoredData:
    """Evaluated and analysed.

    Args:
        names: of the classes; the images get them too, each with its number before it.
    """
    truth = case.truth()
    sizes = np.tile(np.array([HEIGHT, WIDTH], np.int32), (len(truth.images), 1))
    truth = dataclasses.replace(truth, sizes=sizes)
    if names is not None:
        classes = tuple(DetectionClass("", name) for name in names)
        images = tuple(f"{i} {names[i % len(names)]}" for i in range(len(truth.images)))
        truth = dataclasses.replace(truth, classes=classes, images=images)
    predictions = case.predictions()
    evaluation = evaluate(truth, predictions, protocol)
    return ScoredData(truth, predictions, evaluation, analyse(truth, predictions, evaluation) if analysed else None)


def with_coverage(data: ScoredData) -> ScoredData:
    """As if proposals had been given: every class is covered by half, by all of them; by fewer, less."""
    assert data.analysis is not None
    classes = len(data.truth.classes)
    counts = np.array([one.num_ground_truths for one in data.evaluation.per_class], np.int64)
    shares = np.where(counts > 0, np.array([[0.25], [0.5]]), np.nan)
    coverage = ProposalCoverage((10, None), counts, shares, np.zeros((2, classes)), np.zeros(len(data.truth.labels)))
    return dataclasses.replace(data, analysis=dataclasses.replace(data.analysis, coverage=coverage))


def save_photos(folder: Path, count: int) -> dict[int, Path]:
    """Photos of noise, which compress badly, as those of the images 0, 1, ..."""
    rng = np.random.default_rng(5)
    folder.mkdir(parents=True, exist_ok=True)
    files = {position: folder / f"image{position + 1}.png" for position in range(count)}
    for file in files.values():
        Image.fromarray(rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)).save(file)
    return files
