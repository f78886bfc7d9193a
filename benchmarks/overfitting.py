"""Can it learn at all? Training on a handful of photos until they are known by heart: their own mAP before and after.

A sanity check of the whole chain, from sampling to suppression, not a figure of merit: the photos that are scored are
those that are learnt. Nothing random helps or hinders: no dropout, flips, jitter or distortion.

    python benchmarks/overfitting.py --data voc=FOLDER --model bvlc_googlenet --out overfitted --json overfitting.json
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

import torch
from measuring import environment, write_json

from configs.backbone_choice import load_start
from configs.data_config import DataConfig
from configs.training import (
    ClassifierTrainingConfig,
    HeadConfig,
    OptimisationConfig,
    ValidationConfig,
)
from configs.training_data import TrainingData, read_training_data
from configs.training_parts import build_module, build_start, build_store, build_stream
from configs.training_regions import SamplingConfig, TrainProposalConfig
from detect.devices import resolve_device
from detect.training.joined_sets import subset
from detect.training.training_loop import fit
from detect.training.validation import model_of, validate


def configuration(options: argparse.Namespace) -> ClassifierTrainingConfig:
    """Plain fine-tuning without anything random."""
    kind, _, rest = options.data.partition("=")
    path, _, images = rest.partition(",")
    return ClassifierTrainingConfig(
        data=(DataConfig(kind, path, images or None),),
        model=options.model,
        proposals=TrainProposalConfig(store=options.store, mode="fast"),
        sampling=SamplingConfig(
            images_per_batch=10, foreground=60, background=60, jittered=0, flip=False, photometric=0.0
        ),
        head=HeadConfig(dropout=0.0, auxiliary=0.0, carry_over=0, background_logit=12.0),
        optimisation=OptimisationConfig(
            steps=options.steps, learning_rate=0.003, frozen=options.frozen, averaging=0.8, warm_up=5
        ),
        validation=ValidationConfig(held_back=0.0),
        seed=options.seed,
    )


def few(data: TrainingData, count: int) -> TrainingData:
    """The first `count` images by hash that have objects of a single class."""
    with_objects = sorted(set(data.train.image_of[data.train.is_foreground[data.train.targets]].tolist()))
    chosen = sorted(with_objects, key=lambda index: data.hashes[data.train.images[index]])[:count]
    return dataclasses.replace(data, train=subset(data.train, sorted(chosen)))


def main() -> None:
    """Train, and score before and after."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="KIND=PATH", help="voc=FOLDER, coco=JSON,IMAGES, …")
    parser.add_argument("--model", default="bvlc_googlenet")
    parser.add_argument("--store", help="folder of proposals; in --out unless given")
    parser.add_argument("--out", type=Path, required=True, help="folder for logs and checkpoints")
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--frozen", default="4d", help="modules up to this one stay as they are")
    parser.add_argument("--limit", type=int, default=300, help="proposals of an image that are scored")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    started = time.perf_counter()
    config = configuration(options)
    model = load_start(config)
    data = few(read_training_data(config, options.out), options.images)
    info, network = build_start(config, model, data)
    store = build_store(config, options.out)
    store.fill(data.train.images, data.hashes_of(data.train), 2)
    hashes = data.hashes_of(data.train)
    module = build_module(config, info, network, data, teacher=None)

    def score(state: dict[str, torch.Tensor]) -> float:
        found = validate(
            model_of(info, state), data.train, lambda index: store.boxes(hashes[index]), limit=options.limit
        )
        return found.mean_average_precision or 0.0

    before = score(module.averaged_state())
    fit(
        module,
        build_stream(config, data, store),
        steps=options.steps,
        out=options.out,
        settings=dataclasses.asdict(config),
        checkpoint_every=options.steps,
        device=resolve_device("auto"),
        clip=config.optimisation.clip,
    )
    after = score(module.averaged_state())
    seconds = time.perf_counter() - started
    print(f"{len(data.train)} images, {options.steps} steps: their own mAP {before:.3f} before, {after:.3f} after")
    print(f"{seconds:.0f} s in all")
    result = {"before": before, "after": after, "images": len(data.train), "steps": options.steps, "seconds": seconds}
    write_json(options.json, {**environment(torch.get_num_threads()), **result})


if __name__ == "__main__":
    main()
