"""From a classification run's configuration to the images that it learns from and those that judge it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.backbone_training import BackboneTrainingConfig, LabelledDataConfig
from configs.training_data import DATA

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    from collections.abc import Sequence

    from detect.class_tables import DetectionClass
    from detect.training.data_sets import Problem
    from detect.training.labelled_set import LabelledSet


@dataclass(frozen=True)
class BackboneData:
    """What a run learns from, and what judges it.

    Attributes:
        held_back: of the same classes; None where nothing is.
        hashes: image → SHA-256 of its content, of every image of both.
        problems: all that could not be used.
    """

    train: LabelledSet
    held_back: LabelledSet | None
    hashes: Mapping[Path, str]
    problems: tuple[Problem, ...]

    def hashes_of(self, images: LabelledSet) -> list[str]:
        """Of its images in order."""
        return [self.hashes[path] for path in images.images]

    def fingerprint(self) -> str:
        """Changes with any image, label or class of what is trained on."""
        from detect.training.content_hashes import joint_digest

        classes = [f"{one.wnid} {one.name}" for one in self.train.classes]
        return joint_digest([*self.hashes_of(self.train), *classes], self.train.labels)

    def held_back_content(self) -> dict[str, Any]:
        """The images that judge a run, and their labels."""
        from detect.training.content_hashes import joint_digest

        assert self.held_back is not None
        content = joint_digest(self.hashes_of(self.held_back), self.held_back.labels)
        return {"images": len(self.held_back), "content": content}

    def summary(self) -> dict[str, Any]:
        """What is told of the data where a run is resumed with others (`checkpoints.DATA_SUMMARY`)."""
        from detect.training.content_hashes import joint_digest

        content = joint_digest(self.hashes_of(self.train))
        return {"name": self.train.name, "images": len(self.train), "content": content}

    def counts(self) -> dict[str, Any]:
        """For `run.json`."""
        from collections import Counter

        return {
            "name": self.train.name,
            "images": len(self.train),
            "classes": len(self.train.classes),
            "classes_with_images": int((self.train.counts() > 0).sum()),
            "held_back_images": 0 if self.held_back is None else len(self.held_back),
            "problems": dict(sorted(Counter(one.kind for one in self.problems).items())),
        }

    def in_words(self) -> str:
        """A sentence for the start of a run."""
        counts = self.counts()
        return (
            f"{counts['images']} images of {counts['classes_with_images']} of {counts['classes']} classes to train on; "
            f"{counts['held_back_images']} images held back"
        )


def read_backbone_data(config: BackboneTrainingConfig, out: Path) -> BackboneData:
    """Read what is trained on, and read or split off what is held back.

    Args:
        out: of the run; hashes are remembered below it, by the main process.
    Raises:
        ValueError: one sentence: a data set that cannot be read at all, nothing to train on, or an image that is to
            judge and to be learnt from.
        OutputError: if the hashes cannot be written.
    """
    import numpy as np

    from detect.training.content_hashes import first_by_hash, held_back_by_hash, refuse_overlap

    problems: list[Problem] = []
    cache, validation = out / DATA / "hashes.json", config.validation
    train, hashes = _hashed(_read(config, config.data, "data.path", None, problems), cache, problems)
    if validation.data is not None:
        further = _read(config, validation.data, "validation.data.path", train.classes, problems)
        judge, more = _hashed(further, cache, problems)
        paths = [[str(path) for path in one.images] for one in (train, judge)]
        refuse_overlap(list(hashes.values()), paths[0], list(more.values()), paths[1])
        hashes = {**hashes, **more}
    else:
        held = held_back_by_hash(list(hashes.values()), validation.held_back)
        if held.all():
            raise ValueError(
                f"validation.held_back: {validation.held_back} of {len(held)} images leaves none to train on"
            )
        train, judge = train.subset(np.flatnonzero(~held)), train.subset(np.flatnonzero(held))
    judge = judge.subset(first_by_hash([hashes[path] for path in judge.images], validation.images))
    return BackboneData(train, judge if len(judge) else None, hashes, tuple(problems))


def _read(
    config: BackboneTrainingConfig,
    one: LabelledDataConfig,
    flag: str,
    classes: Sequence[DetectionClass] | None,
    problems: list[Problem],
) -> LabelledSet:
    from detect.training.labelled_sets import read_labelled_set

    path = Path(config.data_root) / one.path
    found, more = read_labelled_set(one.kind, path, split=one.split, classes=classes, flag=flag)
    problems.extend(more)
    return found


def _hashed(images: LabelledSet, cache: Path, problems: list[Problem]) -> tuple[LabelledSet, dict[Path, str]]:
    """The images whose content can be read, and its hash by image, in their order."""
    from detect.training.data_sets import Problem
    from detect.training.processes import is_main_process

    found = images.reader.hashes(images.images, cache, write=is_main_process())
    hashes = {path: one for path, one in zip(images.images, found, strict=True) if one is not None}
    if not hashes:
        raise ValueError(f"{images.name}: expected images, could read none")
    problems.extend(Problem(path, "cannot be read: left out", "image") for path in images.images if path not in hashes)
    return images.subset([i for i, path in enumerate(images.images) if path in hashes]), hashes
