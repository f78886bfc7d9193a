"""What networks say of whole images, beside the slow obvious way: a crop at a time, and means by hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from gpu_waits import gpu_waits
from numpy.typing import NDArray
from odd_images import encode
from random_model import save_random_model
from torch import Tensor

from detect.image_classification import ClassifiedImage, ImageClassifier, best_classes, classify_images
from detect.image_sources import SourceImage
from detect.input_format import BVLC_INPUT, TORCHVISION_INPUT, InputFormat
from detect.model_file import load_model
from detect.region_classifier import RegionClassifier

OUTPUTS, SIZE = 7, 8


class FakeNetwork:
    """A random layer over all pixels of a crop, which counts its passes; the same seed gives the same."""

    def __init__(self, seed: int = 0, form: InputFormat = BVLC_INPUT) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.device = torch.device("cpu")
        self.info = SimpleNamespace(input=form)
        self.weights = torch.randn(3 * SIZE * SIZE, OUTPUTS, generator=generator) / 300
        self.passes: list[int] = []

    def logits(self, crops: Tensor) -> Tensor:
        self.passes.append(len(crops))
        return crops.reshape(len(crops), -1) @ self.weights


def noise(seed: int, height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


IMAGES = [noise(0, 9, 16), noise(1, 30, 11), noise(2, 12, 12), noise(3, 20, 21), noise(4, 1, 1)]


@pytest.fixture
def sources(tmp_path: Path) -> list[SourceImage]:
    """The images, with a file that is none after the second, and one that was found wanting before."""
    found = []
    for i, image in enumerate(IMAGES):
        (tmp_path / f"{i}.png").write_bytes(encode(image, "PNG"))
        found.append(SourceImage(tmp_path / f"{i}.png", f"{i}.png"))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    found.insert(2, SourceImage(tmp_path / "bad.png", "bad.png"))
    found.insert(4, SourceImage(tmp_path / "0.png", "unlabelled.png", "no annotation"))
    return found


def slow_crops(image: NDArray[np.uint8], crops: int, size: int) -> list[NDArray[np.uint8]]:
    """One at a time; the 144 from squares cut out first (`test_classification_crops` has the paper's order)."""

    def six(square: NDArray[np.uint8], side: int, number: int) -> list[NDArray[np.uint8]]:
        resized = cv2.resize(square, (side, side), interpolation=cv2.INTER_LINEAR)
        rest = side - size
        starts = [(rest // 2, rest // 2), (0, 0), (0, rest), (rest, 0), (rest, rest)]
        found = [resized[y : y + size, x : x + size] for y, x in starts]
        found.append(cv2.resize(resized, (size, size), interpolation=cv2.INTER_LINEAR))
        return found[:number]

    if crops == 1:
        return six(image, round(256 * size / 224), 1)
    if crops == 10:
        found = six(image, round(256 * size / 224), 5)
    else:
        short, found = min(image.shape[:2]), []
        for scale in (256, 288, 320, 352):
            for place in range(3):
                y, x = ((length - short) * place // 2 for length in image.shape[:2])
                found += six(image[y : y + short, x : x + short], round(scale * size / 224), 6)
    return [*found, *(crop[:, ::-1] for crop in found)]


def slow_probs(network: Any, image: NDArray[np.uint8], crops: int, size: int) -> Tensor:
    """The mean of a network's softmax over the crops, each in a pass of its own, in float64."""
    form, probs = network.info.input, []
    for crop in slow_crops(image, crops, size):
        planes = torch.from_numpy(crop.copy()).permute(2, 0, 1).double()
        planes = planes.flip(0) if form.order == "bgr" else planes
        mean, scale = (torch.tensor(one, dtype=torch.float64).view(3, 1, 1) for one in (form.mean, form.scale))
        logits = network.logits(((planes - mean) * scale).float()[None])[0]
        probs.append(torch.softmax(logits.double(), dim=0))
    return torch.stack(probs).mean(dim=0)


def classify(networks: list[Any], sources: list[SourceImage], **options: Any) -> list[ClassifiedImage]:
    run = {name: options.pop(name) for name in ("first", "workers") if name in options}
    return list(classify_images(ImageClassifier(networks, OUTPUTS, size=SIZE, **options), sources, **run))


# The slow obvious way


@pytest.mark.parametrize("crops", [1, 10, 144])
def test_probabilities_are_the_mean_over_crops_then_over_networks(crops: int) -> None:
    networks: list[Any] = [FakeNetwork(0), FakeNetwork(1, TORCHVISION_INPUT), FakeNetwork(2)]
    classifier = ImageClassifier(networks, OUTPUTS, crops=crops, size=SIZE)
    pixels = torch.from_numpy(np.stack([classifier.cut(image) for image in IMAGES]))
    expected = torch.stack(
        [torch.stack([slow_probs(network, image, crops, SIZE) for network in networks]).mean(dim=0) for image in IMAGES]
    )
    assert expected.std(dim=0).min() > 1e-3, "images differ"
    probs = classifier.probs(pixels)
    assert probs.dtype == torch.float32
    torch.testing.assert_close(probs.double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("crops", [1, 10, 144])
def test_real_networks_beside_plain_torch(crops: int, tmp_path: Path) -> None:
    """The oracle runs the network as it was loaded, a crop at a time. 32 pixels: a small input, for a quick test."""
    models = [load_model(save_random_model(tmp_path / f"{seed}.safetensors", seed=seed)) for seed in range(2)]
    networks = [RegionClassifier(model, device="cpu", precision="fp32") for model in models]
    image = noise(5, 40, 50)
    classifier = ImageClassifier(networks, 1000, crops=crops, size=32)
    with torch.inference_mode():
        plain: list[Any] = [SimpleNamespace(info=model.info, logits=model.network) for model in models]
        expected = [slow_probs(network, image, crops, 32) for network in plain]
    assert (expected[0] - expected[1]).abs().max() > 1e-4, "networks differ"
    probs = classifier.probs(torch.from_numpy(classifier.cut(image))[None])
    torch.testing.assert_close(probs[0].double(), sum(expected) / 2, rtol=1e-4, atol=1e-7)


# Streaming


@pytest.mark.parametrize("crops", [1, 10])
def test_neither_batches_nor_workers_change_the_answers(sources: list[SourceImage], crops: int) -> None:
    expected = classify([FakeNetwork()], sources, crops=crops)
    for batch_size in (1, 3, 16, 40):
        alone = classify([FakeNetwork()], sources, crops=crops, batch_size=batch_size)
        assert classify([FakeNetwork()], sources, crops=crops, batch_size=batch_size, workers=3) == alone, "to the bit"
        for one, other in zip(alone, expected, strict=True):
            assert dataclasses.replace(one, probs=()) == dataclasses.replace(other, probs=())
            np.testing.assert_allclose(one.probs, other.probs, rtol=1e-5)


def test_results_are_in_order_and_bad_images_keep_their_place(sources: list[SourceImage]) -> None:
    network = FakeNetwork()
    results = classify([network], sources, batch_size=2)
    assert [one.source for one in results] == sources
    errors = [one.error for one in results]
    assert str(errors[2]).startswith("not an image in a known format")
    assert errors[4] == "no annotation"
    assert [i for i, error in enumerate(errors) if error is None] == [0, 1, 3, 5, 6]
    good = [results[i] for i in (0, 1, 3, 5, 6)]
    for image, one in zip(IMAGES, good, strict=True):
        ranked, labels = slow_probs(network, image, 1, SIZE).sort(descending=True)
        assert one.best == tuple(labels[:5].tolist())
        np.testing.assert_allclose(one.probs, ranked[:5], rtol=1e-5)
    assert results[2].best == results[2].probs == ()


def test_a_group_whose_images_all_fail_asks_no_network(sources: list[SourceImage]) -> None:
    network = FakeNetwork()
    assert [one.error is None for one in classify([network], [sources[2], sources[4]])] == [False, False]
    assert network.passes == []
    assert classify([network], []) == []


@pytest.mark.parametrize("first", range(8))
def test_a_continued_run_gives_the_rest_to_the_bit(sources: list[SourceImage], first: int) -> None:
    whole = classify([FakeNetwork()], sources, batch_size=3)
    network = FakeNetwork()
    assert classify([network], sources, batch_size=3, first=first) == whole[first:]


@pytest.mark.parametrize(
    ("crops", "batch_size", "group", "passes"),
    [
        (1, 4, 4, [3, 2]),  # of the good ones among four sources, and among the last three
        (10, 16, 1, [10] * 5),
        (10, 25, 2, [20, 10, 10, 10]),
        (144, 100, 1, [72, 72] * 5),  # as even as can be
        (144, None, 1, [16] * 9 * 5),
    ],
)
def test_batches(sources: list[SourceImage], crops: int, batch_size: int | None, group: int, passes: list[int]) -> None:
    network: Any = FakeNetwork()
    classifier = ImageClassifier([network], OUTPUTS, crops=crops, size=SIZE, batch_size=batch_size)
    assert classifier.group == group
    list(classify_images(classifier, sources))
    assert network.passes == passes


def test_memory_does_not_grow_with_the_folder(sources: list[SourceImage], monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the networks are, decoding keeps only a little ahead."""
    cut, classifier = 0, ImageClassifier([FakeNetwork()], OUTPUTS, size=SIZE, batch_size=2)  # type: ignore[list-item]
    plainly = classifier.cut

    def counted(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        nonlocal cut
        cut += 1
        return plainly(image)

    monkeypatch.setattr(classifier, "cut", counted)
    results = classify_images(classifier, sources[:1] * 100, workers=2)
    next(results)
    assert cut <= 4 + 2 + 2, "two groups, two ahead, two at work"
    results.close()
    assert cut < 12


# What is best


def test_five_best_and_of_equals_the_lower() -> None:
    probs = torch.tensor([[0.1, 0.2, 0.1, 0.2, 0.1, 0.2, 0.1], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]])
    ranked, labels = best_classes(probs)
    assert labels.tolist() == [[1, 3, 5, 0, 2], [6, 0, 1, 2, 3]]
    assert ranked[0].tolist() == pytest.approx([0.2, 0.2, 0.2, 0.1, 0.1])
    assert best_classes(probs[:, :2])[1].tolist() == [[1, 0], [0, 1]], "all there are"


def test_outputs_that_are_no_classes_are_left_out() -> None:
    """Background, the last output, has no part in the softmax."""
    network: Any = FakeNetwork()
    classifier = ImageClassifier([network], OUTPUTS - 1, size=SIZE)
    pixels = torch.from_numpy(classifier.cut(IMAGES[0]))[None]
    every = ImageClassifier([network], OUTPUTS, size=SIZE).probs(pixels)[0, :-1]
    torch.testing.assert_close(classifier.probs(pixels)[0], every / every.sum())


def test_wrong_settings_are_refused() -> None:
    network: Any = FakeNetwork()
    with pytest.raises(ValueError, match="crops: expected 1, 10, 144, got 5"):
        ImageClassifier([network], OUTPUTS, crops=5)
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        ImageClassifier([network], OUTPUTS, batch_size=0)
    with pytest.raises(ValueError, match="workers: expected at least 1, got 0"):
        list(classify_images(ImageClassifier([network], OUTPUTS), [], workers=0))


@pytest.mark.parametrize("crops", [1, 10, 144])
def test_classifying_waits_for_nothing(crops: int) -> None:
    """On a GPU, see docs/decisions/0019-waits-on-a-gpu.md."""

    def network() -> ImageClassifier:
        fake: Any = FakeNetwork()
        fake.device, fake.weights = torch.device("cuda"), torch.zeros(3 * SIZE * SIZE, OUTPUTS, device="cuda")
        return ImageClassifier([fake, fake], OUTPUTS, crops=crops, size=SIZE)

    def run(classifier: Any) -> None:
        best_classes(classifier.probs(torch.zeros(2, crops, SIZE, SIZE, 3, dtype=torch.uint8)))

    assert gpu_waits(run, network) == []
