"""What tests of the train verbs look at: the last complaint, what a run says of itself, its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from detect.model_file import load_model


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The last complaint."""
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("googlenet-rcnn:")]
    assert lines
    return lines[-1]


def described(out: Path) -> dict[str, Any]:
    """`run.json`."""
    found: dict[str, Any] = json.loads((out / "run.json").read_text())
    return found


def weights(out: Path) -> dict[str, torch.Tensor]:
    """Of the detector that a run wrote."""
    return load_model(out / "model.safetensors").network.state_dict()
