"""From which score on should a detection be shown? Precision and recall by score, and pictures that must stay empty.

The detector as `detect` runs it, its own proposals included, on photos that training held back, and on scikit-image's
pictures that show none of the 200 classes: textures, scans, text, the moon, microscopy; and on drawn letters, scribbles
and night scenes. Held-back photos are annotated for some classes only: what nobody has looked for counts neither way.

    python benchmarks/min_score.py --data voc=VOC --data ilsvrc_loc=LOC --data coco=JSON,IMAGES --model FILE --json FILE
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import skimage.data
import torch
from drawn_pictures import document, drawing, night
from measuring import environment, markdown, write_json
from numpy.typing import NDArray
from training_data import detector_parser, split_photos

from detect.detections import Detections
from detect.detector import Detector, DetectorSettings
from detect.image_decoding import decode_image
from detect.scoring.results import HIT, IGNORED
from detect.training.validation import MIN_SCORE, predictions_of, score
from detect.training.validation_truth import ground_truth_of, without_uncertain

SCORES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
EMPTY = (
    *("brick", "cell", "chessboard_GRAY", "chessboard_RGB", "coins", "color", "grass", "gravel", "hubble_deep_field"),
    *("ihc", "logo", "microaneurysms", "moon", "page", "phantom", "retina", "text"),
)
DRAWN = 8  # pictures of each kind


def main() -> None:
    options = detector_parser(__doc__).parse_args()
    detector = Detector.load(options.model, settings=DetectorSettings(min_score=MIN_SCORE))
    _, held_back, _ = split_photos(options)
    truth = ground_truth_of(held_back)
    found = dict(enumerate(detected(detector, [decode_image(path) for path in held_back.images], "held-back photos")))
    judged = score(held_back, found, where=truth).evaluation
    scores = without_uncertain(predictions_of(found), truth).scores
    empty = {"pictures": [decode_image(path) for path in pictures()]}
    for draw, name in ((document, "letters"), (drawing, "scribbles"), (night, "night scenes")):
        empty[name] = [draw(np.random.default_rng(seed)) for seed in range(DRAWN)]
    highest = {
        name: [float(one.scores.max(initial=0)) for one in detected(detector, images, name)]
        for name, images in empty.items()
    }
    rows, results = [], []
    for least in SCORES:
        figures = precision_and_recall(judged.outcomes, scores, judged.num_ground_truths, least)
        stay = {name: sum(one < least for one in most) for name, most in highest.items()}
        rows.append([f"{least:.1f}", *(f"{one:.3f}".removeprefix("0") for one in figures), *map(str, stay.values())])
        results.append({"score": least, **dict(zip(("precision", "recall", "F1"), figures, strict=True)), **stay})
    print(
        f"{len(held_back)} held-back photos, {judged.num_ground_truths} objects; pictures without any that stay empty\n"
    )
    print(markdown(["from score", "precision", "recall", "F1", *(f"of {len(empty[n])} {n}" for n in empty)], rows))
    write_json(options.json, {**environment(torch.get_num_threads()), "rows": results, "highest": highest})


def precision_and_recall(
    outcomes: NDArray[np.uint8], scores: NDArray[np.float64], objects: int, least: float
) -> tuple[float, float, float]:
    """Of the detections from `least` on that count either way, and their harmonic mean; 0 where there are none."""
    shown = (outcomes != IGNORED) & (scores >= least)
    hits = int((shown & (outcomes == HIT)).sum())
    if not hits:
        return 0.0, 0.0, 0.0
    precision, recall = hits / int(shown.sum()), hits / objects
    return precision, recall, 2 * precision * recall / (precision + recall)


def detected(detector: Detector, images: Sequence[NDArray[np.uint8]], what: str) -> list[Detections]:
    """The detections of each image."""
    found = []
    for number, image in enumerate(images, 1):
        found.append(detector(image))
        print(f"{what}: {number}/{len(images)}", end="\r", file=sys.stderr)
    return found


def pictures() -> list[Path]:
    """Of `EMPTY`, in the installed package."""
    folder = Path(skimage.data.__file__).parent
    files = {path.stem: path for path in folder.iterdir()}
    return [files[name] for name in EMPTY]


if __name__ == "__main__":
    main()
