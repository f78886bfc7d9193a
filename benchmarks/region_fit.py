"""What is it worth to know how well a region's box fits? The same model with and without, on held-back photos.

The detector as `detect` runs it, its own proposals included; without, its probabilities are the classifier's alone.
Scores of the two are on other scales, so that each is judged from the score on at which its F1 is highest.

    python benchmarks/region_fit.py --data voc=VOC --data ilsvrc_loc=LOC --data coco=JSON,IMAGES --val-images 248
"""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import torch
from measuring import environment, markdown, write_json
from training_data import detector_parser, split_photos
from votes import classified, judge

from configs.detection import DetectionConfig
from detect.detector import Detector
from detect.model_file import load_model, save_model
from detect.model_zoo import find_model_file
from detect.suppression import suppress
from detect.training.validation import MIN_SCORE
from detect.training.validation_truth import ground_truth_of

SCORES = tuple(step / 20 for step in range(1, 20))


def main() -> None:
    options = detector_parser(__doc__, help="name or file of one that knows").parse_args()
    _, held_back, _ = split_photos(options)
    truth = ground_truth_of(held_back)
    chosen = DetectionConfig()
    rows, results = [], []
    with tempfile.TemporaryDirectory() as folder:
        given = find_model_file(options.model)
        models = {"without": without_fit(given, Path(folder) / "without.safetensors"), "with": given}
        for name, path in models.items():
            regions = classified(Detector.load(str(path)), held_back)
            settings = {"vote_iou": chosen.vote_iou, "nested_factor": chosen.nested_factor}
            found = [suppress(*one, min_score=MIN_SCORE, **settings) for one in regions]
            figures = judge(held_back, found, truth, *SCORES)
            *others, least = figures.values()
            rows.append([name, *(f"{one:.3f}".removeprefix("0") for one in others), f"{least:g}"])
            results.append({"fit": name == "with", **figures})
    print(f"{len(held_back)} held-back photos\n")
    print(markdown(["fit", "mean AP", "of frequent classes", "precision", "recall", "highest F1", "from score"], rows))
    write_json(options.json, {**environment(torch.get_num_threads()), "rows": results})


def without_fit(given: Path, path: Path) -> Path:
    """Write a copy of a model file that does not know how well boxes fit.

    Raises:
        ValueError: if the given one does not either.
    """
    model = load_model(given)
    if not model.info.fit:
        raise ValueError(f"{given}: expected a model that knows how well boxes fit (head.fit), got one that does not")
    state = {name: one for name, one in model.network.state_dict().items() if not name.startswith("region_fit.")}
    save_model(path, dataclasses.replace(model.info, fit=False), state)
    return path


if __name__ == "__main__":
    main()
