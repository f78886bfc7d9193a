"""Ensembles: the mean of what each network says by itself, mirrored images, memory, what cannot be joined."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detector_contract import check_detector
from ensemble_case import BOXES, IMAGE, SHARED, detector_of, members, said
from fake_classifier import CLASSES, FakeClassifier
from odd_images import encode, quadrants
from random_model import save_random_model
from torch import Tensor

from detect import Detector
from detect.class_tables import DetectionClass
from detect.detector import DetectorSettings
from detect.ensemble import Ensemble, check_same_classes, load_members
from detect.image_sources import find_images
from detect.mirroring import mirrored_boxes
from detect.model_file import bvlc_info, load_model, save_model
from detect.pipeline import detect_images
from detect.region_classifier import RegionClassifier
from detect.region_warp import RegionWarper
from detect.shared_regions import SharedSettings
from detect.suppression import suppress

# What is averaged

AFTERWARDS = {"min_score": 0.001, "vote_iou": 0.5, "nested_factor": 0.8}


@pytest.fixture(scope="module")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    return [save_random_model(folder / f"{seed}.safetensors", seed=seed) for seed in range(2)]


def test_two_models_give_the_mean_of_their_probabilities(model_files: list[Path]) -> None:
    """The oracle runs each by itself, without detector or ensemble."""
    settings = DetectorSettings(**AFTERWARDS)
    both = Detector.load(model_files, device="cpu", precision="fp32", settings=settings)
    (found,) = both.detect([(IMAGE, BOXES)])
    probs = []
    for file in model_files:
        classifier = RegionClassifier(load_model(file), device="cpu", precision="fp32")
        warped = RegionWarper(IMAGE, classifier.info.input).regions(BOXES)
        probs.append(classifier(warped))
    assert (probs[0] - probs[1]).abs().max() > 1e-4
    expected = suppress(torch.from_numpy(BOXES), (probs[0] + probs[1]) / 2, **AFTERWARDS)
    np.testing.assert_allclose(found.detections.scores, expected.scores, rtol=1e-5)
    np.testing.assert_allclose(found.detections.boxes, expected.boxes, rtol=1e-5)
    np.testing.assert_array_equal(found.detections.labels, expected.labels)


def test_flip_gives_the_mean_of_a_region_and_its_mirror_image(model_files: list[Path]) -> None:
    settings = DetectorSettings(**AFTERWARDS)
    flipping = Detector.load(model_files[0], device="cpu", precision="fp32", settings=settings, flip=True)
    (found,) = flipping.detect([(IMAGE, BOXES)])
    classifier = flipping.classifier
    warped = RegionWarper(IMAGE, classifier.info.input).regions(BOXES)
    probs = (classifier(warped) + classifier(warped.flip(3))) / 2
    expected = suppress(torch.from_numpy(BOXES), probs, **AFTERWARDS)
    np.testing.assert_allclose(found.detections.scores, expected.scores, rtol=1e-5)


@pytest.mark.parametrize("box_outputs", [(0, 0), (4, 16), (0, 16), (4, 4)])
@pytest.mark.parametrize("shared", [None, SHARED])
def test_with_flip_a_mirrored_image_has_mirrored_answers(
    box_outputs: tuple[int, ...], shared: SharedSettings | None
) -> None:
    networks = [FakeClassifier(seed, box_outputs=count, fit=count == 4) for seed, count in enumerate(box_outputs)]
    there, back = IMAGE[:, ::-1].copy(), mirrored_boxes(BOXES, 96)

    def difference(flip: bool) -> float:
        boxes, probs = said(members(*networks, shared=shared), IMAGE, BOXES, flip=flip)
        mirrored, again = said(members(*networks, shared=shared), there, back, flip=flip)
        turned = mirrored_boxes(mirrored.reshape(-1, 4).numpy(), 96).reshape(boxes.shape)
        return max(float((probs - again).abs().max()), float(np.abs(boxes.numpy() - turned).max()))

    assert difference(flip=True) < 1e-3
    assert difference(flip=False) > 1e-2, "the networks do tell left from right"


def test_how_well_boxes_fit_is_the_mean_of_those_that_know() -> None:
    """The oracle asks each network by itself."""
    networks = [FakeClassifier(seed, fit=seed < 2) for seed in range(3)]
    plain, fits = [], []
    for one in networks:
        answer = one.classify(RegionWarper(IMAGE, one.info.input).regions(BOXES))
        plain.append(answer.probs)
        if answer.fit is not None:
            fits.append(answer.fit)
    assert len(fits) == 2
    _, scores = said(members(*networks), IMAGE, BOXES)
    torch.testing.assert_close(scores, sum(plain) / 3 * (sum(fits) / 2)[:, None])


def test_the_order_of_models_does_not_matter() -> None:
    networks = [FakeClassifier(seed, box_outputs=count, fit=count == 4) for seed, count in enumerate((0, 4, 16))]
    boxes, probs = said(members(*networks), IMAGE, BOXES)
    for order in ((1, 2, 0), (2, 1, 0)):
        other_boxes, other_probs = said(members(*(networks[i] for i in order)), IMAGE, BOXES)
        torch.testing.assert_close(other_boxes, boxes, atol=1e-4, rtol=1e-5)
        torch.testing.assert_close(other_probs, probs)


@pytest.mark.parametrize("shared", [None, SHARED])
def test_an_ensemble_keeps_the_contract_of_detectors(shared: SharedSettings | None) -> None:
    networks = [FakeClassifier(seed, box_outputs=outputs) for seed, outputs in enumerate((0, 4, 16))]
    images = [IMAGE, np.zeros((1, 1, 3), np.uint8), quadrants(7, 90)]
    check_detector(detector_of(networks, shared=shared, flip=True), images, num_classes=4)


def test_the_first_model_proposes_and_describes(tmp_path: Path) -> None:
    files = []
    for name, limit in (("a", 3), ("b", 5)):
        info = dataclasses.replace(bvlc_info(), name=name)
        info = dataclasses.replace(info, proposals=dataclasses.replace(info.proposals, mode="single", limit=limit))
        files.append(save_random_model(tmp_path / "x.safetensors", seed=limit))
        save_model(tmp_path / f"{name}.safetensors", info, load_model(files[-1]).network.state_dict())
    loaded = Detector.load([tmp_path / "a.safetensors", tmp_path / "b.safetensors"], device="cpu", precision="fp32")
    assert (loaded.info.name, [one.classifier.info.name for one in loaded.others]) == ("a", ["b"])
    assert len(loaded.proposer(IMAGE)) == 3


def test_where_memory_does_not_suffice_batches_get_smaller(tmp_path: Path) -> None:
    """The second network has room for two regions at a time; detections are those of a large machine."""

    class Small(FakeClassifier):
        def classify(self, regions: Tensor) -> Any:
            if len(regions) > 2:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            return super().classify(regions)

    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(encode(quadrants(30, 40 + i), "PNG"))
    sources = find_images([str(tmp_path)]).images
    settings = DetectorSettings(min_score=0.0, batch_size=16)
    found = []
    for kind in (FakeClassifier, Small):
        detector = detector_of([FakeClassifier(0), kind(1)], settings=settings, flip=True)
        found.append(list(detect_images(detector, sources)))
    for large, small in zip(*found, strict=True):
        assert large.detections is not None
        assert small.detections is not None, small.error
        np.testing.assert_allclose(small.detections.scores, large.detections.scores, rtol=1e-5)


# What cannot be joined


def test_models_of_other_classes() -> None:
    info = dataclasses.replace(bvlc_info(), classes=CLASSES)
    check_same_classes([("a", info)])
    members_differ = tuple(dataclasses.replace(one, members=(9,)) for one in CLASSES)
    check_same_classes([("a", info), ("b", dataclasses.replace(info, classes=members_differ))])
    swapped = dataclasses.replace(info, classes=(CLASSES[0], CLASSES[2], CLASSES[1], CLASSES[3]))
    with pytest.raises(
        ValueError, match=r"models a and c: expected the same classes in .*, got 'b' and 'c' for label 1"
    ):
        check_same_classes([("a", info), ("b", info), ("c", swapped)])
    fewer = dataclasses.replace(info, classes=CLASSES[:3])
    with pytest.raises(ValueError, match=r"models a and b: .*, got 4 and 3 of them"):
        check_same_classes([("a", info), ("b", fewer)])
    of_wordnet = dataclasses.replace(info, classes=(DetectionClass("n1", "a", (0,)), *CLASSES[1:]))
    with pytest.raises(ValueError, match="got 'a' and 'a' \\(n1\\) for label 0"):
        check_same_classes([("a", info), ("b", of_wordnet)])
    with pytest.raises(ValueError, match=r"models fake 0 and fake 1: .*, got 4 and 3 of them"):
        Ensemble(members(FakeClassifier(0), FakeClassifier(1, classes=CLASSES[:3])))


def test_models_that_come_twice(model_files: list[Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(model_files[0].read_bytes())
    names = [str(model_files[0]), str(model_files[1]), str(copy)]
    with pytest.raises(ValueError, match=r"0\.safetensors and .*copy\.safetensors: expected each model once"):
        load_members(names)
    with pytest.raises(ValueError, match="model: expected at least one, got none"):
        Detector.load([])
    with pytest.raises(ValueError, match="no model file nope and no model named nope"):
        Detector.load([model_files[0], "nope"])


def test_networks_on_other_devices() -> None:
    elsewhere = FakeClassifier(1)
    elsewhere.device = torch.device("meta")
    with pytest.raises(ValueError, match="expected all networks on one device, got cpu, meta"):
        Ensemble(members(FakeClassifier(0), elsewhere))
