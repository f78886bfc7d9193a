"""The data that the training benchmarks learn from: annotated photos with their proposals, some of them held back."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measuring import evenly

from detect.training.content_hashes import content_hashes
from detect.training.data_sets import read_data_set
from detect.training.joined_sets import join_sets, split_held_back, subset
from detect.training.proposal_store import ProposalStore
from detect.training.training_set import TrainingSet


@dataclass(frozen=True)
class TrainingData:
    """Photos to train on and photos held back, chosen by content, with the proposals of both."""

    train: TrainingSet
    held_back: TrainingSet
    store: ProposalStore
    hashes: dict[Path, str]

    def boxes_of(self, photos: TrainingSet) -> Callable[[int], np.ndarray]:
        """Position in a set → proposals (N, 4)."""
        return lambda index: self.store.boxes(self.hashes[photos.images[index]])


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """The options that `read_data` needs."""
    add_photo_options(parser)
    parser.add_argument("--store", type=Path, required=True, help="folder of proposals, filled where it lacks")
    parser.add_argument("--mode", default="balanced", help="of selective search")


def detector_parser(description: str | None, **model: Any) -> argparse.ArgumentParser:
    """For a benchmark of a detector, `options.model`, on the photos of `split_photos`; results go to `options.json`.

    Args:
        model: what its option is beyond the usual, as of `add_argument`.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_photo_options(parser)
    parser.add_argument("--model", **{"default": "det200", "help": "name or file", **model})
    parser.add_argument("--json", type=Path, help="write the results here")
    return parser


def add_photo_options(parser: argparse.ArgumentParser) -> None:
    """The options that `split_photos` needs."""
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="KIND=PATH[,IMAGES]",
        help="voc, ilsvrc_loc, ilsvrc_det or coco, and where it is; may be given several times",
    )
    parser.add_argument("--held-back", type=float, default=0.1, help="fraction of the photos to validate on")
    parser.add_argument("--train-images", type=int, help="train on so many, evenly spaced; default: all")
    parser.add_argument("--val-images", type=int, default=120, help="validate on so many, evenly spaced")


def split_photos(options: argparse.Namespace) -> tuple[TrainingSet, TrainingSet, dict[Path, str]]:
    """Read, join, split by content: photos to train on, photos held back, and the hash of each by file."""
    joined = join_sets([_read(one) for one in options.data])
    hashes = content_hashes(joined.images, None)
    readable = np.array([index for index, one in enumerate(hashes) if one is not None], np.int64)
    joined, hashes = subset(joined, readable), [hashes[index] for index in readable]
    train, held_back = split_held_back(joined, hashes, options.held_back)
    train = subset(train, evenly(len(train), options.train_images))
    held_back = subset(held_back, evenly(len(held_back), options.val_images))
    by_path = {path: one for path, one in zip(joined.images, hashes, strict=True) if one is not None}
    return train, held_back, by_path


def read_data(options: argparse.Namespace) -> TrainingData:
    """`split_photos`, and search what has no proposals yet."""
    train, held_back, by_path = split_photos(options)
    store = ProposalStore(options.store, mode=options.mode, superpixel_scale=2.0, limit=2000)
    photos = [*train.images, *held_back.images]
    failed = store.fill(photos, [by_path[path] for path in photos], 2, _progress(len(photos)))
    broken = {path for path, _ in failed}
    train, held_back = (_without(one, broken) for one in (train, held_back))
    print(f"{len(train)} photos to train on, {len(held_back)} held back, {len(broken)} unusable", file=sys.stderr)
    return TrainingData(train, held_back, store, by_path)


def _read(spec: str) -> TrainingSet:
    kind, _, rest = spec.partition("=")
    path, _, images = rest.partition(",")
    found, problems = read_data_set(kind, Path(path), images=Path(images) if images else None)
    print(f"{spec}: {len(found)} photos, {len(found.targets)} objects, {len(problems)} problems", file=sys.stderr)
    return found


def _without(photos: TrainingSet, broken: set[Path]) -> TrainingSet:
    return subset(photos, np.array([i for i, path in enumerate(photos.images) if path not in broken], np.int64))


def _progress(total: int) -> Callable[[Path, str | None], None]:
    done = 0

    def note(path: Path, reason: str | None) -> None:
        nonlocal done
        done += 1
        if done % 100 == 0:
            print(f"proposals: {done} searched, of at most {total}", file=sys.stderr)

    return note
