from __future__ import annotations

import numpy as np
import pytest
from held_back_case import BIRD, CAT, DOG, held_back

from detect.predictions import Predictions
from detect.training.training_set import IGNORED
from detect.training.validation_truth import ground_truth_of, overlaps, unique_names, without_uncertain


def predictions(*rows: tuple[int, int, list[float]]) -> Predictions:
    images, labels, boxes = zip(*rows, strict=True) if rows else ((), (), ())
    return Predictions(
        np.array(images, np.int64),
        np.array(labels, np.int64),
        np.linspace(0.9, 0.1, len(rows)),
        np.array(boxes, np.float64).reshape(-1, 4),
    )


def test_objects_of_one_class_are_ground_truth_and_the_others_are_uncertain_or_background():
    found = ground_truth_of(held_back())
    assert found.truth.images == ("a", "b", "c")
    assert found.truth.numbers.tolist() == [1, 2, 3]
    assert found.truth.image_of.tolist() == [0, 1, 1]
    assert found.truth.labels.tolist() == [DOG, CAT, BIRD]
    assert found.truth.boxes.tolist() == [[0, 0, 40, 40], [0, 0, 40, 40], [0, 50, 40, 90]]
    assert found.exempt.tolist() == [[1, BIRD]]  # nobody annotated birds there, the one bird included
    assert found.uncertain_image.tolist() == [0, 1]
    assert found.uncertain_labels.tolist() == [[True, True, False], [True, True, True]]
    assert found.crowds.tolist() == [False, True]


def test_the_truth_agrees_with_a_loop_over_objects_on_random_sets():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        case = held_back(
            targets=rng.integers(-1, 6, 6), image_of=np.sort(rng.integers(0, 3, 6)), background=rng.integers(0, 6, 3)
        )
        found = ground_truth_of(case)
        labels, uncertain = [], []
        for position, target in enumerate(case.targets.tolist()):
            outcomes = [] if target < 0 else np.flatnonzero(case.allowed[target]).tolist()
            if target >= 0 and len(outcomes) == 1 and outcomes[0] < 3:
                labels.append((int(case.image_of[position]), outcomes[0]))
            elif target < 0 or outcomes != [3]:
                uncertain.append(position)
        assert list(zip(found.truth.image_of.tolist(), found.truth.labels.tolist(), strict=True)) == labels
        np.testing.assert_array_equal(found.uncertain_boxes, case.boxes[uncertain])
        pairs = [[i, c] for i in range(3) for c in range(3) if case.allowed[case.background[i], c]]
        assert found.exempt.tolist() == pairs


def test_a_detection_on_an_uncertain_object_goes_only_for_the_classes_that_it_may_be():
    where = ground_truth_of(held_back())
    on_animal = [50.0, 0, 90, 40]
    given = predictions((0, DOG, on_animal), (0, CAT, on_animal), (0, BIRD, on_animal), (1, BIRD, on_animal))
    before = given.boxes.copy()
    assert without_uncertain(given, where).labels.tolist() == [BIRD]  # ignored objects may be of any class
    np.testing.assert_array_equal(given.boxes, before)


def test_half_of_an_uncertain_object_is_enough_and_less_is_not():
    where = ground_truth_of(held_back())
    enough, less = [50.0, 0, 70, 40], [50.0, 0, 69.9, 40]  # IoU 20 · 40 / 40 · 40 = 0.5, and a little less
    kept = without_uncertain(predictions((0, DOG, enough), (0, DOG, less)), where)
    assert kept.boxes.tolist() == [less]
    # In an ignored object, half of the detection is enough: 5 of 10 pixels, and 4.9 of 10.
    crowd = predictions((1, DOG, [45, 0, 55, 10]), (1, DOG, [44.9, 0, 54.9, 10]))
    assert without_uncertain(crowd, where).boxes[:, 0].tolist() == [44.9]


def test_a_detection_that_lies_more_on_its_own_ground_truth_stays():
    case = held_back(boxes=np.array([[0, 0, 40, 40], [4, 0, 44, 40]] + [[50, 50, 60, 60]] * 4, np.float32))
    where = ground_truth_of(case)
    given = predictions((0, DOG, [0, 0, 40, 40]), (0, DOG, [2, 0, 42, 40]), (0, DOG, [4, 0, 44, 40]))
    assert without_uncertain(given, where).boxes[:, 0].tolist() == [0, 2]  # the second overlaps both alike


def test_a_detection_of_a_ground_truth_inside_an_ignored_object_stays():
    # As a cat on a difficult sofa: the detection is wholly inside the ignored object, and on its own ground truth.
    boxes = np.array([[20, 20, 60, 60], [0, 0, 100, 100]], np.float32)
    where = ground_truth_of(held_back(boxes=boxes, targets=np.array([CAT, IGNORED]), image_of=np.array([0, 0])))
    on_the_cat = predictions((0, CAT, [20, 20, 58, 60]))
    assert len(without_uncertain(on_the_cat, where)) == 1
    beside_the_cat = predictions((0, CAT, [60, 60, 90, 90]))
    assert len(without_uncertain(beside_the_cat, where)) == 0


def test_no_objects_and_no_detections():
    empty = held_back(image_of=np.zeros(0, np.int64), boxes=np.zeros((0, 4), np.float32), targets=np.zeros(0, np.int64))
    where = ground_truth_of(empty)
    assert len(where.truth.labels) == len(where.uncertain_boxes) == 0
    assert len(without_uncertain(predictions(), where)) == 0
    assert len(without_uncertain(predictions((2, DOG, [0, 0, 1, 1])), where)) == 1


def test_overlaps_of_a_detection_without_area_are_zero():
    boxes = np.array([[5.0, 5, 5, 5]])
    assert overlaps(boxes, np.array([[0.0, 0, 10, 10]]), np.array([True])).tolist() == [[0]]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("a", "b"), ("a", "b")),
        (("a", "a", "a"), ("a", "a (2)", "a (3)")),
        (("a", "a", "a (2)"), ("a", "a (3)", "a (2)")),
        ((), ()),
    ],
)
def test_names_become_unique(names, expected):
    assert unique_names(names) == expected
