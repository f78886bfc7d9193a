"""Which classes the outputs of a network stand for, where it classifies whole images."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence

from detect.class_tables import DetectionClass, ilsvrc_classification_classes
from detect.model_info import ModelInfo


def classification_classes(info: ModelInfo) -> tuple[DetectionClass, ...]:
    """The classes of a network's first outputs, in their order; background, the last of a trained head, is left out.

    A model whose classes have an output each has these. One with a thousand outputs that sums them into other classes,
    as the published networks do here, and detectors that were made of them, has ILSVRC's.

    Raises:
        ValueError: if the outputs are neither.
    """
    outputs = info.num_outputs - (info.head != "zero_shot")
    if _has_an_output_each(info, outputs):
        return info.classes
    ilsvrc = ilsvrc_classification_classes()
    if outputs == len(ilsvrc):
        return ilsvrc
    raise ValueError(
        f"model {info.name}: expected a classification network, with an output for each of its classes or ILSVRC's "
        f"{len(ilsvrc)}, got a detector of {len(info.classes)} classes with {outputs} outputs"
    )


def has_own_classes(info: ModelInfo) -> bool:
    """Whether it is a classification network of other classes than ILSVRC's, whose numbers mean nothing to it."""
    return (
        info.head == "zero_shot"
        and _has_an_output_each(info, info.num_outputs)
        and info.classes != ilsvrc_classification_classes()
    )


def _has_an_output_each(info: ModelInfo, outputs: int) -> bool:
    return len(info.classes) == outputs and all(one.members == (label,) for label, one in enumerate(info.classes))


def common_classes(models: Sequence[tuple[str, ModelInfo]]) -> tuple[DetectionClass, ...]:
    """The classes of all models, which have to be the same in the same order.

    Args:
        models: at least one: what to call each, and its description.
    Raises:
        ValueError: naming two models that differ, and as `classification_classes`.
    """
    (first, info), *others = models
    classes = classification_classes(info)
    for name, other in others:
        theirs = classification_classes(other)
        if [(one.wnid, one.name) for one in theirs] != [(one.wnid, one.name) for one in classes]:
            raise ValueError(
                f"models {first} and {name}: expected the same classes in the same order, got {len(classes)} from "
                f"{classes[0].name!r} to {classes[-1].name!r} and {len(theirs)} from {theirs[0].name!r} to "
                f"{theirs[-1].name!r}"
            )
    return classes


class ClassFinder:
    """Labels by wnid or by name: capitals do not matter, `_` is a space, a name that two classes share is none."""

    def __init__(self, classes: Sequence[DetectionClass]) -> None:
        names = Counter(_plain(one.name) for one in classes)
        self._labels = {_plain(one.name): i for i, one in enumerate(classes) if names[_plain(one.name)] == 1}
        self._labels |= {one.wnid.lower(): i for i, one in enumerate(classes) if one.wnid}
        self._classes = classes

    def label(self, called: str) -> int:
        """The label of a class.

        Raises:
            ValueError: if there is none, with the nearest.
        """
        label = self._labels.get(called.lower(), self._labels.get(_plain(called)))
        if label is not None:
            return label
        near = difflib.get_close_matches(_plain(called), self._labels, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise ValueError(f"no class {called!r} among the {len(self._classes)} of the network{hint}")


def _plain(name: str) -> str:
    return name.lower().replace("_", " ")
