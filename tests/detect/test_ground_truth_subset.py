"""Ground truth of some of the images."""

from __future__ import annotations

import numpy as np
import pytest

from detect.class_tables import DetectionClass
from detect.ground_truth import GroundTruth
from detect.ground_truth_subset import restrict


def truth(images: int = 4, objects: int = 6, seed: int = 0) -> GroundTruth:
    rng = np.random.default_rng(seed)
    return GroundTruth(
        images=tuple(f"i{i}" for i in range(images)),
        numbers=np.arange(images, dtype=np.int64) * 10,
        sizes=np.arange(2 * images, dtype=np.int32).reshape(-1, 2),
        classes=(DetectionClass("", "a"), DetectionClass("", "b")),
        image_of=np.sort(rng.integers(images, size=objects)),
        boxes=rng.uniform(size=(objects, 4)),
        labels=rng.integers(2, size=objects),
        ignored=rng.integers(2, size=objects).astype(np.bool_),
    )


@pytest.mark.parametrize("seed", range(5))
def test_against_a_loop(seed: int) -> None:
    whole = truth(seed=seed)
    before = whole.boxes.copy()
    part = restrict(whole, ["i3", "i0", "i2"])
    assert part.images == ("i0", "i2", "i3")
    assert part.numbers.tolist() == [0, 20, 30]
    assert part.sizes.tolist() == [[0, 1], [4, 5], [6, 7]]
    rows = [i for i, image in enumerate(whole.image_of) if image != 1]
    assert [part.images[i] for i in part.image_of] == [whole.images[whole.image_of[i]] for i in rows]
    assert part.boxes.tolist() == whole.boxes[rows].tolist()
    assert part.labels.tolist() == whole.labels[rows].tolist()
    assert part.ignored.tolist() == whole.ignored[rows].tolist()
    assert np.array_equal(whole.boxes, before)


def test_all_and_none() -> None:
    whole = truth()
    assert restrict(whole, whole.images).boxes.tolist() == whole.boxes.tolist()
    nothing = restrict(whole, [])
    assert (nothing.images, len(nothing.labels)) == ((), 0)
    assert len(nothing.classes) == 2


def test_a_name_that_nobody_knows() -> None:
    with pytest.raises(ValueError, match="names: expected images of the data set, got j7"):
        restrict(truth(), ["i1", "j7"])
