"""Top-1 and top-5 accuracy, of all images and of each class, from the records of a run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detect.class_tables import DetectionClass
from detect.detection_records import Record
from detect.image_classification import BEST, ClassifiedImage


@dataclass(frozen=True)
class Accuracy:
    """How often the label was the best, or among the best five.

    Attributes:
        images, top1, top5: (K,) counts, by label.
        unreadable: images without an answer, which count neither way, and why.
    """

    images: NDArray[np.int64]
    top1: NDArray[np.int64]
    top5: NDArray[np.int64]
    unreadable: list[tuple[str, str]]

    def share(self, right: NDArray[np.int64]) -> float | None:
        """Of all images; None: there is none."""
        total = int(self.images.sum())
        return int(right.sum()) / total if total else None


def classification_record(image: ClassifiedImage, label: int | None) -> Record:
    """The record of an image; probabilities to seven significant digits."""
    if image.error is not None:
        return {"image": image.source.name, "error": image.error}
    probs = [float(f"{prob:.7g}") for prob in image.probs]
    return {"image": image.source.name, "label": label, "best": list(image.best), "probs": probs}


def measure_accuracy(records: Iterable[Record], num_classes: int) -> Accuracy:
    """Count.

    Args:
        records: of `classification_record`; of an answer's `best`, the order counts, and not more than five.
    Raises:
        ValueError: if a label is none of a class.
    """
    images, top1, top5 = (np.zeros(num_classes, np.int64) for _ in range(3))
    unreadable = []
    for record in records:
        if "error" in record:
            unreadable.append((record["image"], record["error"]))
            continue
        label, best = record["label"], record["best"][:BEST]
        if not 0 <= label < num_classes:
            raise ValueError(f"{record['image']}: expected a label from 0 to {num_classes - 1}, got {label}")
        images[label] += 1
        top1[label] += best[0] == label
        top5[label] += label in best
    return Accuracy(images, top1, top5, unreadable)


def accuracy_metrics(accuracy: Accuracy, classes: Sequence[DetectionClass]) -> dict[str, Any]:
    """What `metrics.json` says of the answers; classes without images are left out."""
    counts = zip(accuracy.images.tolist(), accuracy.top1.tolist(), accuracy.top5.tolist(), strict=True)
    return {
        "num_images": int(accuracy.images.sum()),
        "num_unreadable": len(accuracy.unreadable),
        "top1": accuracy.share(accuracy.top1),
        "top5": accuracy.share(accuracy.top5),
        "top1_error": accuracy.share(accuracy.images - accuracy.top1),
        "top5_error": accuracy.share(accuracy.images - accuracy.top5),
        "per_class": [
            {
                "label": label,
                "wnid": one.wnid,
                "name": one.name,
                "num_images": images,
                "num_top1": top1,
                "num_top5": top5,
                "top1": top1 / images,
                "top5": top5 / images,
            }
            for label, (one, (images, top1, top5)) in enumerate(zip(classes, counts, strict=True))
            if images
        ],
        "unreadable": [{"image": image, "error": error} for image, error in accuracy.unreadable],
    }


def accuracy_table(accuracy: Accuracy) -> str:
    """Accuracy and error in percent."""
    rows = [f"{'':7}{'accuracy %':>11}{'error %':>9}"]
    for name, right in (("top-1", accuracy.top1), ("top-5", accuracy.top5)):
        share = accuracy.share(right)
        rows.append(
            f"{name:7}{'-':>11}{'-':>9}" if share is None else f"{name:7}{100 * share:11.2f}{100 - 100 * share:9.2f}"
        )
    return "\n".join(rows)


def prediction_lines(records: Iterable[Record], classes: Sequence[DetectionClass]) -> Iterator[str]:
    """A table with a row for each image that has an answer; a byte of a name that is not UTF-8 becomes an escape."""
    shown = min(BEST, len(classes))
    best = [f"{what}_{rank}" for rank in range(1, shown + 1) for what in ("label", "class", "prob")]
    yield _csv_line(["image", "label", "class", *best])
    for record in records:
        if "error" in record:
            continue
        cells = [record["image"], record["label"], classes[record["label"]].name]
        for label, prob in zip(record["best"], record["probs"], strict=True):
            cells += [label, classes[label].name, prob]
        yield _csv_line(cells)


def _csv_line(cells: Sequence[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(
        [cell.encode("utf-8", "backslashreplace").decode() if isinstance(cell, str) else cell for cell in cells]
    )
    return line.getvalue()
