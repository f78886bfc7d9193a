"""A detector asked for classification classes that belong to no detection class."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from other_classes import asked_for, average_precisions, in_order, of_other_classes, of_tree
from small_voc import write_small_voc

from detect.class_tables import DetectionClass, ilsvrc_classification_classes, ilsvrc_detection_classes
from detect.detections import Detections
from detect.ground_truth import GroundTruth
from detect.model_file import build_network, bvlc_info, save_model
from detect.training.data_sets import read_data_set
from proposals import Proposals

CLASSES = ilsvrc_classification_classes()
NAMES = {one.name: label for label, one in enumerate(CLASSES)}
BOX = [10.0, 10.0, 60.0, 60.0]
FAR = [200.0, 200.0, 260.0, 260.0]


def truth_of(*labels: int) -> GroundTruth:
    """A photo for each label, with one object."""
    return GroundTruth(
        images=tuple(f"photo {number}" for number in range(len(labels))),
        numbers=np.arange(1, len(labels) + 1, dtype=np.int64),
        sizes=np.full((len(labels), 2), 300, np.int32),
        classes=CLASSES,
        image_of=np.arange(len(labels), dtype=np.int64),
        boxes=np.array([BOX] * len(labels)).reshape(-1, 4),
        labels=np.array(labels, np.int64),
        ignored=np.zeros(len(labels), np.bool_),
    )


def test_objects_of_detection_classes_are_left_out() -> None:
    dog = ilsvrc_detection_classes()[[one.name for one in ilsvrc_detection_classes()].index("dog")].members[3]
    truth = of_other_classes(truth_of(NAMES["mosque"], dog, NAMES["barometer"], NAMES["mosque"]))
    assert {one.name for one in truth.classes} == {"mosque", "barometer"}
    assert [truth.classes[label].name for label in truth.labels] == ["mosque", "barometer", "mosque"]
    assert truth.image_of.tolist() == [0, 2, 3]
    assert len(truth.images) == 4, "photos stay, as those that show none of it"
    nothing = of_other_classes(truth_of(dog))
    assert (len(nothing.classes), len(nothing.labels)) == (0, 0)


def test_other_annotations_are_refused() -> None:
    truth = dataclasses.replace(truth_of(0), classes=ilsvrc_detection_classes())
    with pytest.raises(ValueError, match="expected annotations of the 1000 classification classes, got 200 others"):
        of_other_classes(truth)


def test_average_precision_of_each_class() -> None:
    truth = of_other_classes(truth_of(NAMES["mosque"], NAMES["barometer"]))
    labels = {one.name: label for label, one in enumerate(truth.classes)}
    first = Detections(np.array([BOX], np.float32), np.array([0.9], np.float32), np.array([labels["mosque"]]))
    second = Detections(
        np.array([FAR, BOX], np.float32), np.array([0.8, 0.3], np.float32), np.array([labels["barometer"]] * 2)
    )
    values = average_precisions(truth, [first, second])
    assert values[labels["mosque"]] == pytest.approx(1.0)
    assert values[labels["barometer"]] == pytest.approx(0.5)


def test_the_detector_answers_with_these_outputs(tmp_path: Path) -> None:
    info = dataclasses.replace(
        bvlc_info(), box_regression="cells", fit=True, regions=("shared",), short_sides=(224, 360)
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_model(tmp_path / "model.safetensors", info, build_network(info).state_dict())
    asked = [CLASSES[NAMES["mosque"]], CLASSES[NAMES["barometer"]]]
    detector = asked_for(str(tmp_path / "model.safetensors"), asked, no_proposals)
    assert [one.name for one in detector.info.classes] == ["mosque", "barometer"]
    assert detector.shared is not None
    assert detector.shared.short_sides == (224, 360), "as the model reads regions"
    regions = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 50
    answer = detector.classifier.classify(regions)
    assert answer.fit is not None
    assert answer.deltas is not None
    logits = detector.classifier.logits(regions)
    assert info.background_logit is not None
    every = torch.cat([logits, torch.full((2, 1), info.background_logit)], dim=1)
    probs = torch.softmax(every, dim=1)[:, [NAMES["mosque"], NAMES["barometer"]]]
    torch.testing.assert_close(answer.probs, probs)


def test_a_network_without_these_outputs_is_refused(tmp_path: Path) -> None:
    few = tuple(DetectionClass("", name, (number,)) for number, name in enumerate(("a", "b", "c", "d")))
    info = dataclasses.replace(bvlc_info(), num_outputs=4, classes=few)
    save_model(tmp_path / "few.safetensors", info, build_network(info).state_dict())
    with pytest.raises(ValueError, match="expected the 1000 classification outputs, got those of other classes"):
        asked_for(str(tmp_path / "few.safetensors"), few, no_proposals)


def test_photos_of_a_tree_by_name(tmp_path: Path) -> None:
    photos = read_data_set("voc", write_small_voc(tmp_path / "voc", tmp_path / "store"))[0]
    assert of_tree(photos, tmp_path / "voc").names == photos.names
    assert not len(of_tree(photos, tmp_path / "vo"))
    chosen = in_order(photos, ["000003", "000001"])
    assert chosen.names == ("000003", "000001")
    assert [path.stem for path in chosen.images] == ["000003", "000001"]


def no_proposals(image: NDArray[np.uint8]) -> Proposals:
    raise AssertionError("nothing is detected here")
