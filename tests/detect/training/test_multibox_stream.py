"""The stream of squashed views: the same whatever the threads and processes, and boxes where the objects are."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from annotation_trees import write_json
from data_set_files import write_ilsvrc, write_picture, write_voc
from sampled_photos import write_photos

from configs.multibox_training import MultiBoxSamplingConfig
from detect.class_tables import ilsvrc_classification_classes
from detect.image_decoding import decode_image
from detect.training.batch_plan import BatchPlan
from detect.training.data_sets import read_data_set
from detect.training.joined_sets import join_sets
from detect.training.multibox_samples import MultiBoxSample
from detect.training.multibox_stream import multibox_batches, negative_weights
from detect.training.planned_stream import Share
from detect.training.region_samples import Distortion, TrainingBatch
from detect.training.training_set import IGNORED, TrainingSet
from proposals.multibox_input import squash

SETTINGS = MultiBoxSamplingConfig(images_per_batch=4)
PLAIN = replace(SETTINGS, crops=0.0, flip=False, photometric=0.0)
TENCH = ilsvrc_classification_classes()[0].wnid
CHIHUAHUA = ilsvrc_classification_classes()[151].wnid


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    return write_photos(tmp_path_factory.mktemp("photos"), 7)[0]


def stream(
    photos: TrainingSet,
    steps: tuple[int, int] = (0, 6),
    settings: MultiBoxSamplingConfig = SETTINGS,
    seed: int = 0,
    size: int = 32,
    unannotated: float = 1.0,
    **how: int,
) -> list[TrainingBatch[MultiBoxSample]]:
    plan = BatchPlan(photos.weights, settings.images_per_batch, seed)
    share = Share(*steps, **how)
    with multibox_batches(photos, plan, settings, share, seed=seed, unannotated=unannotated, size=size) as found:
        return list(found)


def samples(batches: Sequence[TrainingBatch[MultiBoxSample]]) -> list[MultiBoxSample]:
    return [sample for batch in batches for sample in batch.samples]


def assert_same_sample(one: MultiBoxSample, other: MultiBoxSample) -> None:
    names = ("index", "slot", "path", "negatives", "distortion")
    assert [getattr(one, name) for name in names] == [getattr(other, name) for name in names]
    assert torch.equal(one.image, other.image)
    np.testing.assert_array_equal(one.boxes, other.boxes)


def assert_same(
    one: list[TrainingBatch[MultiBoxSample]], other: list[TrainingBatch[MultiBoxSample]], readable: bool = False
) -> None:
    assert [(batch.step, batch.epoch) for batch in one] == [(batch.step, batch.epoch) for batch in other]
    assert [batch.unreadable for batch in one] == [batch.unreadable for batch in other]
    assert [len(batch.samples) for batch in one] == [len(batch.samples) for batch in other]
    for pair in zip(samples(one), samples(other), strict=True):
        assert_same_sample(*pair)


def test_batches_follow_the_plan(photos: TrainingSet) -> None:
    plan = BatchPlan(photos.weights, 4, 0)
    found = stream(photos)
    assert [batch.step for batch in found] == [0, 1, 2, 3, 4, 5]
    for batch in found:
        epoch, planned = plan.entries(batch.step)
        assert batch.epoch == epoch
        assert [(one.index, one.slot) for one in batch.samples] == [
            (image.index, slot) for slot, image in enumerate(planned)
        ]
    for sample in samples(found):
        assert sample.path == photos.images[sample.index]
        assert (sample.image.shape, sample.image.dtype) == ((3, 32, 32), torch.uint8)
        assert sample.boxes.dtype == np.float32
        assert len(sample) == 1


def test_whole_images_are_squashed_as_at_detection(photos: TrainingSet) -> None:
    for sample in samples(stream(photos, settings=PLAIN)):
        image = decode_image(sample.path)
        assert torch.equal(sample.image, squash(image, 32))
        assert sample.distortion == Distortion()
        boxes, targets = photos.objects(sample.index)
        sides = np.array([image.shape[1], image.shape[0]] * 2)
        np.testing.assert_allclose(sample.boxes, boxes[targets != IGNORED] / sides, atol=1e-6)


def painted(folder: Path, count: int) -> TrainingSet:
    """Dark photos with one bright rectangle each, which is the object; odd sizes."""
    rng = np.random.default_rng(3)
    boxes = []
    for number in range(count):
        height, width = rng.integers(80, 200, 2).tolist()
        x1, y1 = rng.integers(0, [width // 2, height // 2]).tolist()
        x2, y2 = x1 + int(rng.integers(30, width // 2)), y1 + int(rng.integers(30, height // 2))
        pixels = np.full((height, width, 3), 40, np.uint8)
        pixels[y1:y2, x1:x2] = 200
        cv2.imwrite(str(folder / f"{number}.png"), pixels)
        boxes.append([x1, y1, x2, y2])
    base = write_photos(folder / "..", 1)[0]
    return replace(
        base,
        images=tuple(folder / f"{number}.png" for number in range(count)),
        names=tuple(map(str, range(count))),
        weights=np.ones(count),
        image_of=np.arange(count),
        boxes=np.array(boxes, np.float32),
        targets=np.zeros(count, np.int64),
        background=np.full(count, 2),
    )


def test_a_painted_rectangle_is_where_its_box_says(tmp_path: Path) -> None:
    folder = tmp_path / "painted"
    folder.mkdir()
    found = samples(stream(painted(folder, 8), (0, 10), replace(SETTINGS, crops=0.9), size=64))
    assert len(found) == 40
    for sample in found:
        bright = (sample.image[0] >= 120).nonzero()
        top, left = bright.min(dim=0).values.tolist()
        bottom, right = (bright.max(dim=0).values + 1).tolist()
        np.testing.assert_allclose(sample.boxes[0] * 64, [left, top, right, bottom], atol=1.01)
    assert len({sample.boxes.tobytes() for sample in found}) > 30


@pytest.mark.parametrize("workers", [2, 5])
def test_threads_change_nothing(photos: TrainingSet, workers: int) -> None:
    assert_same(stream(photos, workers=workers), stream(photos))


@pytest.mark.parametrize("first", [1, 3, 6])
def test_beginning_late_changes_nothing(photos: TrainingSet, first: int) -> None:
    assert_same(stream(photos, (first, 6)), stream(photos)[first:])


@pytest.mark.parametrize("world", [2, 4])
def test_the_shares_of_all_processes_are_the_whole_batch(photos: TrainingSet, world: int) -> None:
    shares = [stream(photos, rank=rank, world=world) for rank in range(world)]
    for step, batch in enumerate(stream(photos)):
        joined = [sample for share in shares for sample in share[step].samples]
        assert [share[step].epoch for share in shares] == [batch.epoch] * world
        for pair in zip(joined, batch.samples, strict=True):
            assert_same_sample(*pair)


def test_an_image_is_seen_anew_each_time(photos: TrainingSet) -> None:
    settings = replace(SETTINGS, crops=1.0)
    double = replace(photos, weights=np.full(7, 2.0))
    seen = samples([*stream(double, (0, 7), settings), *stream(photos, (0, 2), settings, seed=1)])
    seen = [sample for sample in seen if sample.index == 3]
    assert len(seen) > 4
    assert len({sample.image.numpy().tobytes() for sample in seen}) == len(seen)
    assert len({sample.distortion for sample in seen}) == len(seen)


def test_objects_of_any_class_or_none_are_objects_but_ignored_ones_are_not(photos: TrainingSet) -> None:
    """Image 3 has three objects: one of a class, one outside the classes, one ignored."""
    start = int(np.searchsorted(photos.image_of, 3))
    targets = photos.targets.copy()
    targets[start : start + 3] = [0, 2, IGNORED]
    changed = replace(photos, targets=targets)
    (sample,) = {
        one.boxes.tobytes(): one for one in samples(stream(changed, settings=PLAIN)) if one.index == 3
    }.values()
    assert len(sample.boxes) == 2
    assert sample.negatives == 1


@pytest.mark.parametrize("crops", [0.0, 1.0])
def test_no_objects_and_ignored_objects_alone(photos: TrainingSet, crops: float) -> None:
    nothing = replace(photos, targets=np.full(len(photos.targets), IGNORED))
    found = samples(stream(nothing, settings=replace(SETTINGS, crops=crops)))
    assert len(found) == 24
    assert {sample.boxes.shape for sample in found} == {(0, 4)}
    assert {sample.negatives for sample in found} == {1.0}


def test_an_unreadable_image_is_recorded_and_its_batch_goes_on(photos: TrainingSet, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 and no more")
    damaged = replace(photos, images=(photos.images[0], tmp_path / "gone.jpg", broken, *photos.images[3:]))
    found, whole = stream(damaged, (0, 7)), stream(photos, (0, 7))
    missed = [missing for batch in found for missing in batch.unreadable]
    assert {path.name: reason for path, reason in missed}["gone.jpg"] == "no such file"
    assert {path for path, _ in missed} == {tmp_path / "gone.jpg", broken}
    assert len(missed) == 8  # 7 batches of 4 are 4 epochs of 7
    readable = [sample for sample in samples(whole) if sample.index not in (1, 2)]
    for pair in zip(samples(found), readable, strict=True):
        assert_same_sample(*pair)


def test_leaving_early_leaves_no_threads(photos: TrainingSet) -> None:
    before = threading.active_count()
    plan = BatchPlan(photos.weights, 4, 0)
    with multibox_batches(photos, plan, SETTINGS, Share(0, 10**9, workers=3), seed=0, size=16) as found:
        assert next(found).step == 0
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"world": 3}, r"world: expected a divisor of images_per_batch \(4\), got 3"),
        ({"workers": 0}, "workers: expected at least 1, got 0"),
    ],
)
def test_impossible_shares_are_refused(photos: TrainingSet, how: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stream(photos, **how)


def test_another_batch_than_the_plan_s_is_refused(photos: TrainingSet) -> None:
    with pytest.raises(ValueError, match="images_per_batch: expected the plan's 2, got 4"):
        multibox_batches(photos, BatchPlan(np.ones(7), 2, 0), SETTINGS, Share(0, 1), seed=0)


def test_how_much_images_teach_negatives(tmp_path: Path) -> None:
    """VOC and COCO are for theirs and DET for all; CLS-LOC for the class of the image (a dog) or for none (a tench)."""
    voc, _ = read_data_set("voc", write_voc(tmp_path / "voc", {"a": [("dog", (1, 2, 10, 20))], "b": []}))
    dog = {"c": [("n02084071", (0, 2, 10, 20))]}
    det, _ = read_data_set("ilsvrc_det", write_ilsvrc(tmp_path / "det", dog))
    leaves = {"d": [(CHIHUAHUA, (0, 2, 10, 20))], "e": [(TENCH, (0, 0, 5, 5))]}
    loc, _ = read_data_set("ilsvrc_loc", write_ilsvrc(tmp_path / "loc", leaves, kind="CLS-LOC"))
    write_picture(tmp_path / "coco/f.jpg")
    names = ["dog", "cat", "zebra"]
    data = {
        "images": [{"id": 1, "file_name": "f.jpg", "height": 50, "width": 60}],
        "annotations": [],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, start=1)],
    }
    coco, _ = read_data_set("coco", write_json(tmp_path / "coco/instances.json", data), images=tmp_path / "coco")
    joined = join_sets([voc, det, loc, coco])
    for unannotated in (1.0, 0.25, 0.0):
        found = dict(zip(joined.names, negative_weights(joined, unannotated).tolist(), strict=True))
        assert found == {"a": unannotated, "b": unannotated, "c": 1, "d": 0, "e": 0, "f": unannotated}
        drawn = samples(stream(joined, (0, 3), replace(PLAIN, images_per_batch=2), unannotated=unannotated))
        assert {joined.names[one.index]: one.negatives for one in drawn} == found
    assert samples(stream(loc, (0, 1), replace(PLAIN, images_per_batch=2)))[0].negatives == 0


def test_of_the_only_class_there_is_one_is_enough(photos: TrainingSet) -> None:
    """Rows: class or background; background alone."""
    of_one = replace(
        photos,
        classes=photos.classes[:1],
        allowed=np.array([[True, True], [False, True]]),
        targets=np.zeros_like(photos.targets),
        background=np.array([0, 1, 0, 1, 1, 0, 0]),
    )
    assert negative_weights(of_one, 0.5).tolist() == [0, 1, 0, 1, 1, 0, 0]
