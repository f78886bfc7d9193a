from __future__ import annotations

import numpy as np
import pytest
from scored_pages import scored
from scoring_cases import Case, Object, Row

from detect.score_page.examples import ExampleChooser, ranked

BOX, FAR = (0, 0, 99, 99), (200, 200, 299, 299)


def chooser(case: Case, *, shown: list[int] | None = None, most: int = 6, analysed: bool = True) -> ExampleChooser:
    data = scored(case, analysed=analysed)
    mask = np.ones(len(data.truth.images), np.bool_) if shown is None else np.isin(np.arange(9), shown)
    return ExampleChooser(data, mask[: len(data.truth.images)], most)


def of_class(case: Case, label: int = 0, **settings: object) -> dict[str, list[tuple[int, int, int]]]:
    data = scored(case)
    examples = chooser(case, **settings).of_class(data.evaluation.per_class[label])  # type: ignore[arg-type]
    return {kind: [(one.image, one.detection, one.object) for one in chosen] for kind, chosen in examples.items()}


def test_by_hand() -> None:
    """Three images: found; found late, after a false positive; not found, with a box of its class half on it."""
    objects: list[Object] = [(1, 0, BOX, False), (2, 0, BOX, False), (3, 0, BOX, False), (3, 1, FAR, False)]
    rows: list[Row] = [
        (1, 0, 0.5, BOX),
        (2, 0, 0.9, BOX),
        (2, 0, 0.95, FAR),
        (3, 0, 0.3, (70, 0, 169, 99)),  # IoU 30 / 170 with the object
        (3, 0, 0.8, FAR),  # on an object of class 1
    ]
    found = of_class(Case(range(1, 4), objects, rows))
    assert found["hit"] == [(1, 1, 1), (0, 0, 0)]
    assert found["wrong"] == [(1, 2, -1), (2, 4, 3)]  # of two on the third image, the better
    assert found["missed"] == [(2, 3, 2)]
    data = scored(Case(range(1, 4), objects, rows))
    (missed,) = chooser(Case(range(1, 4), objects, rows)).of_class(data.evaluation.per_class[0])["missed"]
    assert missed.overlap == pytest.approx(30 / 170)


def test_misses_go_by_size_and_need_no_detection() -> None:
    objects: list[Object] = [(n, 0, (0, 0, 10 * n, 10 * n), False) for n in (1, 3, 2)]
    assert of_class(Case(range(1, 4), objects))["missed"] == [(2, -1, 2), (1, -1, 1), (0, -1, 0)]


def test_one_of_an_image_and_only_from_images_that_are_shown() -> None:
    objects: list[Object] = [(n, 0, BOX, False) for n in range(1, 5)]
    rows: list[Row] = [(n, 0, n / 10, BOX) for n in range(1, 5)] + [(4, 0, 0.9, FAR), (4, 0, 0.8, FAR)]
    case = Case(range(1, 5), objects, rows)
    assert [one[0] for one in of_class(case)["hit"]] == [3, 2, 1, 0]
    assert [one[0] for one in of_class(case)["wrong"]] == [3]
    assert [one[0] for one in of_class(case, shown=[0, 2])["hit"]] == [2, 0]
    assert [one[0] for one in of_class(case, most=1)["hit"]] == [3]


def test_without_an_analysis_a_false_positive_is_shown_with_what_it_overlaps() -> None:
    case = Case([1], [(1, 1, BOX, False)], [(1, 0, 0.5, (50, 0, 149, 99)), (1, 2, 0.5, FAR)])
    data = scored(case, analysed=False)
    choose = ExampleChooser(data, np.ones(1, np.bool_), 6)
    assert choose.of_class(data.evaluation.per_class[0])["wrong"][0].object == 0
    assert choose.of_class(data.evaluation.per_class[2])["wrong"][0].object == -1


def test_blacklisted_and_difficult_objects_are_not_missed() -> None:
    data = scored(Case([1], [(1, 0, BOX, True), (1, 0, FAR, False)]), "voc10")
    missed = ExampleChooser(data, np.ones(1, np.bool_), 6).of_class(data.evaluation.per_class[0])["missed"]
    assert [one.object for one in missed] == [1]


def test_rank_by_rank() -> None:
    objects: list[Object] = [(n, label, BOX, False) for n in (1, 2) for label in (0, 1)]
    rows: list[Row] = [(1, 0, 0.9, BOX), (2, 0, 0.8, BOX)]
    data = scored(Case([1, 2], objects, rows))
    choose = chooser(Case([1, 2], objects, rows))
    levels = list(ranked(choose.of_class(score) for score in data.evaluation.per_class))
    assert [[(one.kind, one.label, one.image) for one in level] for level in levels] == [
        [("hit", 0, 0), ("missed", 1, 0)],
        [("hit", 0, 1), ("missed", 1, 1)],
    ]
