"""Are the first N boxes of the merged list better than the first N of either? Fits the order, and measures it.

    python benchmarks/merging.py --multibox FILE --fit VOC DIR TREE --fit LOC DIR TREE --data DET DIR TREE
        [--limit 100] [--workers 2] [--save FILE] [--json FILE]

The calibration is fitted on the photos of --fit (give some that MultiBox did not learn from: it is better at those it
did) and judged on those of --data, both spaced evenly over their data sets; the same photo in both is refused. IMAGES
may be a .txt list of photos. Lists: selective search at superpixel scales 1 and 2, MultiBox, and scale 2 merged with
MultiBox in four orders: fitted; with each list fitted by itself; taking turns, as without a calibration; and MultiBox
first, then the search. "Any
split" is the best that any number of MultiBox's first boxes, and the search's for the rest of N, cover, chosen for
each N with the answers known: no order of these two lists can do better, but for near duplicates. Coverage, ABO, MABO
and AR as `googlenet-rcnn evaluate proposals` has them; "change" is coverage with all boxes less that of the search at
scale 1, with its 95 % interval from 2000 resamplings of the photos. Nothing is timed. --save writes the model with
the fitted calibration in its header, named after the file; it belongs to --mode and --multibox-limit.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from measuring import environment, markdown, write_json
from superpixel_scale import check_agreement, coverage_change
from truth_photos import TruthPhotos, figures, measure_boxes, read_photos, share

from configs.proposing import ProposeConfig, search_mode
from detect.model_file import ModelFileError, file_sha256
from detect.multibox_file import MultiBoxModel, build_multibox, load_multibox, save_multibox
from detect.proposal_recall import MeasuredProposals
from detect.recall_report import budget_name
from detect.torch_threads import heeding_torch_threads, one_torch_thread
from detect.whole_files import OutputError
from proposals import Proposals, selective_search
from proposals.diversity import MODES
from proposals.merge_calibration import FirstRanks, first_ranks, fit, fit_rank_value
from proposals.merged_proposals import UNCALIBRATED, MergeCalibration, RankValue, merge
from proposals.multibox import MultiBoxSettings
from proposals.proposals import Proposer
from proposals.recall import Budget, average_recall

BUDGETS: tuple[Budget, ...] = (10, 20, 50, 100, 200, 300, 500, 1000, None)
USUAL, SEARCH, MULTIBOX, FITTED = "search ×1", "search ×2", "MultiBox", "merged, fitted"
# Values that no rank of the other list reaches.
MULTIBOX_FIRST = MergeCalibration(search=RankValue(1e-9, 0, 1), multibox=RankValue(1, 0, 1))

Lists = dict[str, list[Proposals]]  # by name, one list of boxes a photo


def build_proposers(model: MultiBoxModel, mode: str, settings: MultiBoxSettings, device: str) -> dict[str, Proposer]:
    return {
        USUAL: partial(selective_search, mode=mode, superpixel_scale=1.0),
        SEARCH: partial(selective_search, mode=mode, superpixel_scale=2.0),
        MULTIBOX: heeding_torch_threads(build_multibox(model, device=device, settings=settings)),
    }


def propose_all(photos: TruthPhotos, proposers: Mapping[str, Proposer], workers: int) -> Lists:
    def propose(position: int) -> list[Proposals]:
        image = photos.image(position)
        return [proposer(image) for proposer in proposers.values()]

    rows = []
    with one_torch_thread(), ThreadPoolExecutor(workers) as pool:
        for row in pool.map(propose, range(len(photos))):
            rows.append(row)
            print(f"\r{len(rows)}/{len(photos)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return {name: list(column) for name, column in zip(proposers, zip(*rows, strict=True), strict=True)}


def ranks_of(photos: TruthPhotos, lists: Sequence[Proposals]) -> FirstRanks:
    """When each object that counts was first covered."""
    truth = photos.truth
    counted = ~truth.ignored
    objects = [truth.boxes[counted & (truth.image_of == position)] for position in range(len(photos))]
    return FirstRanks.join(first_ranks(boxes, one.boxes) for boxes, one in zip(objects, lists, strict=True))


def merged_lists(lists: Lists, calibration: MergeCalibration, apart: MergeCalibration) -> Lists:
    """The merged list in its four orders; `apart`: each list fitted by itself."""
    orders = {
        FITTED: calibration,
        "merged, each by itself": apart,
        "merged, taking turns": UNCALIBRATED,
        "merged, MultiBox first": MULTIBOX_FIRST,
    }
    pairs = list(zip(lists[SEARCH], lists[MULTIBOX], strict=True))
    return {name: [merge(*pair, order) for pair in pairs] for name, order in orders.items()}


def best_split(search: FirstRanks, multibox: FirstRanks, count: int) -> float:
    """Share of the objects covered by the first `count` boxes of the two lists together, at the best split of count."""
    firsts = [np.where(one.first > 0, one.first, np.iinfo(np.int64).max) for one in (search, multibox)]
    covered = [np.mean((firsts[0] <= count - taken) | (firsts[1] <= taken)) for taken in range(count + 1)]
    return float(max(covered))


def summary(photos: TruthPhotos, lists: Lists) -> dict[str, Any]:
    measured = {name: measure_boxes(photos.truth, [one.boxes for one in some], BUDGETS) for name, some in lists.items()}
    rows = {name: {budget_name(budget): _figures(one, budget) for budget in BUDGETS} for name, one in measured.items()}
    ranks = [ranks_of(photos, lists[name]) for name in (SEARCH, MULTIBOX)]
    return {
        "lists": rows,
        "any_split": {budget_name(budget): best_split(*ranks, budget) for budget in BUDGETS if budget is not None},
        "change": {name: coverage_change(one, measured[USUAL]) for name, one in measured.items() if name != USUAL},
        "over_the_better_list": {
            budget: rows[FITTED][budget]["coverage"]
            - max(rows[name][budget]["coverage"] for name in (SEARCH, MULTIBOX))
            for budget in rows[FITTED]
        },
    }


def _figures(measured: MeasuredProposals, budget: Budget) -> dict[str, float]:
    return {**figures(measured, budget), "AR": float(average_recall(measured.at(budget)))}


def tables(results: Mapping[str, Any]) -> str:
    """Coverage of the first N; then what all boxes of each list come to."""
    names = [budget_name(budget) for budget in BUDGETS]
    rows = [[name, *[share(row[n]["coverage"]) for n in names]] for name, row in results["lists"].items()]
    rows.append(["any split", *[share(results["any_split"][n]) for n in names[:-1]], ""])
    gained = results["over_the_better_list"]
    rows.append([f"{FITTED}, over the better list", *[f"{gained[n]:+.3f}" for n in names]])
    first = markdown(("coverage, N =", *names), rows)
    usual, rows = results["lists"][USUAL]["all"]["boxes"], []
    for name, row in results["lists"].items():
        found, change = row["all"], ""
        if name != USUAL:
            low, middle, high = results["change"][name]
            change = f"{middle:+.3f} ({low:+.3f} to {high:+.3f})"
        metrics = [share(found[metric]) for metric in ("ABO", "MABO", "AR")]
        rows.append(
            [name, f"{found['boxes']:.0f}", f"{found['boxes'] / usual:.2f}", share(found["coverage"]), change, *metrics]
        )
    return f"{first}\n\n{markdown(('', 'boxes', 'of ×1', 'coverage', 'change (95 %)', 'ABO', 'MABO', 'AR'), rows)}"


def save_calibrated(path: Path, model: MultiBoxModel, calibration: MergeCalibration) -> None:
    """Named after its file; in half precision if that is how the model was stored."""
    state = model.network.state_dict()
    weights = [value for name, value in state.items() if name != "priors" and value.is_floating_point()]
    halves = all(torch.equal(value.half().float(), value) for value in weights)
    info = dataclasses.replace(model.info, name=path.stem, merge=calibration)
    save_multibox(path, info, state, dtype=torch.float16 if halves else torch.float32)


def read_sets(sets: Sequence[Sequence[str]], limit: int) -> dict[str, TruthPhotos]:
    return {name: read_photos(Path(images), Path(ground_truth), limit) for name, images, ground_truth in sets}


def refuse_shared(fitted: Mapping[str, TruthPhotos], judged: Mapping[str, TruthPhotos]) -> None:
    contents = [{file_sha256(path): path for one in some.values() for path in one.paths} for some in (fitted, judged)]
    if shared := contents[0].keys() & contents[1].keys():
        path = min(contents[1][one] for one in shared)
        raise SystemExit(f"--data: expected other photos than those of --fit, got {path} in both")


def fit_calibrations(
    sets: Mapping[str, TruthPhotos], propose: Callable[[TruthPhotos], Lists]
) -> tuple[MergeCalibration, MergeCalibration]:
    """Fitted together, and each list by itself."""
    found = {name: (photos, propose(photos)) for name, photos in sets.items()}
    ranks = [
        FirstRanks.join(ranks_of(photos, lists[name]) for photos, lists in found.values())
        for name in (SEARCH, MULTIBOX)
    ]
    try:
        return fit(*ranks), MergeCalibration(*map(fit_rank_value, ranks))
    except ValueError as error:
        raise SystemExit(f"--fit: {error}") from error


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ("NAME", "IMAGES", "GROUND_TRUTH")
    parser.add_argument("--multibox", type=Path, required=True, help="a MultiBox model file")
    parser.add_argument("--fit", nargs=3, metavar=names, action="append", required=True, help="may be repeated")
    parser.add_argument("--data", nargs=3, metavar=names, action="append", required=True, help="may be repeated")
    parser.add_argument("--limit", type=int, default=100, help="photos of each data set")
    parser.add_argument("--workers", type=int, default=2, help="photos that are searched at a time")
    parser.add_argument(
        "--mode", choices=tuple(MODES), default=search_mode(ProposeConfig()), help="of selective search"
    )
    parser.add_argument("--multibox-limit", type=int, default=200, help="boxes of MultiBox")
    parser.add_argument("--crops", type=int, choices=(1, 5), default=1, help="parts of a photo that MultiBox looks at")
    parser.add_argument("--device", default="cpu", help="of MultiBox")
    parser.add_argument("--save", type=Path, help="file to write the model to, with the calibration")
    parser.add_argument("--json", type=Path, help="file to write the results to")
    arguments = parser.parse_args()
    if arguments.save is not None and arguments.crops != 1:
        parser.error("--save: expected --crops 1 with it, which is how a calibrated model looks at photos")
    return arguments


def main() -> None:
    arguments = parse_arguments()
    cv2.setNumThreads(1)
    try:
        model = load_multibox(arguments.multibox)
        settings = MultiBoxSettings(limit=arguments.multibox_limit, crops=arguments.crops)
        proposers = build_proposers(model, arguments.mode, settings, arguments.device)
    except (ModelFileError, ValueError) as error:
        raise SystemExit(str(error)) from error
    fitted, judged = read_sets(arguments.fit, arguments.limit), read_sets(arguments.data, arguments.limit)
    refuse_shared(fitted, judged)
    check_agreement(next(iter(fitted.values())).image(0), [arguments.mode])
    propose = partial(propose_all, proposers=proposers, workers=arguments.workers)
    calibration, apart = fit_calibrations(fitted, propose)
    described = ", ".join(f"{name}: {photos.describe()}" for name, photos in fitted.items())
    print(f"fitted on {described}\n{calibration}\n", flush=True)
    sets = {}
    for name, photos in judged.items():
        lists = propose(photos)
        results = summary(photos, {**lists, **merged_lists(lists, calibration, apart)})
        print(f"{name}: {photos.describe()}\n\n{tables(results)}\n", flush=True)
        sets[name] = {"photos": list(photos.truth.images), **results}
    used = {name: list(photos.truth.images) for name, photos in fitted.items()}
    found = {"multibox": model.sha256, "calibration": dataclasses.asdict(calibration), "fitted_on": used, "data": sets}
    about = {**environment(arguments.workers), "device": arguments.device}
    write_json(arguments.json, {"command": sys.argv, **about, **found})
    if arguments.save is not None:
        try:
            save_calibrated(arguments.save, model, calibration)
        except OutputError as error:
            raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
