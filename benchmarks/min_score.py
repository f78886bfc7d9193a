"""From which score on should a detection be shown? Precision and recall by score, and pictures that must stay empty.

The detector as `detect` runs it, its own proposals included, on photos that training held back, and on scikit-image's
pictures that show none of the 200 classes: textures, scans, text, the moon, microscopy. Held-back photos are annotated
for some classes only: what nobody has looked for counts neither way.

    python benchmarks/min_score.py --data voc=VOC --data ilsvrc_loc=LOC --data coco=JSON,IMAGES --model FILE --json FILE
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import skimage.data
import torch
from measuring import environment, markdown, write_json
from training_data import add_photo_options, split_photos

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_photo_options(parser)
    parser.add_argument("--model", default="det200", help="name or file")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    torch.set_num_threads(2)
    detector = Detector.load(options.model, settings=DetectorSettings(min_score=MIN_SCORE))
    _, held_back, _ = split_photos(options)
    truth = ground_truth_of(held_back)
    found = detected(detector, list(held_back.images), "held-back photos")
    judged = score(held_back, dict(enumerate(found)), where=truth).evaluation
    scores = without_uncertain(predictions_of(dict(enumerate(found))), truth).scores
    counted = judged.outcomes != IGNORED
    hits, objects = judged.outcomes == HIT, judged.num_ground_truths
    empty = detected(detector, pictures(), "pictures without objects")
    highest = [float(one.scores.max(initial=0)) for one in empty]
    rows, results = [], []
    for least in SCORES:
        shown = counted & (scores >= least)
        right = int((hits & shown).sum())
        precision, recall = right / max(1, int(shown.sum())), right / objects
        mean = 2 * precision * recall / max(precision + recall, 1e-9)
        stay = sum(one < least for one in highest)
        rows.append([f"{least:.1f}", *(f"{one:.3f}".removeprefix("0") for one in (precision, recall, mean)), str(stay)])
        results.append({"score": least, "precision": precision, "recall": recall, "F1": mean, "empty": stay})
    print(f"{len(held_back)} held-back photos, {objects} objects; {len(empty)} pictures without any\n")
    print(markdown(["from score", "precision", "recall", "F1", f"of {len(empty)} pictures stay empty"], rows))
    print("\nhighest score of each picture without objects:")
    for path, one, most in zip(pictures(), empty, highest, strict=True):
        name = detector.info.classes[int(one.labels[one.scores.argmax()])].name if len(one) else "nothing"
        print(f"  {path.name:24} {most:.3f} {name}")
    write_json(options.json, {**environment(2), "rows": results, "highest": highest})


def detected(detector: Detector, paths: list[Path], what: str) -> list[Detections]:
    """The detections of each picture."""
    found = []
    for number, path in enumerate(paths, 1):
        found.append(detector(decode_image(path)))
        print(f"{what}: {number}/{len(paths)}", end="\r", file=sys.stderr)
    return found


def pictures() -> list[Path]:
    """Of `EMPTY`, in the installed package."""
    folder = Path(skimage.data.__file__).parent
    files = {path.stem: path for path in folder.iterdir()}
    return [files[name] for name in EMPTY]


if __name__ == "__main__":
    main()
