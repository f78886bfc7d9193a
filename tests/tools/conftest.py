from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "detect"))  # odd_images, fake_detector, random_model


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file with a real network in it."""
    from random_model import save_random_model

    return save_random_model(tmp_path_factory.mktemp("model") / "random.safetensors")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`googlenet-rcnn detect`, in this process, uses this detector instead of a network."""
    from fake_detector import FakeDetector

    detector = FakeDetector()
    monkeypatch.setattr("tools.detect.build_detector", lambda config: detector)
    return detector
