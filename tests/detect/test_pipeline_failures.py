"""The pipeline, as on a CPU and as on a GPU: images that fail, one by one."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_detector import FakeDetector, whole_and_quarter
from numpy.typing import NDArray
from odd_images import make_odd_images, make_pipe
from pipeline_photos import both_devices, make_photos

from detect.image_sources import SourceImage, find_images
from detect.pipeline import GROUP, detect_images
from proposals import Proposals


@both_devices
def test_every_odd_image_is_answered_or_explained(tmp_path: Path, device: str) -> None:
    expected = make_odd_images(tmp_path)
    pipe = make_pipe(tmp_path)
    found = find_images([str(tmp_path)]).images
    results = {r.source.name: r for r in detect_images(FakeDetector(device=device), found, workers=2)}
    assert set(results) == {*expected, pipe}
    assert "named pipe" in str(results.pop(pipe).error)
    for name, result in results.items():
        if expected[name].error is not None:
            assert expected[name].error in str(result.error)
            assert "\n" not in str(result.error)
            assert result.image is result.detections is None
            assert result.num_proposals == 0
        else:
            assert result.error is None
            assert result.image is not None
            assert result.image.shape[:2] == expected[name].size


@both_devices
def test_a_source_that_failed_and_a_proposer_that_fails_are_recorded(tmp_path: Path, device: str) -> None:
    def fails_on_wide(image: NDArray[np.uint8]) -> Proposals:
        if image.shape[1] == 11:
            raise ZeroDivisionError("a bug\nin here")
        if image.shape[1] == 12:
            raise MemoryError
        return whole_and_quarter(image)

    photos = [SourceImage(tmp_path / "x", "x", "no such file"), *make_photos(tmp_path / "p", 4)]
    results = list(detect_images(FakeDetector(proposer=fails_on_wide, device=device), photos))
    assert [r.error for r in results] == [
        "no such file",
        None,
        "ZeroDivisionError in proposing or decoding: a bug in here",
        "not enough memory for this image",
        None,
    ]


OUT_OF_MEMORY = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
]


@both_devices
@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("place", range(GROUP + 2))
def test_an_image_too_large_for_the_network_fails_alone(
    tmp_path: Path, error: Exception, place: int, device: str
) -> None:
    class Small(FakeDetector):
        def detect(self, images: Any, *, batch_size: int | None = None, **options: Any) -> Iterator[Any]:
            def checked() -> Iterator[Any]:
                for one in images:
                    if one is not None and one[0].shape[1] == 10 + place:
                        raise error
                    yield one

            yield from super().detect(checked())

    photos = make_photos(tmp_path / "p", GROUP + 2)
    broken = (place + 1) % len(photos)
    photos[broken].path.write_bytes(b"")
    results = list(detect_images(Small(device=device), photos))
    assert [r.source for r in results] == photos
    assert [i for i, r in enumerate(results) if r.error] == sorted([place, broken])
    assert results[place].error == "not enough memory to classify the regions of this image"


@pytest.mark.parametrize(("device", "expected"), [("cpu", [16, 4, 1]), ("cuda", [None, 16, 4, 1])])
def test_out_of_memory_is_tried_again_in_smaller_batches_with_the_failed_one_freed(
    tmp_path: Path, device: str, expected: list[int | None]
) -> None:
    """On a GPU first the group, then the image alone from the detector's batch size down."""
    tried: list[int | None] = []
    held: list[weakref.ref[torch.Tensor]] = []

    class Small(FakeDetector):
        def detect(self, images: Any, *, batch_size: int | None = None, **options: Any) -> Iterator[Any]:
            assert all(reference() is None for reference in held), "the failed batch is still in memory"
            images = list(images)
            if not images:
                return
            tried.append(batch_size)
            if batch_size is None or batch_size > 1:
                activations = torch.zeros(8)
                held.append(weakref.ref(activations))
                raise torch.OutOfMemoryError("CUDA out of memory")
            yield from super().detect(images)

    (result,) = detect_images(Small(device=device), make_photos(tmp_path / "p", 1))
    assert result.error is None
    assert tried == expected


@both_devices
def test_other_errors_of_the_network_end_the_run(tmp_path: Path, device: str) -> None:
    class Broken(FakeDetector):
        def detect(self, images: Any, *, batch_size: int | None = None, **options: Any) -> Iterator[Any]:
            list(images)
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
            yield

    with pytest.raises(RuntimeError, match="illegal memory access"):
        list(detect_images(Broken(device=device), make_photos(tmp_path / "p", 2)))


@both_devices
def test_one_image_that_cannot_be_classified_fails_alone(tmp_path: Path, device: str) -> None:
    class Failing(FakeDetector):
        def detect(self, images: Any, **options: Any) -> Iterator[Any]:
            def checked() -> Iterator[Any]:
                for one in images:
                    if one is not None and one[0].shape[1] == bad_width:
                        raise IndexError("no such\nplace")
                    yield one

            yield from super().detect(checked(), **options)

    photos = make_photos(tmp_path / "p", 7)
    bad_width = 12  # of the third
    results = list(detect_images(Failing(device=device), photos, workers=2))
    assert [result.source for result in results] == photos
    errors = [result.error for result in results]
    assert errors == [None, None, "IndexError in classifying: no such place", None, None, None, None]
