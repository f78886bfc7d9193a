"""The pipeline, as on a CPU and as on a GPU: order, resuming, bounded memory."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ensemble_case import detector_of
from fake_classifier import FakeClassifier
from fake_detector import FakeDetector, whole_and_quarter
from numpy.typing import NDArray
from pipeline_photos import both_devices, make_photos, summary

from detect import prepared_images
from detect.image_sources import SourceImage, shard
from detect.pipeline import GROUP, _detect_on_device, detect_images
from detect.torch_threads import torch_threads
from proposals import Proposals


@both_devices
@pytest.mark.parametrize("count", [0, 1, GROUP, 2 * GROUP + 1])
@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order_with_all_stages_timed(tmp_path: Path, count: int, workers: int, device: str) -> None:
    photos = make_photos(tmp_path / "p", count)
    results = list(detect_images(FakeDetector(device=device), photos, workers=workers))
    assert [r.source for r in results] == photos
    for i, result in enumerate(results):
        assert result.image is not None
        assert result.image.shape == (8, 10 + i, 3)
        assert result.detections is not None
        assert result.detections.labels.tolist() == [(10 + i + 7 * 8) % 200] * 2
        assert result.num_proposals == 2
        assert list(result.seconds) == ["decode", "propose", "classify"]
        assert min(result.seconds.values()) >= 0


@pytest.mark.parametrize("first", range(2 * GROUP + 2))
def test_resuming_anywhere_on_a_gpu_gives_the_rest_from_the_same_groups(tmp_path: Path, first: int) -> None:
    photos = make_photos(tmp_path / "p", 2 * GROUP + 1)
    (tmp_path / "p" / "002.png").write_bytes(b"")

    class GroupsShow(FakeDetector):
        """Labels each image by its place in the group, as a batch might change the last digits."""

        def detect(self, images: Any, *, batch_size: int | None = None, **options: Any) -> Iterator[Any]:
            place = 0
            for one in images:
                if one is None:
                    place = 0
                    continue
                for classified in super().detect([one]):
                    classified.detections.labels[:] = place
                    yield classified
                place += 1

    whole = summary(detect_images(GroupsShow(device="cuda"), photos))
    assert [row[2] and row[2][2][0] for row in whole] == [0, 1, None, 2, 0, 1, 2, 3, 0]
    assert summary(detect_images(GroupsShow(device="cuda"), photos, first=first)) == whole[first:]


@pytest.mark.parametrize("first", range(7))
@pytest.mark.parametrize("workers", [1, 3])
def test_resuming_anywhere_on_a_cpu_computes_only_the_rest(tmp_path: Path, first: int, workers: int) -> None:
    photos = make_photos(tmp_path / "p", 6)
    seen: list[int] = []

    def watched(image: NDArray[np.uint8]) -> Proposals:
        seen.append(image.shape[1] - 10)
        return whole_and_quarter(image)

    whole = summary(detect_images(FakeDetector(), photos))
    assert summary(detect_images(FakeDetector(proposer=watched), photos, first=first, workers=workers)) == whole[first:]
    assert sorted(seen) == list(range(first, 6))


@pytest.mark.parametrize("threads", [1, 2])
def test_an_image_has_as_many_of_torchs_threads_as_told(tmp_path: Path, threads: int) -> None:
    """And proposing always has one; afterwards everything is as it was."""
    seen: list[tuple[str, int]] = []

    class Watched(FakeDetector):
        def detect(self, images: Any, *, batch_size: int | None = None, **options: Any) -> Iterator[Any]:
            seen.append(("classify", torch.get_num_threads()))
            return super().detect(images)

    def watched(image: NDArray[np.uint8]) -> Proposals:
        seen.append(("propose", torch.get_num_threads()))
        return whole_and_quarter(image)

    with torch_threads(2):
        photos = make_photos(tmp_path / "p", 3)
        list(detect_images(Watched(proposer=watched), photos, workers=2, threads=threads))
        assert torch.get_num_threads() == 2
    assert sorted(seen) == [("classify", threads)] * 3 + [("propose", 1)] * 3


@both_devices
def test_nothing_proposed_is_nothing_found(tmp_path: Path, device: str) -> None:
    def nothing(image: NDArray[np.uint8]) -> Proposals:
        return Proposals(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

    (result,) = detect_images(FakeDetector(proposer=nothing, device=device), make_photos(tmp_path / "p", 1))
    assert (result.error, result.num_proposals) == (None, 0)
    assert result.detections is not None
    assert len(result.detections) == 0


@both_devices
@pytest.mark.parametrize("workers", [1, 3])
def test_workers_stay_a_bounded_number_of_images_ahead(
    tmp_path: Path, workers: int, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the folder: on a GPU at most a group with the reader, and workers + 1 images ahead of it."""
    lock, started, alive, most_alive = threading.Lock(), 0, 0, 0

    def gone() -> None:
        nonlocal alive
        with lock:
            alive -= 1

    def decode(path: Path) -> NDArray[np.uint8]:
        nonlocal started, alive, most_alive
        image = np.zeros((4, 5, 3), np.uint8)
        weakref.finalize(image, gone)
        with lock:
            started += 1
            alive += 1
            most_alive = max(most_alive, alive)
        return image

    monkeypatch.setattr(prepared_images, "decode_image", decode)
    sources = [SourceImage(tmp_path / str(i), str(i)) for i in range(60)]
    for yielded, result in enumerate(detect_images(FakeDetector(device=device), sources, workers=workers), start=1):
        time.sleep(0.002)  # time for workers to run away
        assert started <= yielded + GROUP + workers + 1
        del result
    assert started == 60
    assert workers <= most_alive <= (GROUP if device == "cuda" else 1) + workers + 2


@both_devices
def test_workers_do_work_ahead(tmp_path: Path, device: str) -> None:
    """With the reader asleep, the next images get ready."""
    seen: list[int] = []

    def watched(image: NDArray[np.uint8]) -> Proposals:
        seen.append(image.shape[1])
        return whole_and_quarter(image)

    results = detect_images(FakeDetector(proposer=watched, device=device), make_photos(tmp_path / "p", 12), workers=2)
    next(results)
    deadline = time.monotonic() + 5
    while len(seen) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(seen) >= 3
    results.close()  # type: ignore[attr-defined]


@both_devices
def test_closing_early_ends_the_workers(tmp_path: Path, device: str) -> None:
    results = detect_images(FakeDetector(device=device), make_photos(tmp_path / "p", 12), workers=3)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("propose")]


def test_closing_early_on_a_cpu_ends_with_the_batch_not_with_the_image(tmp_path: Path) -> None:
    batches: list[int] = []
    under_way = threading.Event()

    class Slow(FakeDetector):
        def detect(self, images: Any, *, stopped: Callable[[], bool], **options: Any) -> Iterator[Any]:
            (one,) = images
            if one[0].shape[1] > 10:  # the first image is quick
                for _ in range(1000):
                    if stopped():
                        return
                    batches.append(1)
                    under_way.set()
                    time.sleep(0.02)
            yield from super().detect([one])

    results = detect_images(Slow(), make_photos(tmp_path / "p", 4), workers=2)
    next(results)
    assert under_way.wait(10)
    results.close()  # type: ignore[attr-defined]
    assert len(batches) < 1000


@pytest.mark.parametrize("out_of_memory", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(6))
def test_groups_on_a_gpu_lose_and_confuse_nothing(tmp_path: Path, seed: int, out_of_memory: float) -> None:
    """A real detector on a small network, whose answers are those of each image alone, in whatever order images fail,
    have no proposals, or exhaust the memory."""
    generator = np.random.default_rng(seed)
    photos = make_photos(tmp_path / "p", 13)
    for position in np.flatnonzero(generator.random(13) < 0.2):
        photos[position].path.write_bytes(b"")

    def propose(image: NDArray[np.uint8]) -> Proposals:
        count = image.shape[1] % 4 * 2
        return Proposals(np.tile(whole_and_quarter(image).boxes[:1], (count, 1)), np.zeros(count, np.float32))

    def forgetful(pieces: Any) -> Any:
        if generator.random() < out_of_memory:
            raise MemoryError
        return classify(pieces)

    detector = detector_of([FakeClassifier()], proposer=propose)
    expected = summary(detect_images(detector, photos))
    classify = detector._ensemble.classify
    detector._ensemble.classify = forgetful  # type: ignore[method-assign]
    found = summary(_detect_on_device(detector, photos, 0, 2))
    assert [row[0] for row in found] == [photo.name for photo in photos]
    for ours, theirs in zip(found, expected, strict=True):
        if ours[3] is not None and theirs[3] is None:  # a batch of one did not fit either
            assert out_of_memory
            assert "not enough memory" in ours[3]
            continue
        assert ours[:2] + ours[3:] == theirs[:2] + theirs[3:]
        for one, other in zip(ours[2] or [], theirs[2] or [], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 11, 12, 13, 40])
@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_shards_of_groups_join_to_the_whole_and_begin_where_groups_do(count: int, n: int) -> None:
    images = list(range(count))
    blocks = [shard(images, i, n, group=GROUP) for i in range(1, n + 1)]
    assert [image for block in blocks for image in block] == images
    assert all(block[0] % GROUP == 0 for block in blocks if block)
    assert max(map(len, blocks)) - min(map(len, blocks)) < 2 * GROUP


@both_devices
def test_no_workers_are_refused(tmp_path: Path, device: str) -> None:
    with pytest.raises(ValueError, match="workers: expected at least 1, got 0"):
        list(detect_images(FakeDetector(device=device), [], workers=0))
