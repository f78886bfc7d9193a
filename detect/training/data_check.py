"""Is the data what one thinks it is? To be answered before hours are spent on it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detect.image_decoding import ImageError, decode_image
from detect.prepared_images import work_ahead
from detect.training.data_sets_found import ROUNDING, Problem
from detect.training.training_set import IGNORED, TrainingSet

if TYPE_CHECKING:
    from rich.table import Table

QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)


def check_images(
    paths: Sequence[Path],
    workers: int,
    *,
    far_corners: NDArray[np.float32] | None = None,
    decode: Callable[[Path], NDArray[np.uint8]] = decode_image,
) -> tuple[Problem, ...]:
    """Decode every image; problems of those that cannot be, in the order of the paths.

    Args:
        workers: threads.
        far_corners: (I, 2), the largest x and y that any box of the image has (`largest_corners`): a box beyond the
            image as decoded is a problem too, as it is where an annotation's size is not the image's. None: no check.
        decode: a path → its image; it may raise ImageError.
    Raises:
        ValueError: if workers is below 1, or far_corners is of another length.
    """
    if far_corners is not None and len(far_corners) != len(paths):
        raise ValueError(f"far_corners: expected {len(paths)}, got {len(far_corners)}")

    def check(number: int) -> Problem | None:
        try:
            height, width = decode(paths[number]).shape[:2]
        except ImageError as error:
            return Problem(paths[number], str(error), "image")
        if far_corners is None or np.all(far_corners[number] <= np.array([width, height]) + ROUNDING):
            return None
        x, y = far_corners[number].tolist()
        return Problem(paths[number], f"boxes reach to {x:g}, {y:g}, the image has {width} x {height}", "outside")

    with work_ahead(check, range(len(paths)), workers=workers) as results:
        return tuple(problem for problem in results if problem is not None)


def largest_corners(training_set: TrainingSet) -> NDArray[np.float32]:
    """(I, 2), the largest x and y of any box of each image; 0 where it has none."""
    corners = np.zeros((len(training_set), 2), dtype=np.float32)
    np.maximum.at(corners, training_set.image_of, training_set.boxes[:, 2:])
    return corners


@dataclass(frozen=True)
class ClassCount:
    """One class in a training set.

    Attributes:
        objects, images: annotated as this class and no other.
        perhaps: further objects that may be of this class.
        exhaustive: images in which every object of the class is annotated.
    """

    name: str
    objects: int
    images: int
    perhaps: int
    exhaustive: int


@dataclass(frozen=True)
class DataReport:
    """Counts of a training set.

    Attributes:
        images: of these, `without_objects` have no object that counts.
        objects: all; certain (of one class), ambiguous (of several, or a class or background), outside (background
            for certain) and ignored ones make up the total.
        classes: one each, in label order.
        side_quantiles: of the objects' √area in pixels: 0, 10, 50, 90, 100 %; empty without objects.
        problems: {kind: number}, of reading and of the images.
    """

    name: str
    images: int
    without_objects: int
    objects: int
    certain: int
    ambiguous: int
    outside: int
    ignored: int
    classes: tuple[ClassCount, ...]
    side_quantiles: tuple[float, ...]
    problems: dict[str, int]

    @property
    def classes_with_boxes(self) -> int:
        """Number of classes that have an object."""
        return sum(one.objects > 0 for one in self.classes)

    def to_json(self) -> str:
        """Two-space indented, with a newline at the end."""
        data = asdict(self) | {"classes_with_boxes": self.classes_with_boxes}
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def data_report(training_set: TrainingSet, problems: Iterable[Problem] = ()) -> DataReport:
    """Count what is there."""
    rows, targets, image_of = training_set.allowed, training_set.targets, training_set.image_of
    counted = targets != IGNORED
    of_object = rows[targets[counted]]
    single, background = of_object.sum(axis=1) == 1, of_object[:, -1]
    certain = single & ~background
    labels = of_object[certain].argmax(axis=1)
    num_classes = len(training_set.classes)
    pairs = np.unique(np.stack([labels, image_of[counted][certain]], axis=1), axis=0)
    sides = np.sqrt(np.prod(training_set.boxes[:, 2:] - training_set.boxes[:, :2], axis=1, dtype=np.float64))
    columns = (
        np.bincount(labels, minlength=num_classes),
        np.bincount(pairs[:, 0], minlength=num_classes),
        of_object[~single].sum(axis=0)[:num_classes],
        _exhaustive(training_set),
    )
    return DataReport(
        name=training_set.name,
        images=len(training_set),
        without_objects=len(training_set) - len(np.unique(image_of[counted])),
        objects=len(targets),
        certain=int(certain.sum()),
        ambiguous=int((~single).sum()),
        outside=int((single & background).sum()),
        ignored=int((~counted).sum()),
        classes=tuple(
            ClassCount(one.name, *(int(column[label]) for column in columns))
            for label, one in enumerate(training_set.classes)
        ),
        side_quantiles=tuple(float(q) for q in np.quantile(sides, QUANTILES)) if len(sides) else (),
        problems=dict(sorted(Counter(one.kind for one in problems).items())),
    )


def report_table(report: DataReport) -> Table:
    """For `rich.print`: classes that have an object, or may have one, most objects first; totals below."""
    from rich.table import Table

    name = report.name.encode("utf-8", "backslashreplace").decode()  # a folder's name may be no UTF-8
    table = Table(title=name, show_footer=True, caption=_caption(report))
    table.add_column("class", footer="certain")
    footers = (str(report.certain), str(report.images), str(report.ambiguous), "")
    for heading, footer in zip(("objects", "images", "perhaps", "exhaustive in"), footers, strict=True):
        table.add_column(heading, footer=footer, justify="right")
    for one in sorted(report.classes, key=lambda one: -one.objects):
        if one.objects or one.perhaps:
            table.add_row(one.name, *map(str, (one.objects, one.images, one.perhaps, one.exhaustive)))
    return table


def _caption(report: DataReport) -> str:
    sides = " / ".join(f"{one:.0f}" for one in report.side_quantiles) or "none"
    problems = ", ".join(f"{number} {kind}" for kind, number in report.problems.items()) or "none"
    return (
        f"{report.images} images, {report.without_objects} of them without objects. {report.objects} objects: "
        f"{report.certain} of one class, {report.ambiguous} of several, {report.outside} outside the classes, "
        f"{report.ignored} ignored. {report.classes_with_boxes} of {len(report.classes)} classes have boxes. "
        f"√area of boxes at 0 / 10 / 50 / 90 / 100 %: {sides} pixels. Problems: {problems}."
    )


def _exhaustive(training_set: TrainingSet) -> NDArray[np.int64]:
    """(K,) number of images in which a region without object cannot be the class."""
    used = np.bincount(training_set.background, minlength=len(training_set.allowed))
    exhaustive: NDArray[np.int64] = used @ (~training_set.allowed[:, :-1]).astype(np.int64)
    return exhaustive
