"""Views of regions: mirrored ones are of the mirrored image, and what networks have in common is made once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ensemble_case import BOXES, IMAGE, SHARED, detector_of, members, said
from fake_classifier import FakeClassifier
from fake_detector import whole_and_quarter
from numpy.typing import NDArray
from torch import Tensor

from detect import region_views, shared_regions
from detect.ensemble import Member
from detect.input_format import TORCHVISION_INPUT
from detect.mirroring import mirrored_boxes
from detect.region_warp import RegionWarper
from detect.shared_regions import LevelImages, SharedRegions, SharedSettings
from proposals import Proposals


def test_a_mirrored_view_of_shared_regions_is_of_the_mirrored_image() -> None:
    """Not of the mirrored map: the oracle mirrors the image, and asks the network for mirrored boxes."""
    network = FakeClassifier()
    _, probs = said(members(network, shared=SHARED), IMAGE, BOXES, flip=True)
    maps = []
    for image, boxes in ((IMAGE, BOXES), (IMAGE[:, ::-1].copy(), mirrored_boxes(BOXES, 96))):
        images = LevelImages(image, network.info.input, settings=SHARED)
        maps.append(SharedRegions(images, network.stem).regions(boxes))
    both = [network.classify_maps(one).probs for one in maps]
    torch.testing.assert_close(probs, (both[0] + both[1]) / 2)
    wrong = network.classify_maps(maps[0].flip(3)).probs
    assert (both[1] - wrong).abs().max() > 0.01


def test_models_that_read_differently_each_read_their_own_way() -> None:
    """Another input format, another context, and shared regions, in one ensemble: the mean of each by itself."""
    own = [
        Member(FakeClassifier(0)),  # type: ignore[arg-type]
        Member(FakeClassifier(1, input=TORCHVISION_INPUT)),  # type: ignore[arg-type]
        Member(FakeClassifier(2, context=0)),  # type: ignore[arg-type]
        Member(FakeClassifier(3), SHARED),  # type: ignore[arg-type]
    ]
    alone = torch.stack([said([one], IMAGE, BOXES, flip=True)[1] for one in own])
    torch.testing.assert_close(said(own, IMAGE, BOXES, flip=True)[1], alone.mean(dim=0))


def test_boxes_are_proposed_once_and_each_network_passes_over_each_region_once_a_view() -> None:
    networks, asked = [FakeClassifier(seed) for seed in range(3)], []

    def proposer(image: NDArray[np.uint8]) -> Proposals:
        asked.append(image.shape)
        return whole_and_quarter(image)

    detector_of(networks, proposer=proposer, flip=True)(IMAGE)
    assert asked == [IMAGE.shape]
    assert [sum(one.passes) for one in networks] == [4, 4, 4]


@pytest.mark.parametrize("flip", [False, True])
def test_each_network_s_stem_sees_an_image_once_a_view(flip: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    resized = []
    resize = shared_regions.resized_to
    monkeypatch.setattr(shared_regions, "resized_to", lambda *given: resized.append(given[1]) or resize(*given))
    networks = [FakeClassifier(seed) for seed in range(3)]
    one_side = SharedSettings(short_sides=(64,))
    detector = detector_of(networks, shared=one_side, flip=flip)
    list(detector.detect([(IMAGE, BOXES), (IMAGE, BOXES)], batch_size=3))
    assert [len(one.stems) for one in networks] == [4 if flip else 2] * 3
    assert resized == [0] * 3 * 2, "each channel of each of two images is resized once for all"


def test_regions_are_warped_once_for_all_that_take_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    warped: list[int] = []

    class Watched(RegionWarper):
        def regions(self, boxes: NDArray[np.float32]) -> Tensor:
            warped.append(len(boxes))
            return super().regions(boxes)

    monkeypatch.setattr(region_views, "RegionWarper", Watched)
    alike = [FakeClassifier(seed) for seed in range(3)]
    list(detector_of(alike, flip=True).detect([(IMAGE, BOXES)], batch_size=3))
    assert warped == [3, 1]
    warped.clear()
    list(detector_of([*alike, FakeClassifier(3, input=TORCHVISION_INPUT)]).detect([(IMAGE, BOXES)], batch_size=4))
    assert warped == [4, 4]
