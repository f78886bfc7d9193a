"""The detector with a real network of random weights: its contract, batches across images, and its settings."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detector_contract import check_detector
from fake_detector import FakeDetector, whole_and_quarter
from numpy.typing import NDArray
from odd_images import quadrants
from random_model import save_random_model

from detect import Detections, Detector
from detect.class_tables import DetectionClass
from detect.detector import DetectorSettings
from detect.model_file import ModelFileError, build_network, bvlc_info, load_model, save_model
from detect.region_classifier import ClassifiedRegions, RegionClassifier
from proposals import selective_search

IMAGES = [quadrants(), np.zeros((1, 1, 3), np.uint8), quadrants(7, 90), quadrants()[::-1, :, ::-1]]


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
    assert read == [0, 1, 2, 3]  # one batch ahead of the answers


def test_images_on_both_sides_of_a_none_share_no_batch(classifier: RegionClassifier) -> None:
    sizes = []

    class Watched:
        def __getattr__(self, name: str) -> object:
            return getattr(classifier, name)

        def classify(self, regions: torch.Tensor) -> ClassifiedRegions:
            sizes.append(len(regions))
            return classifier.classify(regions)

    one = quadrants(8, 8), np.array([[0, 0, 8, 8], [0, 0, 4, 4], [0, 0, 4, 8]], np.float32)
    watched = detector(Watched(), batch_size=4)  # type: ignore[arg-type]
    assert len(list(watched.detect([one, one, None, one]))) == 3
    assert sizes == [4, 2, 3]


class _Regressing:
    """Four classes, every region class 0 at .9 and class 3 at .5, and each region's box moved as told."""

    def __init__(self, deltas: list[float] | None) -> None:
        self.device = torch.device("cpu")
        classes = tuple(DetectionClass("", name, (label,)) for label, name in enumerate("abcd"))
        self.info = dataclasses.replace(bvlc_info(), classes=classes)
        self.deltas = deltas

    def classify(self, regions: torch.Tensor) -> ClassifiedRegions:
        n = len(regions)
        probs = torch.tensor([[0.9, 0.0, 0.0, 0.5]]).expand(n, 4)
        return ClassifiedRegions(probs, None if self.deltas is None else torch.tensor([self.deltas]).expand(n, -1))


def regressed(deltas: list[float] | None, *boxes: list[float]) -> Detections:
    """What becomes of the boxes in an image 20 wide and 10 high."""
    fake: Any = _Regressing(deltas)
    chosen = DetectorSettings(min_score=0.1, batch_size=2, vote_iou=1.0, nested_factor=1.0)
    found = Detector(classifier=fake, proposer=whole_and_quarter, settings=chosen)
    image = np.zeros((10, 20, 3), np.uint8)
    (classified,) = found.detect([(image, np.array(boxes, np.float32).reshape(-1, 4))])
    return classified.detections


def test_a_box_a_region_by_hand() -> None:
    # Half its width to the right: (.5 / .1, 0, 0, 0). The second leaves the image on the right, the third is clipped.
    found = regressed([5.0, 0, 0, 0], [0, 0, 4, 4], [18, 0, 20, 4], [10, 0, 18, 10])
    assert sorted(map(tuple, found.boxes[found.labels == 0].tolist())) == [
        (2, 0, 6, 4),
        (14, 0, 20, 10),
        (19, 0, 20, 4),
    ]
    assert found.labels.tolist() == [0, 0, 0, 3, 3, 3]
    gone = regressed([10.0, 0, 0, 0], [0, 0, 4, 4], [16, 0, 20, 4])
    assert gone.boxes.tolist() == [[4, 0, 8, 4]] * 2, "nothing of the second is left on the image"


def test_a_box_a_region_and_class_by_hand() -> None:
    half = -math.log(2) / 0.2
    deltas = [5.0, 0, 0, 0, *[0.0] * 8, 0, 0, half, half]
    found = regressed(deltas, [0, 0, 4, 4])
    np.testing.assert_allclose(found.boxes, [[2, 0, 6, 4], [1, 1, 3, 3]], atol=1e-5)
    assert found.labels.tolist() == [0, 3]


def test_boxes_are_corrected_before_suppression() -> None:
    # Apart as proposals; four times as wide they overlap by 40 / 56 of a box and the second goes.
    apart = [[8.0, 0, 9, 10], [10, 0, 11, 10]]
    assert len(regressed(None, *apart)) == 4
    assert len(regressed([0.0, 0, math.log(8) / 0.2, 0], *apart)) == 2


def test_no_proposals_with_regression() -> None:
    assert len(regressed([0.0] * 4)) == 0


@pytest.mark.parametrize("box_regression", ["agnostic", "per_class"])
def test_a_model_that_regresses_keeps_the_contract(tmp_path: Path, box_regression: str) -> None:
    info = dataclasses.replace(bvlc_info(), box_regression=box_regression)
    torch.manual_seed(0)
    network = build_network(info)
    assert network.box_regressor is not None
    torch.nn.init.normal_(network.box_regressor.bias)
    save_model(tmp_path / "x.safetensors", info, network.state_dict())
    settings = DetectorSettings(min_score=1e-5)
    moved = Detector.load(tmp_path / "x.safetensors", device="cpu", precision="fp32", settings=settings)
    fixed = Detector.load(
        tmp_path / "x.safetensors", device="cpu", precision="fp32", settings=settings, box_regression=False
    )
    for one in (moved, fixed):
        one.proposer = whole_and_quarter
    check_detector(moved, IMAGES)
    check_detector(fixed, IMAGES)
    given = whole_and_quarter(IMAGES[0]).boxes.tolist()
    assert all(box in given for box in fixed(IMAGES[0]).boxes.tolist())
    assert not all(box in given for box in moved(IMAGES[0]).boxes.tolist())


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regions": "Shared"}, "regions: expected one of warp, shared, got 'Shared'"),
        ({"proposals": {"limt": 3}}, "proposals: expected settings of proposals, got limt"),
    ],
)
def test_how_to_load_is_checked(model_file: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Detector.load(model_file, device="cpu", **options)
