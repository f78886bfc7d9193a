"""A network of random weights, its state and its file, made once a module."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from saved_models import PETS
from torch import Tensor

from detect.googlenet import GoogLeNet
from detect.model_file import save_model


@pytest.fixture(scope="module")
def network() -> GoogLeNet:
    torch.manual_seed(0)
    return GoogLeNet(4, auxiliary=True)


@pytest.fixture(scope="module")
def state(network: GoogLeNet) -> dict[str, Tensor]:
    """With auxiliary classifiers, as after training."""
    return network.state_dict()


@pytest.fixture(scope="module")
def main_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.startswith("auxiliary")}


@pytest.fixture(scope="module")
def saved(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "pets.safetensors"
    save_model(path, PETS, state)
    return path
