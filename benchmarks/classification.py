"""Top-1 and top-5 accuracy of a GoogLeNet on ILSVRC classification photos, in float32 and bfloat16.

One crop: the photo squashed to 256×256, the centre 224×224 (Caffe's protocol for bvlc_googlenet, which published
68.7 / 88.9 on all 50,000 validation photos; the first thousand of them give 67.9 / 89.2).

    python benchmarks/classification.py --images TREE/Data/CLS-LOC/val --ground-truth TREE/Annotations --model FILE
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from annotated_photos import annotated_photos
from measuring import environment, write_json

from detect.class_tables import ilsvrc_classification_classes
from detect.classification_crops import crops_of, cut_crops
from detect.image_decoding import decode_image
from detect.model_file import load_model
from detect.model_zoo import find_model_file
from detect.region_classifier import RegionClassifier

BATCH = 16


def centre_crop(path: Path) -> np.ndarray:
    """uint8 RGB (224, 224, 3)."""
    image = decode_image(path)
    return cut_crops(image, crops_of((image.shape[0], image.shape[1]), 1))[0]


def predict(classifier: RegionClassifier, crops: np.ndarray) -> tuple[np.ndarray, float]:
    """(N, 5) best outputs, best first, and images per second of the network alone."""
    best, seconds = [], 0.0
    for start in range(0, len(crops), BATCH):
        images = classifier.info.input.normalise(torch.from_numpy(crops[start : start + BATCH]).permute(0, 3, 1, 2))
        begin = time.perf_counter()
        logits = classifier.logits(images)
        best.append(logits.topk(5, dim=1).indices.cpu().numpy())
        seconds += time.perf_counter() - begin
    return np.concatenate(best), len(crops) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="folder of photos")
    parser.add_argument("--ground-truth", type=Path, required=True, help="folder of CLS-LOC annotations")
    parser.add_argument("--model", default="bvlc_googlenet", help="name or file of a GoogLeNet")
    parser.add_argument("--limit", type=int, help="photos; default: all")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    numbers = {c.wnid: index for index, c in enumerate(ilsvrc_classification_classes())}
    photos = [p for p in annotated_photos(options.images, options.ground_truth) if p.names[0] in numbers]
    photos = photos[: options.limit]
    crops = np.stack([centre_crop(photo.path) for photo in photos])
    truth = np.array([numbers[photo.names[0]] for photo in photos])
    model = load_model(find_model_file(options.model))
    results, firsts = {}, {}
    print(f"{len(photos)} photos\n{'':6}{'top-1 %':>9}{'top-5 %':>9}{'images/s':>10}")
    for precision in ("fp32", "bf16"):
        best, speed = predict(RegionClassifier(model, precision=precision), crops)
        top1, top5 = 100 * np.mean(best[:, 0] == truth), 100 * np.mean((best == truth[:, None]).any(axis=1))
        firsts[precision] = best[:, 0]
        results[precision] = {"top1": top1, "top5": top5, "images_per_second": speed}
        print(f"{precision:6}{top1:9.2f}{top5:9.2f}{speed:10.1f}")
    same = 100 * float(np.mean(firsts["fp32"] == firsts["bf16"]))
    print(f"fp32 and bf16 give the same first class on {same:.1f} % of the photos")
    results["same_first"] = same
    write_json(options.json, {**environment(torch.get_num_threads()), "photos": len(photos), "results": results})


if __name__ == "__main__":
    main()
