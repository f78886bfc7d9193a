"""What the steps from Network-in-Network to Inception v2 are worth, and cost, in classification training.

Every variant is trained by `googlenet-rcnn train backbone` on the same crops with the same settings, batches and number
of steps, from random weights. Reductions: `googlenet_naive` has none, and a quarter of GoogLeNet's filters, so that it
takes as many multiply-adds (`detect.backbones.googlenet_naive`); with all filters it would take eight times as many.

    python benchmarks/object_crops.py --voc VOC --out TREE --size 96
    python benchmarks/backbones.py --tree TREE --out RUNS --json RUNS/backbones.json

An interrupted comparison goes on where it was: each variant is a run in RUNS/NAME, finished ones are only read.
`--quick` takes two steps of two variants. Top-1 and top-5 are of TREE/val, by the averaged weights and one centre crop;
images a second in training are the median over the run's steps, in inference over batches that are timed in turn.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import environment, markdown, spread, write_json

from detect.accounting import account
from detect.model_file import load_model
from detect.region_classifier import RegionClassifier
from detect.training.training_logs import read_metrics
from tools.cli import main as command

RATE = "images_per_second"


@dataclass(frozen=True)
class Variant:
    """One training run: `auxiliary`: weight of the auxiliary classifiers' losses."""

    meaning: str
    backbone: str
    auxiliary: float = 0.0


VARIANTS = {
    "googlenet": Variant("GoogLeNet, auxiliary classifiers", "googlenet", 0.3),
    "googlenet_alone": Variant("the same without auxiliary classifiers", "googlenet"),
    "naive": Variant("without 1×1 reductions, auxiliary classifiers", "googlenet_naive", 0.3),
    "naive_alone": Variant("without both", "googlenet_naive"),
    "googlenet_bn": Variant("GoogLeNet with batch normalisation, auxiliary classifiers", "googlenet_bn", 0.3),
    "googlenet_bn_alone": Variant("the same without auxiliary classifiers", "googlenet_bn"),
    "nin": Variant("Network-in-Network", "nin"),
    "inception_v2": Variant("Inception v2, auxiliary classifier, batch normalisation", "inception_v2", 0.3),
    "inception_v2_alone": Variant("the same without auxiliary classifier", "inception_v2"),
}
QUICK = {"steps": 2, "batch": 4, "size": 39, "variants": "googlenet,nin", "repeats": 1}


def train(name: str, options: argparse.Namespace) -> None:
    """Train a variant, or go on with it; a finished one of the same settings stays as it is.

    Raises:
        SystemExit: with the command's status, if it was interrupted or its settings are not those of its run.
    """
    out, wanted = options.out / name, settings_of(name, options)
    if is_finished(out, wanted):
        return
    print(f"{name}: {VARIANTS[name].meaning}", file=sys.stderr)
    free = {"workers": options.workers, "device": options.device, "name": name, "out": out}
    flags = {**wanted, **free}
    arguments = [
        part
        for flag, value in flags.items()
        for part in (f"--{flag}", json.dumps(value) if isinstance(value, dict | list) else str(value))
    ]
    status = command(["train", "backbone", *arguments, "--resume"])
    if status not in (0, 3):
        sys.exit(status)


def settings_of(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Flags of the command, all that decide what is learnt."""
    train, val = ({"kind": "folders", "path": str(options.tree.absolute()), "split": part} for part in ("train", "val"))
    return {
        "data": train,
        "validation.data": val,
        "backbone": VARIANTS[name].backbone,
        "head.auxiliary": VARIANTS[name].auxiliary,
        "size": options.size,
        "sampling.images_per_batch": options.batch,
        "sampling.crop_area": [options.crop_area, 1.0],
        "optimisation.steps": options.steps,
        "optimisation.learning_rate": options.learning_rate,
        "optimisation.averaging": options.averaging,
        "seed": options.seed,
    }


def is_finished(out: Path, wanted: dict[str, Any]) -> bool:
    """Whether a run of these settings is there, whole."""
    run = described(out)
    if run.get("status") != "finished":
        return False
    found = {name: functools.reduce(dict.__getitem__, name.split("."), run["config"]) for name in wanted}
    return found == wanted


def described(out: Path) -> dict[str, Any]:
    """`run.json`; empty where there is none."""
    path = out / "run.json"
    return json.loads(path.read_text()) if path.exists() else {}


def figures(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """What a finished run came to, and what its network costs."""
    out = options.out / name
    found = described(out)["figures"]
    rows = [row for row in read_metrics(out / "logs" / "metrics.csv") if RATE in row]
    last = rows[-max(1, len(rows) // 10) :]
    cost = account(load_model(out / "model.safetensors").network, (options.size, options.size))
    return {
        "meaning": VARIANTS[name].meaning,
        **{key: found[key] for key in ("top1_before", "top1_after", "top5_after", "num_images")},
        "training_accuracy_last_tenth": float(np.mean([row["training_accuracy"] for row in last])),
        "parameters": cost.weights + cost.others,
        "multiply_adds": cost.multiply_adds,
        "depth": cost.depth,
        "training_images_per_second": float(np.median([row[RATE] for row in rows])),
    }


def inference_rates(names: list[str], options: argparse.Namespace) -> dict[str, list[float]]:
    """Images a second of each network by batch, in turn, so that whatever else the machine does hits all alike."""
    networks = {
        name: RegionClassifier(load_model(options.out / name / "model.safetensors"), device=options.device)
        for name in names
    }
    images = torch.randn(options.batch, 3, options.size, options.size)
    rates: dict[str, list[float]] = {name: [] for name in names}
    for repeat in range(options.repeats + 1):
        for name, network in networks.items():
            started = time.perf_counter()
            network.logits(images).sum().item()
            if repeat:  # the first is a warm-up
                rates[name].append(len(images) / (time.perf_counter() - started))
    return rates


def report(results: dict[str, Any], size: int) -> str:
    """A line for each variant."""
    header = ["run", "what", "top-1", "top-5", "top-1 in training", "parameters", f"multiply-adds, {size} × {size}"]
    header += ["depth", "images/s, training", "images/s, inference"]
    rows = [
        [
            name,
            one["meaning"],
            f"{100 * one['top1_after']:.1f}",
            f"{100 * one['top5_after']:.1f}",
            f"{100 * one['training_accuracy_last_tenth']:.1f}",
            f"{one['parameters'] / 1e6:.2f} M",
            f"{one['multiply_adds'] / 1e6:.1f} M",
            str(one["depth"]),
            f"{one['training_images_per_second']:.0f}",
            spread(one["inference_images_per_second"]),
        ]
        for name, one in results.items()
    ]
    return markdown(header, rows)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=Path, required=True, help="of object_crops.py, or any with train and val")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="comma-separated")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=32, help="images")
    parser.add_argument("--size", type=int, default=80, help="side of the input; Inception v2 takes no less than 75")
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--averaging", type=float, default=0.995)
    parser.add_argument(
        "--crop-area",
        type=float,
        default=0.5,
        help="least part of a picture that is shown in training; GoogLeNet's, 0.08, needs many more steps",
    )
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=20, help="timed batches of each network")
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument("--quick", action="store_true", help=", ".join(f"{key} {one}" for key, one in QUICK.items()))
    if "--quick" in sys.argv:
        parser.set_defaults(**QUICK)
    options = parser.parse_args()
    unknown = set(options.variants.split(",")) - set(VARIANTS)
    if unknown:
        parser.error(f"--variants: expected some of {', '.join(VARIANTS)}, got {', '.join(sorted(unknown))}")
    return options


def main() -> None:
    options = parse()
    names = options.variants.split(",")
    for name in names:
        train(name, options)
    results = {name: figures(name, options) for name in names}
    for name, rates in inference_rates(names, options).items():
        results[name]["inference_images_per_second"] = rates
    settings = {key: str(value) for key, value in vars(options).items()}
    write_json(options.json, {**environment(torch.get_num_threads()), "settings": settings, "results": results})
    print(report(results, options.size))


if __name__ == "__main__":
    main()
