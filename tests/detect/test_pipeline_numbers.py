"""What a real network finds does not depend on the workers, and hardly on the batch size and torch's threads."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from random_model import save_random_model
from skimage import data

from detect import Detections, Detector
from detect.detector import DetectorSettings
from detect.image_sources import SourceImage, find_images
from detect.pipeline import detect_images
from detect.torch_threads import torch_threads
from proposals import Proposals

# Of probabilities: a product may sum in another order where fewer rows are left over, or where threads share it.
TOLERANCE = {"fp32": 1e-6, "bf16": 1e-3}


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_model(tmp_path_factory.mktemp("model") / "random.safetensors")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[SourceImage]:
    folder = tmp_path_factory.mktemp("photos")
    for name, image in (("a", data.chelsea()), ("b", data.coffee())):
        cv2.imwrite(str(folder / f"{name}.png"), cv2.resize(image, (150, 100))[..., ::-1])
    return find_images([str(folder)]).images


def some_boxes(image: NDArray[np.uint8]) -> Proposals:
    generator = np.random.default_rng(image.shape[0])
    corners = generator.uniform(0, (110, 60), (9, 2))
    boxes = np.concatenate([corners, corners + generator.uniform(5, 40, (9, 2))], axis=1)
    return Proposals(boxes.astype(np.float32), -np.arange(9, dtype=np.float32))


def load(model_file: Path, *, regions: str, precision: str, batch_size: int | None = None) -> Detector:
    """Keeps every class of every region, in no order of scores: all numbers can be compared."""
    settings = DetectorSettings(min_score=0, nms_iou=1, max_detections=10**6, batch_size=batch_size)
    detector = Detector.load(
        model_file, device="cpu", settings=settings, regions=regions, short_sides=(160,), precision=precision
    )
    detector.proposer = some_boxes
    return detector


def found(detector: Detector, photos: list[SourceImage], workers: int, *, threads: int = 1) -> list[Detections]:
    results = [result.detections for result in detect_images(detector, photos, workers=workers, threads=threads)]
    assert all(one is not None and len(one) == 9 * 200 for one in results)
    return [one for one in results if one is not None]


def by_class_and_box(one: Detections) -> NDArray[np.float32]:
    """Scores in an order that does not depend on them."""
    return one.scores[np.lexsort([*one.boxes.T, one.labels])]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("regions", ["shared", "warp"])
def test_workers_and_cores_change_no_bit(
    model_file: Path, photos: list[SourceImage], regions: str, precision: str
) -> None:
    detector = load(model_file, regions=regions, precision=precision)
    with torch_threads(1):
        expected = found(detector, photos, 1)
    for cores, workers in ((2, 1), (2, 2), (3, 3)):
        with torch_threads(cores):
            for one, other in zip(found(detector, photos, workers), expected, strict=True):
                for ours, theirs in zip(vars(one).values(), vars(other).values(), strict=True):
                    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("regions", ["shared", "warp"])
def test_torchs_threads_within_an_image_change_last_digits_at_most(
    model_file: Path, photos: list[SourceImage], regions: str, precision: str
) -> None:
    detector = load(model_file, regions=regions, precision=precision)
    one, two = (by_class_and_box(found(detector, photos[:1], 1, threads=threads)[0]) for threads in (1, 2))
    np.testing.assert_allclose(two, one, atol=TOLERANCE[precision], rtol=TOLERANCE[precision])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("regions", ["shared", "warp"])
def test_the_batch_size_changes_last_digits_at_most(
    model_file: Path, photos: list[SourceImage], regions: str, precision: str
) -> None:
    tables = []
    for batch_size in (1, 7, 64):
        (one,) = found(load(model_file, regions=regions, precision=precision, batch_size=batch_size), photos[:1], 1)
        tables.append(by_class_and_box(one))
    for other in tables[1:]:
        np.testing.assert_allclose(other, tables[0], atol=TOLERANCE[precision], rtol=TOLERANCE[precision])
