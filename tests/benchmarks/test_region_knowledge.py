"""What a detector is asked about single regions, and what its answers cost."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import region_knowledge
import torch
from annotation_trees import write_ilsvrc_tree
from region_knowledge import (
    NOTHING,
    OBJECT,
    Regions,
    asked,
    compared,
    in_words,
    measured,
    members_of,
    regions_of,
    shown_outputs,
    table_rows,
)
from votes import answers_of

from detect.class_tables import DetectionClass, ilsvrc_classification_classes, ilsvrc_detection_classes
from detect.detector import Detector
from detect.ensemble import Ensemble, Member
from detect.model_file import build_network, bvlc_info, load_model, save_model
from detect.training.training_set import IGNORED, TrainingSet
from proposals.recall import box_overlaps

CLASSES = (DetectionClass("", "cat", (0, 2)), DetectionClass("", "dog", (1,)))
CAT, DOG, BACKGROUND, CAT_OR_NOT = range(4)
ALLOWED = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1]], np.bool_)


def photos_of(boxes: list[list[float]], targets: list[int]) -> TrainingSet:
    """One photo, annotated for dogs: a cat may be anywhere."""
    return TrainingSet(
        name="small",
        images=(Path("photo.png"),),
        names=("photo",),
        weights=np.ones(1),
        classes=CLASSES,
        allowed=ALLOWED,
        image_of=np.zeros(len(targets), np.int64),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        targets=np.array(targets, np.int64),
        background=np.array([CAT_OR_NOT]),
    )


def test_regions_are_objects_and_what_is_clear_of_the_proposals(monkeypatch: pytest.MonkeyPatch) -> None:
    objects: list[list[float]] = [[0, 0, 100, 100], [200, 200, 300, 300], [400, 0, 440, 40]]
    photos = photos_of(objects, [DOG, IGNORED, BACKGROUND])
    proposals = np.array(
        [
            [0, 0, 100, 60],  # 0.6 of the dog
            [0, 0, 100, 40],  # 0.4: neither
            [0, 0, 100, 20],  # 0.2: nothing
            [200, 200, 300, 300],  # on what does not count
            [400, 0, 440, 30],  # 0.75 of what is no class
            [600, 0, 640, 30],  # away from all
        ],
        np.float32,
    )
    regions = regions_of(photos, 0, proposals)
    assert regions.boxes[:2].tolist() == [objects[0], objects[2]]
    assert regions.targets.tolist() == [DOG, BACKGROUND, DOG, CAT_OR_NOT, BACKGROUND, CAT_OR_NOT]
    assert regions.on_object.tolist() == [True, True, True, False, True, False]
    np.testing.assert_array_equal(regions.boxes[2:], proposals[[0, 2, 4, 5]])
    assert regions.boxes.dtype == np.float32

    monkeypatch.setattr(region_knowledge, "PROPOSALS", 2)
    few = regions_of(photos, 0, np.tile(proposals[5], (50, 1)) + np.arange(50, dtype=np.float32)[:, None])
    again = regions_of(photos, 0, np.tile(proposals[5], (50, 1)) + np.arange(50, dtype=np.float32)[:, None])
    assert few.on_object.tolist() == [True, True, False, False]
    np.testing.assert_array_equal(few.boxes, again.boxes)


def test_a_photo_without_objects_or_proposals() -> None:
    photos = photos_of([], [])
    proposals = np.array([[0, 0, 10, 10]], np.float32)
    regions = regions_of(photos, 0, proposals)
    assert regions.targets.tolist() == [CAT_OR_NOT]
    assert not regions.on_object.any()
    nothing = regions_of(photos, 0, proposals[:0])
    assert nothing.boxes.shape == (0, 4)
    assert len(nothing.targets) == len(nothing.on_object) == 0


def test_real_proposals_are_never_between() -> None:
    generator = np.random.default_rng(3)
    corners = generator.uniform(0, 200, (300, 2))
    proposals = np.concatenate([corners, corners + generator.uniform(20, 150, (300, 2))], axis=1).astype(np.float32)
    objects: list[list[float]] = [[50, 50, 180, 160], [150, 20, 260, 120]]
    regions = regions_of(photos_of(objects, [DOG, CAT]), 0, proposals)
    overlaps = box_overlaps(regions.boxes, np.array(objects)).max(axis=1)
    assert ((overlaps >= OBJECT) == regions.on_object).all()
    assert (overlaps[~regions.on_object] < NOTHING).all()


def test_costs_by_hand() -> None:
    """Outputs: two kinds of cat, a dog, and one of no class; the rest of 1 is background's."""
    probs = torch.tensor([[0.5, 0.1, 0.2, 0.1], [0.0, 0.6, 0.1, 0.2], [0.2, 0.1, 0.0, 0.3], [0.1, 0.1, 0.1, 0.1]])
    members = members_of(CLASSES, 4)
    assert members.tolist() == [[True, False], [False, True], [True, False], [False, False]]
    regions = Regions(
        boxes=np.zeros((4, 4), np.float32),
        targets=np.array([CAT, DOG, BACKGROUND, CAT_OR_NOT]),
        on_object=np.array([True, True, True, False]),
    )
    objects, background, output, first = measured(probs, members, regions, ALLOWED, None)
    assert objects == pytest.approx(-(np.log(0.7) + np.log(0.6)) / 2), "cats are outputs 0 and 2"
    assert background == pytest.approx(-np.log(0.2 + 0.7)), "a cat, or none of both"
    assert np.isnan(output)
    assert np.isnan(first)
    *_, output, first = measured(probs, members, regions, ALLOWED, 3)
    assert output == pytest.approx(-(np.log(0.1 / 0.9) + np.log(0.2 / 0.9) + np.log(0.3 / 0.6)) / 3)
    assert first == pytest.approx(1 / 3)


def test_what_is_not_there_costs_a_lot_but_not_all() -> None:
    regions = Regions(np.zeros((1, 4), np.float32), np.array([DOG]), np.array([True]))
    objects, background, *_ = measured(torch.tensor([[1.0, 0, 0]]), members_of(CLASSES, 3), regions, ALLOWED, None)
    assert objects == pytest.approx(-np.log(1e-6))
    assert np.isnan(background)


def test_models_are_compared_photo_by_photo() -> None:
    own, first = np.array([1.0, 3.0, np.nan, 2.0]), np.array([2.0, 3.0, 1.0, np.nan])
    mean, difference, error = compared(own, first)
    assert (mean, difference) == (2.0, -0.5)
    assert error == pytest.approx(np.std([-1, 0], ddof=1) / np.sqrt(2))
    assert in_words(mean, difference, error, first=False) == "2.000 (-0.500 ± 0.500)"
    assert in_words(mean, difference, error, first=True) == "2.000"
    assert np.isnan(compared(own[2:3], first[2:3])).all(), "no photo that both have"


def test_the_detector_says_the_classification_outputs(tmp_path: Path) -> None:
    """Its class probabilities are sums of what it says here, without the factor of how well boxes fit."""
    info = dataclasses.replace(
        bvlc_info(), box_regression="cells", fit=True, regions=("shared",), short_sides=(224, 360)
    )
    path = tmp_path / "model.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_model(path, info, build_network(info).state_dict())
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    boxes = np.array([[0, 0, 80, 80], [40, 10, 150, 110]], np.float32)
    one = asked(str(path))
    probs = answers_of(one.ensemble, image, boxes)[0].probs
    assert probs.shape == (2, 1000)
    detector = Detector.load(path, proposals={"method": "selective_search"})
    ensemble = Ensemble([Member(detector.classifier, detector.shared)])
    answer = ensemble.classify([(ensemble.open(image), boxes)])[0][0]
    torch.testing.assert_close(probs @ one.members.float(), answer.probs)
    assert len(load_model(path).info.classes) == len(ilsvrc_detection_classes()) == one.members.shape[1]


def test_a_network_without_these_outputs_cannot_be_asked(tmp_path: Path) -> None:
    few = tuple(DetectionClass("", name, (number,)) for number, name in enumerate(("a", "b", "c", "d")))
    info = dataclasses.replace(bvlc_info(), num_outputs=4, classes=few)
    save_model(tmp_path / "few.safetensors", info, build_network(info).state_dict())
    with pytest.raises(ValueError, match="expected the 1000 classification outputs, got those of other classes"):
        asked(str(tmp_path / "few.safetensors"))


def test_only_the_first_model_stands_by_itself() -> None:
    figures = [[(1.0, 0.0, 0.0), (float("nan"), float("nan"), float("nan"))], [(2.0, 1.0, 0.5)] * 2]
    rows = table_rows(["one", "runs/two/model.safetensors"], figures)
    assert rows == [["one", "1.000", ""], ["runs/two/model.safetensors", *["2.000 (+1.000 ± 0.500)"] * 2]]


def test_what_photos_show_of_the_1000_outputs(tmp_path: Path) -> None:
    one, other = (ilsvrc_classification_classes()[number].wnid for number in (7, 300))
    box = (1.0, 1.0, 9.0, 9.0)
    photos = {"a": [(one, box), (one, box)], "b": [(other, box)]}
    tree = write_ilsvrc_tree(tmp_path / "loc", photos, kind="CLS-LOC")
    assert shown_outputs([tree]) == {"a": 7, "b": 300}
    assert shown_outputs([]) == {}
    both = write_ilsvrc_tree(tmp_path / "both", {"a": [(one, box), (other, box)]}, kind="CLS-LOC")
    with pytest.raises(ValueError, match="a: expected objects of one class, got two"):
        shown_outputs([both])
    detection = write_ilsvrc_tree(tmp_path / "det", {"a": [(ilsvrc_detection_classes()[0].wnid, box)]})
    with pytest.raises(ValueError, match="expected annotations of the 1000 classification classes"):
        shown_outputs([detection])
