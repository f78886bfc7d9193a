"""From a configuration's data sets to what is trained on and what is held back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from configs.data_config import DataConfig

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    from detect.training.data_sets import Problem
    from detect.training.training_set import TrainingSet

DATA = "data"  # folder below OUT: what is known of the data, and the pictures that are drawn
GENERATED, EMPTY = "generated", "empty"  # below that
PROBLEMS_TOLD = 3


class HeldBackSettings(Protocol):
    """What decides which images judge a run."""

    @property
    def held_back(self) -> float: ...
    @property
    def data(self) -> tuple[DataConfig, ...]: ...
    @property
    def images(self) -> int | None: ...


class DataSettings(Protocol):
    """The part of a training configuration that names its data."""

    @property
    def data(self) -> tuple[DataConfig, ...]: ...
    @property
    def data_root(self) -> str: ...
    @property
    def class_space(self) -> str: ...
    @property
    def validation(self) -> HeldBackSettings: ...
    @property
    def seed(self) -> int: ...


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from, and what judges it.

    Attributes:
        held_back: None where nothing is.
        hashes: file → SHA-256 of its content, of every image of both.
        problems: all that could not be used.
    """

    train: TrainingSet
    held_back: TrainingSet | None
    hashes: Mapping[Path, str]
    problems: tuple[Problem, ...]

    def hashes_of(self, images: TrainingSet) -> list[str]:
        """Of its images in order."""
        return [self.hashes[path] for path in images.images]

    def fingerprint(self) -> str:
        """Changes with any pixel, box, target or weight of what is trained on."""
        from detect.training.content_hashes import joint_digest

        train = self.train
        arrays = (train.weights, train.image_of, train.boxes, train.targets, train.allowed, train.background)
        return joint_digest(self.hashes_of(train), *arrays)

    def held_back_content(self) -> dict[str, Any]:
        """The images that judge a run, and what is known of them."""
        from detect.training.content_hashes import joint_digest

        held_back = self.held_back
        assert held_back is not None
        arrays = (held_back.image_of, held_back.boxes, held_back.targets, held_back.allowed, held_back.background)
        return {"images": len(held_back), "content": joint_digest(self.hashes_of(held_back), *arrays)}

    def summary(self) -> dict[str, Any]:
        """What is told of the data where a run is resumed with others (`checkpoints.DATA_SUMMARY`)."""
        from detect.training.content_hashes import joint_digest

        return {
            "name": self.train.name,
            "images": len(self.train),
            "objects": len(self.train.targets),
            "content": joint_digest(self.hashes_of(self.train)),
        }

    def counts(self) -> dict[str, Any]:
        """For `run.json`."""
        from detect.training.data_check import data_report

        report = data_report(self.train, self.problems)
        return {
            "name": report.name,
            "images": report.images,
            "objects": report.objects,
            "ambiguous": report.ambiguous,
            "outside": report.outside,
            "ignored": report.ignored,
            "classes_with_boxes": report.classes_with_boxes,
            "held_back_images": 0 if self.held_back is None else len(self.held_back),
            "problems": report.problems,
        }

    def in_words(self) -> str:
        """A sentence for the start of a run."""
        counts = self.counts()
        return (
            f"{counts['images']} images to train on, {counts['objects']} objects, {counts['classes_with_boxes']} of "
            f"{len(self.train.classes)} classes have boxes; {counts['held_back_images']} images held back"
        )


def read_training_data(config: DataSettings, out: Path) -> TrainingData:
    """Read every data set, and split off what is held back.

    Args:
        out: of the run; generated pictures are drawn below it, and hashes are remembered there, by the main process:
            the others find what it has written.
    Raises:
        ValueError: one sentence: a data set that cannot be read at all, nothing to train on, or an image that is to
            judge and to be learnt from.
        OutputError: if generated pictures cannot be written.
    """
    from detect.training.content_hashes import first_by_hash, refuse_overlap
    from detect.training.joined_sets import join_sets, subset

    problems: list[Problem] = []
    folder = out / DATA
    cache = folder / "hashes.json"
    parts = [_read(config, one, folder, problems) for one in config.data]
    whole, hashes = _with_hashes(join_sets(parts), cache, problems)
    train, held_back = _split(whole, hashes, config.validation.held_back)
    _refuse_nothing_to_learn(train, problems)
    judges = [] if held_back is None else [held_back]
    if config.validation.data:
        parts = [_read(config, one, folder, problems) for one in config.validation.data]
        further, more = _with_hashes(join_sets(parts), cache, problems)
        refuse_overlap(
            [hashes[path] for path in train.images], train.names, [more[path] for path in further.images], further.names
        )
        hashes, judges = {**hashes, **more}, [*judges, further]
    judge = join_sets(judges) if judges else None
    if judge is not None:
        judge = subset(judge, first_by_hash([hashes[path] for path in judge.images], config.validation.images))
    return TrainingData(train, judge, hashes, tuple(problems))


def _read(config: DataSettings, one: DataConfig, folder: Path, problems: list[Problem]) -> TrainingSet:
    from detect.training.data_sets import read_data_set
    from detect.training.empty_pictures import write_empty
    from detect.training.generated_images import write_generated
    from detect.training.joined_sets import keep_most_per_class
    from detect.training.processes import is_main_process

    root = Path(config.data_root)
    path = root / one.path
    if one.kind == "generated":
        path, count = folder / GENERATED, _count(one)
        if is_main_process():
            write_generated(path, count, config.seed)
    elif one.kind == "empty":
        path, count = folder / EMPTY, _count(one)
        if is_main_process():
            write_empty(path, count, config.seed)
    found, more = read_data_set(
        one.kind,
        path,
        images=None if one.images is None else root / one.images,
        image_list=None if one.image_list is None else root / one.image_list,
        split=one.split,
        weight=one.weight,
        class_space=config.class_space,
    )
    problems.extend(more)
    return found if one.most_per_class is None else keep_most_per_class(found, one.most_per_class, config.seed)


def _with_hashes(images: TrainingSet, cache: Path, problems: list[Problem]) -> tuple[TrainingSet, dict[Path, str]]:
    """The images whose content can be read, and its hash by file."""
    from detect.training.content_hashes import content_hashes
    from detect.training.data_sets import Problem
    from detect.training.joined_sets import subset
    from detect.training.processes import is_main_process

    found = content_hashes(images.images, cache, write=is_main_process())
    readable = [index for index, one in enumerate(found) if one is not None]
    if not readable:
        raise ValueError(f"{images.name}: expected images, could read none")
    if len(readable) < len(images):
        unreadable = sorted(set(range(len(images))) - set(readable))
        problems.extend(Problem(images.images[index], "cannot be read: left out", "image") for index in unreadable)
        images = subset(images, readable)
    return images, dict(zip(images.images, (one for one in found if one), strict=True))


def _split(images: TrainingSet, hashes: Mapping[Path, str], fraction: float) -> tuple[TrainingSet, TrainingSet | None]:
    from detect.training.joined_sets import split_held_back

    if fraction == 0:
        return images, None
    train, held_back = split_held_back(images, [hashes[path] for path in images.images], fraction)
    if not len(train):
        raise ValueError(f"validation.held_back: {fraction} of {len(images)} images leaves none to train on")
    return train, held_back if len(held_back) else None


def _refuse_nothing_to_learn(train: TrainingSet, problems: Sequence[Problem]) -> None:
    """No object of any class teaches that everything is background, for hours."""
    from detect.training.training_set import IGNORED

    counted = train.targets[train.targets != IGNORED]
    if train.allowed[counted, :-1].any():
        return
    first = "; ".join(f"{one.file}: {one.what}" for one in problems[:PROBLEMS_TOLD])
    more = f" (of {len(problems)} problems the first: {first})" if problems else ""
    raise ValueError(
        f"{train.name}: expected objects of the {len(train.classes)} classes, found none in {len(train)} images{more}"
    )


def _count(one: DataConfig) -> int:
    text = one.path
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise ValueError(f"data.path: expected a number of images to draw from 1 on for {one.kind}, got {text!r}")
    return int(text)
