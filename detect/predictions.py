"""What a detector said about the images of a ground truth; readers of the formats are `predictions_*.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detect.prediction_images import PredictionImages


@dataclass(frozen=True)
class ReadingNotes:
    """What a reader met that is no error but that a reader of the score should know.

    Attributes:
        passed_over: detections left out because their image is not scored.
        other_classes: detections left out because the ground truth does not know their class.
        empty_boxes: ILSVRC text only: boxes without area, such as reversed ones; they are kept, and match nothing.
        first_empty_line: where the first of them is; 0: none.
        failed_images: records of images that the detector could not search.
        silent_images: scored images without a record of their own (text formats cannot tell: 0).
        other_sizes: records whose width and height are not those of the ground truth, where both say them: their boxes
            are in other pixels than its objects.
        first_other_size: the name of the first of these images; empty: none.
    """

    passed_over: int = 0
    other_classes: int = 0
    empty_boxes: int = 0
    first_empty_line: int = 0
    failed_images: int = 0
    silent_images: int = 0
    other_sizes: int = 0
    first_other_size: str = ""


@dataclass(frozen=True)
class Predictions:
    """N detections in flat arrays, in the order of the file.

    Attributes:
        image_of: (N,) int64, each detection's position in `GroundTruth.images`.
        labels: (N,) int64, labels of the ground truth's classes.
        scores: (N,) float64, finite.
        boxes: (N, 4) float64 xyxy pixels with continuous edges, finite (what inclusive pixels lo..hi cover is
            lo..hi + 1). Of ILSVRC text x2 can be below x1: see `ReadingNotes.empty_boxes`.
    Raises:
        ValueError: if a shape or type is not as above, or a score or box is not finite.
    """

    image_of: NDArray[np.int64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    boxes: NDArray[np.float64]
    notes: ReadingNotes = field(default_factory=ReadingNotes)

    def __post_init__(self) -> None:
        count = len(self.labels)
        shapes = {"image_of": (count,), "labels": (count,), "scores": (count,), "boxes": (count, 4)}
        for name, shape in shapes.items():
            array, dtype = getattr(self, name), np.float64 if name in ("scores", "boxes") else np.int64
            if array.dtype != dtype or array.shape != shape:
                raise ValueError(f"{name}: expected {np.dtype(dtype)} {shape}, got {array.dtype} {array.shape}")
        if not (np.isfinite(self.scores).all() and np.isfinite(self.boxes).all()):
            raise ValueError("scores and boxes: expected finite numbers, got others")

    def __len__(self) -> int:
        return len(self.labels)


def read_predictions(path: Path, images: PredictionImages, coco_labels: dict[int, int] | None = None) -> Predictions:
    """Read a file of detections by its ending: .txt or .gz (ILSVRC text), .jsonl (ours), .json (COCO results).

    Args:
        images: which images it may name.
        coco_labels: category id -> label, for a list of COCO results; None: a category's id is its label + 1.
    Raises:
        ValueError: naming the file, and the line or entry that is at fault.
    """
    from detect.predictions_coco import read_coco_results
    from detect.predictions_ilsvrc import read_ilsvrc_text
    from detect.predictions_jsonl import read_detection_records

    ending = path.suffix.lower()
    try:
        if ending in (".txt", ".gz"):
            return read_ilsvrc_text(path, images)
        if ending == ".jsonl":
            return read_detection_records(path, images)
        if ending == ".json":
            return read_coco_results(path, images, coco_labels)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error
    raise ValueError(f"{path}: expected a file ending in .txt, .gz, .jsonl or .json")
