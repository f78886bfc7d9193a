"""Mean AP of classes with enough objects: what is left of a figure when classes of one object do not decide it.

Reads what `googlenet-rcnn evaluate detections` wrote, of one or several detectors on the same ground truth, and, to
tell classes with training boxes from those without, the classes.csv of `train classifier`.

    python benchmarks/frequent_classes.py --metrics before=A/metrics.json --metrics after=B/metrics.json
        [--trained OUT/classes.csv] [--json FILE]
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
from measuring import markdown, write_json

LEAST = (1, 2, 5, 10)


def read_metrics(spec: str) -> tuple[str, dict[str, dict[str, float]]]:
    """NAME=FILE → the name, and {class: its entry} of classes with ground truth."""
    name, _, file = spec.partition("=")
    rows = json.loads(Path(file).read_text())["per_class"]
    return name, {row["name"]: row for row in rows if row["AP"] is not None}


def mean_ap(rows: dict[str, dict[str, float]], names: list[str]) -> float | None:
    return float(np.mean([rows[name]["AP"] for name in names])) if names else None


def parts_of(rows: dict[str, dict[str, float]], trained: dict[str, int] | None) -> dict[str, list[str]]:
    """Groups of classes, by what they are called in the table."""
    counts = {name: int(row["num_ground_truths"]) for name, row in rows.items()}
    parts = {f"{least} objects or more": [name for name in rows if counts[name] >= least] for least in LEAST}
    if trained is not None:
        parts["with boxes in training"] = [name for name in rows if trained[name]]
        parts["without"] = [name for name in rows if not trained[name]]
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metrics", action="append", required=True, metavar="NAME=FILE", help="may be repeated")
    parser.add_argument("--trained", type=Path, help="classes.csv of a training run")
    parser.add_argument("--each", action="store_true", help="print the AP of every class too, most objects first")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    found = dict(read_metrics(spec) for spec in options.metrics)
    first = next(iter(found.values()))
    for name, rows in found.items():
        if {key: row["num_ground_truths"] for key, row in rows.items()} != {
            key: row["num_ground_truths"] for key, row in first.items()
        }:
            raise SystemExit(f"--metrics {name}: expected the same ground truth as of the first")
    trained = None
    if options.trained is not None:
        with options.trained.open(newline="") as file:
            trained = {row["name"]: int(row["training_objects"]) for row in csv.DictReader(file)}
    parts = parts_of(first, trained)
    table = []
    for part, names in parts.items():
        objects = sum(int(first[name]["num_ground_truths"]) for name in names)
        means = [mean_ap(rows, names) for rows in found.values()]
        table.append([part, str(len(names)), str(objects), *("" if one is None else f"{one:.3f}" for one in means)])
    print(markdown(["classes with", "classes", "objects", *found], table))
    results = {part: {name: mean_ap(rows, names) for name, rows in found.items()} for part, names in parts.items()}
    write_json(options.json, {"metrics": options.metrics, "mean AP": results})
    if options.each:
        names = sorted(first, key=lambda name: (-first[name]["num_ground_truths"], name))
        each = [
            [name, str(int(first[name]["num_ground_truths"])), *(f"{rows[name]['AP']:.2f}" for rows in found.values())]
            for name in names
        ]
        print()
        print(markdown(["class", "objects", *found], each))


if __name__ == "__main__":
    main()
