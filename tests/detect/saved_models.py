"""A model of few outputs, and ways to write it: what tests of model files start from."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from detect.class_tables import DetectionClass
from detect.input_format import BVLC_INPUT
from detect.model_file import (
    HEADER,
)
from detect.model_info import ModelInfo, Provenance

PETS = ModelInfo(
    name="pets",
    architecture="googlenet",
    num_outputs=4,
    input=BVLC_INPUT,
    classes=(DetectionClass("n1", "cat", (0, 2)), DetectionClass("n2", "dog", (3,))),
    provenance=Provenance("here", "none", "MIT"),
)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def write_with_header(path: Path, header: str | None, tensors: dict[str, Tensor]) -> Path:
    path.write_bytes(save(tensors, metadata=None if header is None else {HEADER: header}))
    return path


# Our own files
