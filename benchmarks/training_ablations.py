"""What each choice in training a detector is worth: held-back mAP of short runs that differ in one thing.

Regions of the training photos are sampled once, and everything up to pool4 is computed once (the network is frozen
through 4e in all runs); each variant then trains 5a, 5b and the heads on those features, by the library's own
objective, optimiser, schedule, averaging and carry-over, and detects on the held-back photos by their best proposals.
So a variant takes minutes, and all see the same regions. Differences are those of short runs, on few photos.

    python benchmarks/training_ablations.py --data voc=FOLDER --data ilsvrc_loc=FOLDER --data coco=FILE,FOLDER \
        --store proposals --cache features --json ablations.json

An interrupted run goes on: features are kept in --cache, finished variants in --json. On two cores with bfloat16 the
defaults take about ten minutes for the features (besides the search for proposals) and four for each variant.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cached_training import FROZEN, CachedTraining, detect_cached
from hidden_classes import hidden_classes, hide, retargeted
from measuring import environment, markdown, write_json
from pooled_features import FeatureMaker, PooledGoogLeNet, pooled_network, train_regions, validation_regions
from torch import Tensor
from training_data import TrainingData, add_data_options, read_data
from training_variants import EXTRA, REFERENCE, VARIANTS, Variant

from configs.training import HeadConfig, OptimisationConfig
from configs.training_regions import SamplingConfig
from detect.devices import resolve_device
from detect.model_file import Model, load_model
from detect.model_info import ModelInfo, ProposalSetting
from detect.model_zoo import find_model_file
from detect.region_classifier import RegionClassifier
from detect.training.carry_over import carry_over, outputs_of
from detect.training.network_start import start_network
from detect.training.objective import Objective
from detect.training.training_report import objects_per_class
from detect.training.training_set import TrainingSet
from detect.training.validation import ValidationResult, score

FREQUENT = 10  # held-back objects, from which on a class counts in the table


class Ablations:
    """The cached regions and everything that the variants share."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.model = load_model(find_model_file(options.model))
        self.device = resolve_device(options.device)
        self.data: TrainingData = read_data(options)
        per_image = options.foreground + options.background
        sampling = SamplingConfig(images_per_batch=1, foreground=options.foreground, background=options.background)
        maker = FeatureMaker(self.model, options.cache, self._identity(sampling))
        info, photos = self.model.info, len(self.data.train) * options.passes
        started = time.perf_counter()
        sampled = train_regions(self.data, sampling, per_image, options.seed, info)
        maker.check(sampled(0)[0])
        self.train = maker.keep("train", range(photos), sampled)
        proposals = validation_regions(self.data, options.val_proposals, info)
        self.validation = maker.keep("validation", range(len(self.data.held_back)), proposals)
        self.cache_seconds = time.perf_counter() - started
        self.hidden = hidden_classes(self.data.train)
        self.objects = objects_of(score(self.data.held_back, {}))

    def run(self, name: str) -> dict[str, Any]:
        """Train and judge one variant; each way of reading its weights is a row of the table."""
        variant, options = VARIANTS[name], self.options
        info, start = self.start(variant.head)
        network = pooled_network(info, start).to(self.device)
        started = time.perf_counter()
        average, losses = self._train(network, info, variant)
        seconds = time.perf_counter() - started
        rows = {name: self.judge(info, average)}
        if name == "reference":
            rows["no_averaging"] = self.judge(info, network.state_dict())
        if name == "reference" or variant.hide:
            taught = objects_per_class(self._hiding(variant)) > 0
            rows[f"{name}_carried"] = self.judge(info, self._carried(info, start.state_dict(), average, taught))
        steps = len(losses)
        quarter = max(1, steps // 4)
        return {
            "meaning": variant.meaning,
            "training_seconds": seconds,
            "regions_per_second": steps * options.batch / seconds,
            "loss_first_quarter": float(np.mean(losses[:quarter])),
            "loss_last_quarter": float(np.mean(losses[-quarter:])),
            "rows": rows,
        }

    def zero_shot(self) -> dict[str, Any]:
        """The detector that training starts from, untrained."""
        info, network = self.start(REFERENCE)
        return {
            "meaning": "untrained: the zero-shot detector",
            "rows": {"zero_shot": self.judge(info, pooled_network(info, network).state_dict())},
        }

    def start(self, head: HeadConfig) -> tuple[ModelInfo, Any]:
        """Description and network at the start."""
        return start_network(
            self.model,
            self.data.train.classes,
            head=head.kind,
            start=head.start,
            background_logit=head.background_logit,
            auxiliary=False,
            box_regression=head.box_regression,
            seed=self.options.seed,
            name="ablation",
            context=self.model.info.context,
            proposals=ProposalSetting(mode=self.options.mode),
        )

    def judge(self, info: ModelInfo, state: dict[str, Tensor]) -> dict[str, Any]:
        """Detect on the held-back photos and score; mAP of all classes, of the hidden third, and of the others."""
        network = PooledGoogLeNet(info.num_outputs, box_outputs=info.box_outputs)
        network.load_state_dict(state)
        classifier = RegionClassifier(Model(info, network.eval(), ""), device=str(self.device))
        result = detect_cached(classifier, self.validation, self.data.held_back)
        return figures(result)

    def _train(
        self, network: PooledGoogLeNet, info: ModelInfo, variant: Variant
    ) -> tuple[dict[str, Tensor], list[float]]:
        """The averaged state, and the loss of every step."""
        options, full, train = self.options, self.data.train, self._hiding(variant)
        targets, regress = retargeted(full, train, self.train)
        objective = Objective(
            allowed=train.allowed,
            classes=info.classes,
            num_outputs=info.num_outputs,
            per_class=info.box_regression == "per_class",
            auxiliary=0.0,
            box_weight=variant.head.box_weight,
            background=train.background.tolist(),
            unannotated=variant.head.unannotated,
        ).to(self.device)
        settings = OptimisationConfig(
            steps=options.steps,
            learning_rate=options.learning_rate,
            head_rate=variant.head_rate,
            rates=variant.rates,
            frozen=FROZEN,
        )
        foreground = train.is_foreground[targets]
        training = CachedTraining(self.train, targets, regress, foreground, options.batch, options.seed)
        return training.run(network, objective, variant.head, settings)

    def _hiding(self, variant: Variant) -> TrainingSet:
        return hide(self.data.train, self.hidden) if variant.hide else self.data.train

    def _carried(
        self, info: ModelInfo, start: dict[str, Tensor], trained: dict[str, Tensor], taught: np.ndarray
    ) -> dict[str, Tensor]:
        """The trained state, classes without boxes changed as their nearest ones with boxes were (LSDA)."""
        names = "classifier.weight", "classifier.bias"
        changed = carry_over(
            *(start[name] for name in names),
            *(trained[name].cpu() for name in names),
            outputs_of(info.classes, taught.tolist(), info.num_outputs),
            REFERENCE.carry_over,
            adapted=outputs_of(info.classes, (~taught).tolist(), info.num_outputs),
        )
        return {**trained, **dict(zip(names, changed, strict=True))}

    def _identity(self, sampling: SamplingConfig) -> dict[str, Any]:
        """Everything that the cached features depend on."""
        options = self.options
        names = ("data", "mode", "held_back", "train_images", "val_images", "passes", "val_proposals", "seed")
        return {**{name: getattr(options, name) for name in names}, "sampling": dataclasses.asdict(sampling)}


def figures(result: ValidationResult) -> dict[str, Any]:
    """mAP, and the AP of each class that has ground truth."""
    found = result.average_precisions
    return {
        "mAP": result.mean_average_precision,
        "AP": {name: ap for name, ap in found.items() if ap is not None},
    }


def objects_of(result: ValidationResult) -> dict[str, int]:
    """Objects that were to be found, by class."""
    per_class = result.evaluation.per_class
    return {one.detection_class.name: one.num_ground_truths for one in per_class if one.num_ground_truths}


def report(finished: dict[str, Any], objects: dict[str, int], hidden: set[str]) -> str:
    """A line for each way of reading each run's weights: mean AP of classes of which there are enough objects.

    The AP of a class of one or two objects says nothing, and a plain mean is made of these.
    """
    frequent = [name for name, count in objects.items() if count >= FREQUENT]
    parts = (frequent, [one for one in frequent if one in hidden], [one for one in frequent if one not in hidden])

    def mean(row: dict[str, Any], names: list[str]) -> str:
        return f"{100 * np.mean([row['AP'][name] for name in names]):.1f}" if names else ""

    rows = []
    for one in finished.values():
        for number, (name, row) in enumerate(one["rows"].items()):
            meaning = EXTRA.get(name, one["meaning"]) if number else one["meaning"]
            rows.append([name, meaning, *(mean(row, part) for part in parts), f"{100 * row['mAP']:.1f}"])
    counts = [f"{len(part)} {what}" for part, what in zip(parts, ("classes", "hidden", "others"), strict=True)]
    return markdown(["run", "what", *counts, f"all {len(objects)}, plain mAP"], rows)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_options(parser)
    parser.add_argument("--cache", type=Path, required=True, help="folder of features")
    parser.add_argument("--model", default="bvlc_googlenet", help="name or file of a classification GoogLeNet")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="comma-separated")
    parser.add_argument("--passes", type=int, default=1, help="how often each photo is sampled")
    parser.add_argument("--foreground", type=int, default=4, help="regions of a photo, each time")
    parser.add_argument("--background", type=int, default=6, help="regions of a photo, each time")
    parser.add_argument("--val-proposals", type=int, default=150, help="of each held-back photo")
    parser.add_argument("--steps", type=int, default=350)
    parser.add_argument("--batch", type=int, default=128, help="regions")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a few photos and steps: does it run at all?")
    parser.add_argument("--json", type=Path, required=True, help="results; finished variants in it are kept")
    options = parser.parse_args()
    if options.quick:
        quick = {"train_images": 8, "val_images": 4, "val_proposals": 10, "steps": 3, "batch": 16}
        vars(options).update(quick)
    unknown = set(options.variants.split(",")) - set(VARIANTS)
    if unknown:
        parser.error(f"--variants: expected some of {', '.join(VARIANTS)}, got {', '.join(sorted(unknown))}")
    return options


def earlier_results(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """What an interrupted run has finished."""
    if not path.exists():
        return {}
    content = json.loads(path.read_text())
    if content["settings"] != settings:
        raise SystemExit(f"--json {path}: made with other settings; choose another file")
    return content["results"]


def main() -> None:
    options = parse()
    passing = ("json", "cache", "store", "variants", "device")
    settings = {name: value for name, value in vars(options).items() if name not in passing}
    finished = earlier_results(options.json, settings)
    ablations = Ablations(options)
    print(f"features: {len(ablations.train)} + {len(ablations.validation)}, {ablations.cache_seconds:.0f} s")
    for name in ("zero_shot", *options.variants.split(",")):
        if name in finished:
            continue
        finished[name] = ablations.zero_shot() if name == "zero_shot" else ablations.run(name)
        rows = {row: round(100 * found["mAP"], 2) for row, found in finished[name]["rows"].items() if found["mAP"]}
        print(f"{name}: {rows}, {finished[name].get('training_seconds', 0):.0f} s in training", file=sys.stderr)
        counts = {"train_regions": len(ablations.train), "validation_regions": len(ablations.validation)}
        about = {**environment(torch.get_num_threads()), **counts, "settings": settings}
        write_json(options.json, {**about, "results": finished})
    classes = ablations.data.train.classes
    hidden = {one.name for one, is_hidden in zip(classes, ablations.hidden, strict=True) if is_hidden}
    print(report(finished, ablations.objects, hidden))


if __name__ == "__main__":
    main()
