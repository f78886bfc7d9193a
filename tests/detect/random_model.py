"""A GoogLeNet that has learned nothing, as a model file: for tests that need a real network, whatever it answers."""

from __future__ import annotations

from pathlib import Path

import torch

from detect.class_tables import ilsvrc_detection_classes
from detect.googlenet import GoogLeNet
from detect.input_format import BVLC_INPUT
from detect.model_file import save_model
from detect.model_info import ModelInfo, Provenance


def save_random_model(path: Path, *, seed: int = 0) -> Path:
    """Write it; the same seed gives the same file."""
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    network = GoogLeNet(1000)
    torch.random.set_rng_state(state)
    info = ModelInfo(
        name="random",
        architecture="googlenet",
        num_outputs=1000,
        input=BVLC_INPUT,
        classes=ilsvrc_detection_classes(),
        provenance=Provenance(source="tests", data="none", licence="MIT"),
    )
    save_model(path, info, network.state_dict())
    return path
