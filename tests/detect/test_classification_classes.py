"""What outputs stand for, and classes by the names of folders."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from detect.class_tables import DetectionClass, ilsvrc_classification_classes, ilsvrc_detection_classes
from detect.classification_classes import ClassFinder, classification_classes, common_classes, has_own_classes
from detect.model_file import bvlc_info
from detect.model_info import ModelInfo

ILSVRC = ilsvrc_classification_classes()
OWN = (DetectionClass("", "Red", (0,)), DetectionClass("n1", "green_ish", (1,)))


def info(**changes: Any) -> ModelInfo:
    return dataclasses.replace(bvlc_info(), **changes)


def trained(**changes: Any) -> ModelInfo:
    return info(background_logit=None, **changes)


def test_a_published_network_has_the_thousand() -> None:
    assert classification_classes(info()) == ILSVRC
    assert [one.wnid for one in ILSVRC] == sorted(one.wnid for one in ILSVRC), "the order of the outputs"


def test_a_network_with_an_output_a_class_has_its_own() -> None:
    assert classification_classes(info(num_outputs=2, classes=OWN)) == OWN
    assert classification_classes(info(classes=ILSVRC[:])) == ILSVRC


@pytest.mark.parametrize(
    ("described", "own"),
    [
        (info(), False),
        (info(classes=ILSVRC), False),
        (info(num_outputs=2, classes=OWN), True),
        (info(num_outputs=3, classes=OWN), False),
        (trained(head="softmax", num_outputs=3, classes=OWN), False),
    ],
)
def test_a_classification_network_of_other_classes_than_ilsvrc_s(described: ModelInfo, own: bool) -> None:
    assert has_own_classes(described) == own


def test_background_of_a_trained_head_is_no_class() -> None:
    assert classification_classes(trained(head="marginal", num_outputs=1001)) == ILSVRC
    assert classification_classes(trained(head="softmax", num_outputs=3, classes=OWN)) == OWN


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_outputs": 1001}, "detector of 200 classes with 1001 outputs"),
        ({"num_outputs": 3, "classes": OWN}, "detector of 2 classes with 3 outputs"),
        ({"num_outputs": 2, "classes": OWN[::-1]}, "detector of 2 classes with 2 outputs"),
    ],
)
def test_other_outputs_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"model bvlc_googlenet: expected a classification network, .*{message}"):
        classification_classes(info(**changes))


def test_models_have_the_same_classes_or_are_refused() -> None:
    """A detector made of a classification network goes with it: background is left out."""
    detector = trained(head="marginal", num_outputs=1001, classes=ilsvrc_detection_classes()[:3])
    assert common_classes([("a", info()), ("b", detector)]) == ILSVRC
    own = info(num_outputs=2, classes=OWN)
    renamed = info(num_outputs=2, classes=(OWN[0], dataclasses.replace(OWN[1], name="blue")))
    with pytest.raises(
        ValueError, match=r"models a and b: expected the same classes .* 2 from 'Red' to 'green_ish' and 2"
    ):
        common_classes([("a", own), ("b", renamed)])
    with pytest.raises(ValueError, match=r"models a and c: .* 1000 from 'tench' to 'toilet tissue' and 2 from 'Red'"):
        common_classes([("a", info()), ("b", detector), ("c", own)])


def test_classes_are_found_by_wnid_and_by_name() -> None:
    finder = ClassFinder(ILSVRC)
    assert [finder.label(called) for called in ("n01440764", "tench", "great_white_shark", "Great White Shark")] == [
        0,
        0,
        2,
        2,
    ]
    assert [ClassFinder(OWN).label(called) for called in ("red", "Green-ish".replace("-", "_"), "N1")] == [0, 1, 1]


def test_a_name_that_two_classes_share_is_found_by_wnid_only() -> None:
    finder = ClassFinder([DetectionClass("n1", "crane"), DetectionClass("n2", "Crane"), DetectionClass("n3", "stork")])
    assert [finder.label(called) for called in ("n1", "n2", "stork")] == [0, 1, 2]
    with pytest.raises(ValueError, match="no class 'crane' among the 3 of the network"):
        finder.label("crane")


def test_an_unknown_class_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        ValueError, match=r"no class 'goldfsh' among the 1000 of the network \(did you mean goldfish\?\)"
    ):
        ClassFinder(ILSVRC).label("goldfsh")
    with pytest.raises(ValueError, match=r"no class '4711' among the 2 of the network$"):
        ClassFinder(OWN).label("4711")
