"""Validation: a network detects objects on held-back images from stored proposals, and the project's scorer judges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from detect.detections import Detections
from detect.detector import Classified, Detector, DetectorSettings
from detect.image_decoding import ImageError, decode_image
from detect.model_file import Model, build_network
from detect.model_info import ModelInfo
from detect.predictions import Predictions
from detect.prepared_images import work_ahead
from detect.region_choice import shared_settings
from detect.region_classifier import RegionClassifier
from detect.scoring.protocols import evaluate
from detect.scoring.results import Evaluation
from detect.training.training_set import TrainingSet
from detect.training.validation_truth import ValidationTruth, ground_truth_of, without_uncertain
from proposals import Proposals

MIN_SCORE = 0.001  # what average precision is computed from; as configs/detect_zero_shot.yaml

Image = NDArray[np.uint8]
Boxes = NDArray[np.float32]


class ImagesDetector(Protocol):
    """What is asked of a detector: `Detector.detect`."""

    def detect(self, images: Iterator[tuple[Image, Boxes]]) -> Iterator[Classified]:
        """Each image's detections, in the given order."""
        ...


@dataclass(frozen=True)
class ValidationResult:
    """A detector's score on held-back images, by ILSVRC's rule as far as the annotations are certain.

    Attributes:
        evaluation: per class and in the mean; of `ground_truth_of(held_back)`.
        num_images: all of them, those that could not be read included: their objects count as not found.
        num_exempt: pairs of image and class that do not count, because nobody has looked.
        num_uncertain: detections left out because they lie on an object of uncertain class.
        unreadable: (file, reason), of images without usable proposals too.
    """

    evaluation: Evaluation
    num_images: int
    num_exempt: int
    num_uncertain: int
    unreadable: tuple[tuple[Path, str], ...] = ()

    @property
    def mean_average_precision(self) -> float | None:
        """Over the classes that have ground truth; None where none has."""
        return self.evaluation.mean_average_precision

    @property
    def num_classes(self) -> int:
        """How many classes the mean covers."""
        return self.evaluation.num_classes

    @property
    def average_precisions(self) -> dict[str, float | None]:
        """By the class's name, in label order; None for a class without ground truth."""
        return {one.detection_class.name: one.average_precision for one in self.evaluation.per_class}

    @property
    def metrics(self) -> dict[str, float]:
        """For logs: `mAP` (0 where no class has ground truth), `classes`, `objects`."""
        return {
            "mAP": self.mean_average_precision or 0.0,
            "classes": float(self.num_classes),
            "objects": float(self.evaluation.num_ground_truths),
        }


def validate(
    model: Model,
    held_back: TrainingSet,
    boxes_of: Callable[[int], Boxes],
    *,
    limit: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | None = None,
    workers: int = 1,
) -> ValidationResult:
    """Detect on every image of a set, from given boxes, and score.

    Regions are read in the first way that the model was trained for, shared ones at its short sides.

    Args:
        model: copied, not changed; `model_of` makes one from weights in training.
        boxes_of: position in the set → proposals (N, 4), best first; its ValueError makes the image an unreadable one.
        limit: proposals an image, the best ones; None: all.
        workers: threads that decode ahead; the result does not depend on it.
    Raises:
        ValueError: if the model's classes are not the set's.
    """
    if [(one.wnid, one.name) for one in model.info.classes] != [(one.wnid, one.name) for one in held_back.classes]:
        raise ValueError(
            f"validation: expected a model of the set's {len(held_back.classes)} classes, "
            f"got one of {len(model.info.classes)} others"
        )
    detector = Detector(
        classifier=RegionClassifier(model, device=device, precision=precision),
        proposer=_no_proposals,
        settings=DetectorSettings(min_score=MIN_SCORE, batch_size=batch_size),
        shared=shared_settings(model.info),
    )
    return validate_detector(detector, held_back, boxes_of, limit=limit, workers=workers)


def validate_detector(
    detector: ImagesDetector,
    held_back: TrainingSet,
    boxes_of: Callable[[int], Boxes],
    *,
    limit: int | None = None,
    workers: int = 1,
) -> ValidationResult:
    """`validate` for any detector whose labels are the set's."""
    readable: list[int] = []
    unreadable: list[tuple[Path, str]] = []

    def decoded(index: int) -> Image | str:
        try:
            return decode_image(held_back.images[index])
        except ImageError as error:
            return str(error)

    with work_ahead(decoded, range(len(held_back)), workers=workers) as images:

        def prepared() -> Iterator[tuple[Image, Boxes]]:
            for index, image in enumerate(images):
                if isinstance(image, str):
                    unreadable.append((held_back.images[index], image))
                    continue
                try:
                    boxes = boxes_of(index)[:limit]
                except ValueError as error:
                    unreadable.append((held_back.images[index], " ".join(str(error).split())))
                    continue
                readable.append(index)
                yield image, boxes

        detections = [one.detections for one in detector.detect(prepared())]
    return score(held_back, dict(zip(readable, detections, strict=True)), unreadable=tuple(unreadable))


def score(
    held_back: TrainingSet,
    detections: Mapping[int, Detections],
    *,
    unreadable: tuple[tuple[Path, str], ...] = (),
    where: ValidationTruth | None = None,
) -> ValidationResult:
    """Judge detections, by position in the set; an image without an entry has none.

    Args:
        where: `ground_truth_of(held_back)`, where it is at hand.
    """
    where = where or ground_truth_of(held_back)
    predictions = predictions_of(detections)
    judged = without_uncertain(predictions, where)
    return ValidationResult(
        evaluation=evaluate(where.truth, judged, "ilsvrc", blacklist=where.exempt),
        num_images=len(held_back),
        num_exempt=len(where.exempt),
        num_uncertain=len(predictions) - len(judged),
        unreadable=unreadable,
    )


def predictions_of(detections: Mapping[int, Detections]) -> Predictions:
    """Flat arrays, by position of the image, then as detected."""
    images = sorted(detections)
    counts = [len(detections[image]) for image in images]
    none = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    parts = [none, *(detections[image] for image in images)]
    return Predictions(
        image_of=np.repeat(np.array(images, np.int64), counts),
        labels=np.concatenate([one.labels for one in parts]).astype(np.int64),
        scores=np.concatenate([one.scores for one in parts]).astype(np.float64),
        boxes=np.concatenate([one.boxes for one in parts]).astype(np.float64),
    )


def model_of(info: ModelInfo, state: Mapping[str, Tensor]) -> Model:
    """A model from weights in training; auxiliary classifiers are left out, as from a model file."""
    network = build_network(info)
    network.load_state_dict({name: value for name, value in state.items() if not name.startswith("auxiliary")})
    return Model(info, network.eval(), sha256="")


def _no_proposals(image: NDArray[Any]) -> Proposals:
    raise AssertionError("validation detects from given boxes")
