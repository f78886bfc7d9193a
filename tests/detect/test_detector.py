"""The detector with a real network of random weights: its contract, batches across images, and its settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from detector_contract import check_detector
from fake_detector import FakeDetector, whole_and_quarter
from numpy.typing import NDArray
from odd_images import quadrants
from random_model import save_random_model

from detect import Detections, Detector
from detect.detector import DetectorSettings, build_proposer
from detect.model_file import ModelFileError, load_model
from detect.model_info import ProposalSetting
from detect.region_classifier import RegionClassifier
from proposals import selective_search

IMAGES = [quadrants(), np.zeros((1, 1, 3), np.uint8), quadrants(7, 90)]


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_model(tmp_path_factory.mktemp("model") / "random.safetensors")


@pytest.fixture(scope="module")
def classifier(model_file: Path) -> RegionClassifier:
    return RegionClassifier(load_model(model_file), device="cpu")


def detector(classifier: RegionClassifier, **settings: float | int) -> Detector:
    chosen = DetectorSettings(**{"min_score": 0.001, **settings})  # type: ignore[arg-type]
    return Detector(classifier=classifier, proposer=whole_and_quarter, settings=chosen)


def test_the_detector_keeps_the_contract(classifier: RegionClassifier) -> None:
    check_detector(detector(classifier), IMAGES)


def test_the_fake_of_other_tests_keeps_the_contract() -> None:
    check_detector(FakeDetector(), IMAGES)


def test_batches_of_any_size_give_the_same_scores(classifier: RegionClassifier) -> None:
    boxes = [whole_and_quarter(image).boxes for image in IMAGES]
    answers = []
    for batch_size in (4, 16):
        found = detector(classifier, batch_size=batch_size).detect(zip(IMAGES, boxes, strict=True))
        answers.append([np.sort(classified.detections.scores) for classified in found])
    for other in answers[1:]:
        for one, two in zip(answers[0], other, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-2)


def test_images_are_read_only_as_far_as_a_batch_needs(classifier: RegionClassifier) -> None:
    read = []

    def images() -> object:
        for i in range(9):
            read.append(i)
            yield quadrants(8, 8), np.array([[0, 0, 8, 8], [0, 0, 4, 4]], np.float32)

    results = detector(classifier, batch_size=4).detect(images())  # type: ignore[arg-type]
    next(results)
    assert read == [0, 1]


def test_settings_thin_out_the_detections(classifier: RegionClassifier) -> None:
    everything = detector(classifier)(IMAGES[0])
    assert len(everything) == 100
    few = detector(classifier, max_detections=3)(IMAGES[0])
    np.testing.assert_array_equal(few.scores, everything.scores[:3])
    threshold = float(everything.scores[10])
    good = detector(classifier, min_score=threshold)(IMAGES[0])
    assert len(good) == (everything.scores >= threshold).sum()
    assert good.scores.min() >= threshold


def test_loading_from_a_file_uses_the_settings_of_the_model_unless_told_otherwise(model_file: Path) -> None:
    loaded = Detector.load(model_file, device="cpu", precision="fp32", proposals={"limit": 2, "mode": "single"}, seed=5)
    expected = selective_search(IMAGES[0], "single", superpixel_scale=2.0, seed=5).best(2)
    np.testing.assert_array_equal(loaded.proposer(IMAGES[0]).boxes, expected.boxes)
    found = loaded(IMAGES[0])
    assert isinstance(found, Detections)
    assert loaded.info.name == "random"


def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no model file nope and no model named nope"):
        Detector.load("nope")
    (tmp_path / "x.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ModelFileError, match=r"x\.safetensors: not a whole safetensors file"):
        Detector.load(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_score": 1.1}, r"min_score: expected a number in \[0, 1\], got 1.1"),
        ({"nms_iou": float("nan")}, "nms_iou"),
        ({"max_detections": 0}, "max_detections: expected at least 1, got 0"),
        ({"batch_size": 0}, "batch_size: expected at least 1, got 0"),
    ],
)
def test_settings_out_of_range(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DetectorSettings(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3))])
def test_what_is_no_image_is_refused(model_file: Path, image: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="image_rgb: expected uint8"):
        Detector.load(model_file, device="cpu")(image)


def test_a_proposer_that_nobody_knows() -> None:
    with pytest.raises(ValueError, match=r"proposals\.method: expected selective_search, got 'magic'"):
        build_proposer(ProposalSetting(method="magic"))
