"""Ensembles of small networks over one image, for the tests of their parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from fake_detector import whole_and_quarter
from numpy.typing import NDArray
from torch import Tensor

from detect import Detector
from detect.detector import DetectorSettings
from detect.ensemble import Ensemble, Member
from detect.shared_regions import SharedSettings
from detect.view_averaging import average, joined

SHARED = SharedSettings(short_sides=(64, 96))
IMAGE = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
BOXES = np.array([[0, 0, 96, 64], [8, 4, 40, 60], [50, 10, 70, 30], [60, 0, 96, 64]], np.float32)


def members(*classifiers: Any, shared: SharedSettings | None = None) -> list[Member]:
    return [Member(one, shared) for one in classifiers]


def said(
    networks: Sequence[Member], image: NDArray[np.uint8], boxes: NDArray[np.float32], *, flip: bool = False
) -> tuple[Tensor, Tensor]:
    """Boxes and probabilities of the regions of one image, in their order."""
    ensemble = Ensemble(networks, flip=flip)
    views = ensemble.open(image)
    halves = ensemble.classify([(views, boxes[:2]), (views, boxes[2:])])
    answers = [joined(view) for view in zip(*halves, strict=True)]
    return average(torch.from_numpy(boxes), answers, (image.shape[0], image.shape[1]))


def detector_of(networks: Sequence[Any], *, shared: SharedSettings | None = None, **options: Any) -> Detector:
    first, *others = networks
    return Detector(
        classifier=first,
        shared=shared,
        others=members(*others, shared=shared),
        **{"proposer": whole_and_quarter, "settings": DetectorSettings(min_score=0.0, batch_size=3), **options},
    )
