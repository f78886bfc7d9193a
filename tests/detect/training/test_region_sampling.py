"""Which regions are drawn, and as what: by hand, and by laws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_regions import EVERYTHING, FOREGROUND, NONE, SIZE, TEACHES, as_dict, boxes, sample
from sampled_photos import Settings, random_boxes

from configs.training_regions import SamplingConfig
from detect.training.region_sampling import covered_by, jittered_boxes, sample_regions
from detect.training.training_set import IGNORED


def test_by_hand() -> None:
    objects = boxes((0, 0, 10, 10), (50, 50, 60, 60), (80, 0, 90, 10))
    proposals = boxes(
        (0, 0, 10, 5),  # IoU 50 / 100 = 0.5 with the first object: class 0
        (0, 0, 10, 4),  # 40 / 100 = 0.4: background
        (50, 50, 60, 58),  # 80 / 100 = 0.8 with the ambiguous object: its target
        (80, 0, 90, 5),  # half of the ignored object: left out
        (85, 0, 95, 10),  # 50 of its own 100 pixels lie in the ignored object: left out
        (86, 0, 96, 10),  # 40 of 100: background
        (20, 20, 30, 30),  # nothing: background
    )
    regions = sample(proposals, objects, [0, 3, IGNORED])
    assert as_dict(regions) == {
        (0, 0, 10, 10): 0,
        (0, 0, 10, 5): 0,
        (50, 50, 60, 60): 3,
        (50, 50, 60, 58): 3,
        (0, 0, 10, 4): 2,
        (86, 0, 96, 10): 2,
        (20, 20, 30, 30): 2,
    }
    assert FOREGROUND[regions.targets].tolist() == [True] * 2 + [False] * 5  # foreground first
    # IoU above 0.6: the two objects with themselves (1.0) and the region of 0.8.
    regressed = {
        tuple(box.tolist()): tuple(matched.tolist())
        for box, matched in zip(regions.boxes[regions.regress], regions.matched[regions.regress], strict=True)
    }
    whole = (50.0, 50.0, 60.0, 60.0)
    assert regressed == {(0, 0, 10, 10): (0, 0, 10, 10), whole: whole, (50, 50, 60, 58): whole}
    # IoU of 0.2 or more: beside these, those of 0.5 and 0.4.
    near = dict(zip(map(tuple, regions.boxes[regions.near].tolist()), regions.matched[regions.near], strict=True))
    first = (0.0, 0.0, 10.0, 10.0)
    expected = regressed | {(0, 0, 10, 5): first, (0, 0, 10, 4): first}
    assert {box: tuple(matched.tolist()) for box, matched in near.items()} == expected
    np.testing.assert_array_equal(regions.matched[~regions.near], regions.boxes[~regions.near])


@pytest.mark.parametrize(
    ("there", "expected"),  # (foreground, background) candidates; 2 and 6 are wanted
    [
        ((10, 20), (2, 6)),
        ((1, 20), (1, 7)),
        ((0, 20), (0, 8)),
        ((10, 3), (5, 3)),
        ((10, 0), (8, 0)),
        ((1, 2), (1, 2)),
        ((0, 0), (0, 0)),
    ],
)
def test_counts_and_shortages(there: tuple[int, int], expected: tuple[int, int]) -> None:
    object_ = boxes((0, 0, 50, 50))
    on_it = boxes(*((0, 0, 50, 49 - i) for i in range(max(0, there[0] - 1))))
    elsewhere = boxes(*((60, 60, 70, 70 + i) for i in range(there[1])))
    objects = object_ if there[0] else NONE
    regions = sample(np.concatenate([on_it, elsewhere]), objects, [0] * len(objects), Settings())
    is_foreground = FOREGROUND[regions.targets]
    assert (int(is_foreground.sum()), int((~is_foreground).sum())) == expected
    assert len(np.unique(regions.boxes, axis=0)) == len(regions)  # without replacement


def test_each_image_gives_its_share() -> None:
    proposals = random_boxes(50, SIZE, np.random.default_rng(0))
    settings = Settings(images_per_batch=4, foreground=8, background=24)
    assert len(sample(proposals, NONE, [], settings)) == 8


def test_best_object_wins_and_a_tie_goes_to_the_first() -> None:
    # Object 0 covers 60 of the region's 100 pixels (IoU 60 / 100), object 1 all of them and 25 more (100 / 125).
    region = boxes((0, 0, 10, 10))
    best = sample(region, boxes((0, 0, 6, 10), (0, 0, 12.5, 10)), [0, 1])
    assert as_dict(best)[0, 0, 10, 10] == 1
    tie = sample(region, boxes((0, 0, 8, 10), (0, 0, 10, 8)), [1, 0])
    assert as_dict(tie)[0, 0, 10, 10] == 1


def test_an_outside_object_that_is_overlapped_best_makes_background() -> None:
    """Target 2 allows background alone: a region on it is learnt from, as background, and regressed."""
    regions = sample(NONE, boxes((0, 0, 10, 10), (0, 0, 10, 9)), [2, 0])
    assert as_dict(regions) == {(0, 0, 10, 10): 2, (0, 0, 10, 9): 0}
    assert regions.regress.all()


def test_foreground_stays_where_an_object_is_ignored_too() -> None:
    box = (0.0, 0.0, 10.0, 10.0)
    assert as_dict(sample(NONE, boxes(box, box), [IGNORED, 1])) == {box: 1}
    assert as_dict(sample(NONE, boxes(box, box), [IGNORED, 3])) == {}


@pytest.mark.parametrize(("height", "there"), [(4.0, True), (5.0, True), (9.0, False), (5.01, False)])
def test_either_side_of_the_background_range(height: float, there: bool) -> None:
    """IoU with the object is height / 20; background is [0.2, 0.25), and 0.5 begins foreground: 0.25 is neither."""
    settings = replace(EVERYTHING, background_iou=(0.2, np.nextafter(0.25, 1)))
    regions = sample(boxes((0, 0, 10, height)), boxes((0, 0, 10, 20)), [0], settings)
    assert ((0, 0, 10, height) in as_dict(regions)) == there


def test_regression_begins_above_its_threshold() -> None:
    regions = sample(boxes((0, 0, 10, 12), (0, 0, 10, 13)), boxes((0, 0, 10, 20)), [0])  # IoU 0.6 and 0.65
    by_box = {tuple(box.tolist()): bool(on) for box, on in zip(regions.boxes, regions.regress, strict=True)}
    assert by_box == {(0, 0, 10, 20): True, (0, 0, 10, 12): False, (0, 0, 10, 13): True}


def test_no_objects_and_no_proposals() -> None:
    assert len(sample(NONE, NONE, [])) == 0
    regions = sample(boxes((0, 0, 9, 9)), NONE, [])
    assert regions.targets.tolist() == [2]
    assert regions.regress.tolist() == [False]
    np.testing.assert_array_equal(regions.matched, regions.boxes)


def test_only_ignored_objects() -> None:
    regions = sample(boxes((0, 0, 10, 10), (50, 50, 60, 60)), boxes((0, 0, 10, 10)), [IGNORED])
    assert as_dict(regions) == {(50, 50, 60, 60): 2}


def test_boxes_are_clipped_and_those_outside_dropped() -> None:
    proposals = boxes((90, 90, 120, 130), (100, 0, 110, 10), (30, 30, 30, 40))
    regions = sample(proposals, boxes((-10, 0, 20, 20), (200, 200, 210, 210)), [0, 1])
    assert as_dict(regions) == {(0, 0, 20, 20): 0, (90, 90, 100, 100): 2}
    np.testing.assert_array_equal(regions.matched[regions.regress], [[0, 0, 20, 20]])


def test_jittered_copies_stay_near() -> None:
    settings = replace(EVERYTHING, jittered=50, foreground_iou=0.4, background_iou=(0.0, 0.4))
    regions = sample(NONE, boxes((40, 40, 60, 80), (0, 0, 5, 5)), [0, IGNORED], settings)
    assert (len(regions), regions.targets.max()) == (51, 0)  # none of them leaves the object, or is of the ignored one
    centres = (regions.boxes[:, :2] + regions.boxes[:, 2:]) / 2
    assert np.all(np.abs(centres - (50, 60)) <= np.array([20, 40]) * 0.2 + 1e-4)
    ratios = (regions.boxes[:, 2:] - regions.boxes[:, :2]) / (20, 40)
    assert np.all(np.abs(np.log(ratios)) <= 0.2 + 1e-5)
    assert len(np.unique(regions.boxes, axis=0)) == 51


def test_jitter_of_nothing_copies() -> None:
    copies = jittered_boxes(boxes((1, 2, 11, 22), (5, 5, 6, 6)), 2, 0.0, np.random.default_rng(0))
    np.testing.assert_allclose(copies, [[1, 2, 11, 22], [1, 2, 11, 22], [5, 5, 6, 6], [5, 5, 6, 6]], rtol=1e-6)


def test_shifting_and_scaling_everything_changes_nothing_else() -> None:
    rng = np.random.default_rng(1)
    proposals, objects = random_boxes(40, (64, 64), rng), random_boxes(3, (64, 64), rng)
    plain = sample(proposals, objects, [0, 3, IGNORED], Settings(), size=(64, 64))
    twice = sample(proposals * 2, objects * 2, [0, 3, IGNORED], Settings(), size=(128, 128))  # exact in binary
    np.testing.assert_array_equal(twice.boxes, plain.boxes * 2)
    np.testing.assert_array_equal(twice.matched, plain.matched * 2)
    np.testing.assert_array_equal(twice.targets, plain.targets)
    np.testing.assert_array_equal(twice.regress, plain.regress)


def test_same_seed_same_regions_and_inputs_are_left_alone() -> None:
    rng = np.random.default_rng(2)
    proposals, objects = random_boxes(40, SIZE, rng), random_boxes(3, SIZE, rng)
    targets = np.array([0, 3, IGNORED])
    before = proposals.copy(), objects.copy(), targets.copy()
    settings = Settings(jittered=4)
    drawn = [
        sample_regions(proposals, objects, targets, 2, FOREGROUND, TEACHES, SIZE, settings, np.random.default_rng(seed))
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(drawn[0].boxes, drawn[1].boxes)
    assert not np.array_equal(drawn[0].boxes, drawn[2].boxes)
    for array, copy in zip((proposals, objects, targets), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_every_candidate_is_drawn_as_often() -> None:
    proposals = boxes(*((10 * i, 50, 10 * i + 9, 59) for i in range(10)))
    counts = np.zeros(10)
    for seed in range(500):
        drawn = sample(proposals, NONE, [], Settings(foreground=0, background=3), seed)
        counts[(drawn.boxes[:, 0] / 10).astype(int)] += 1
    assert counts.sum() == 1500
    assert np.all(np.abs(counts - 150) < 5 * np.sqrt(500 * 0.3 * 0.7))


def test_types_for_the_configuration_s_own_settings() -> None:
    regions = sample(boxes((0, 0, 9, 9)), boxes((0, 0, 9, 9)), [0], SamplingConfig())
    assert (regions.boxes.dtype, regions.targets.dtype) == (np.float32, np.int64)
    assert (regions.matched.dtype, regions.regress.dtype) == (np.float32, np.bool_)


def test_regions_that_teach_nothing_are_not_drawn_and_others_take_their_place() -> None:
    proposals = boxes(*((0, 0, 10, 10 - i / 10) for i in range(3)), *((50, 50, 60 + i, 60) for i in range(5)))
    teaches = np.array([True, True, False, True])
    settings = Settings(foreground=1, background=3)
    drawn = sample_regions(
        proposals,
        boxes((0, 0, 10, 10)),
        np.array([0]),
        2,
        FOREGROUND,
        teaches,
        SIZE,
        settings,
        np.random.default_rng(0),
    )
    assert drawn.targets.tolist() == [0, 0, 0, 0]
    assert set(sample(proposals, boxes((0, 0, 10, 10)), [0], settings).targets.tolist()) == {0, 2}


def test_covered_by_nothing() -> None:
    assert covered_by(boxes((0, 0, 1, 1)), NONE).tolist() == [False]
    assert covered_by(NONE, boxes((0, 0, 1, 1))).shape == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"proposals": np.zeros((7, 5), np.float32)}, r"proposals: expected \(N, 4\), got \(7, 5\)"),
        ({"objects": np.zeros((2, 3), np.float32)}, r"objects: expected \(N, 4\), got \(2, 3\)"),
        ({"object_targets": np.zeros(2, np.int64)}, r"object_targets: expected \(1,\), got \(2,\)"),
        ({"object_targets": np.array([4])}, r"object_targets: expected -1\.\.3, got others"),
        ({"background_target": 4}, r"background_target: expected 0\.\.3, got 4"),
    ],
)
def test_wrong_arguments_are_refused(change: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {
        "proposals": NONE,
        "objects": boxes((0, 0, 1, 1)),
        "object_targets": np.array([0]),
        "background_target": 2,
        "is_foreground": FOREGROUND,
        "teaches": TEACHES,
        "image_size": SIZE,
        "settings": Settings(),
        "rng": np.random.default_rng(0),
    }
    with pytest.raises(ValueError, match=message):
        sample_regions(**{**arguments, **change})  # type: ignore[arg-type]


def test_without_objects_nothing_is_near() -> None:
    """Not even from an overlap of 0 on."""
    regions = sample(boxes((0, 0, 10, 10)), NONE, [], replace(EVERYTHING, fit_iou=0.0))
    assert regions.near.tolist() == [False]
    apart = sample(boxes((0, 0, 10, 10)), boxes((50, 50, 60, 60)), [0], replace(EVERYTHING, fit_iou=0.0))
    assert apart.near.tolist() == [True, False]
