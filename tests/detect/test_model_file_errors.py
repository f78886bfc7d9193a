"""Model files that are not what they should be."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from saved_models import PETS, write_with_header
from torch import Tensor

from detect.model_file import (
    HEADER,
    ModelFileError,
    load_model,
    save_model,
)


@pytest.mark.parametrize("name", ["x.safetensors", "x.caffemodel", "x.pth"])
def test_a_missing_file_and_a_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelFileError, match=f"^{tmp_path / name}: no such model file$"):
        load_model(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(ModelFileError, match=f"^{tmp_path / name}: no such model file$"):
        load_model(tmp_path / name)


@pytest.mark.parametrize(("name", "got"), [("x.onnx", ".onnx"), ("x", "no ending"), ("x.PTH", ".PTH"), ("x.pt", ".pt")])
def test_another_ending(tmp_path: Path, name: str, got: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    message = rf"{name}: expected a model ending in \.safetensors, \.caffemodel, \.pth, got {got}$"
    with pytest.raises(ModelFileError, match=message):
        load_model(tmp_path / name)


@pytest.mark.parametrize("length", [0, 7, 8, 100, 5000, 1_000_000, -1])
def test_a_cut_off_file(saved: Path, tmp_path: Path, length: int) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(saved.read_bytes()[:length])
    with pytest.raises(ModelFileError, match=rf"^{path}: not a whole safetensors file \("):
        load_model(path)


def test_a_file_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"layer.weight": torch.zeros(2, 2)}, path, metadata={"format": "pt"})
    message = f"^{path}: expected a model of googlenet-rcnn or BVLC's layers, got other parameters$"
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


def test_a_pickle_under_our_ending(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    torch.save({"conv1.weight": torch.zeros(1)}, path)
    with pytest.raises(ModelFileError, match="not a whole safetensors file"):
        load_model(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classifier.bias": torch.zeros(5)}, r"size mismatch for classifier\.bias"),
        ({"conv1.weight": torch.zeros(64, 3, 3, 3)}, r"size mismatch for conv1\.weight"),
        ({"conv1.weight": None}, r"Missing key\(s\) in state_dict: \"conv1\.weight\""),
        ({"conv9.weight": torch.zeros(1)}, r"Unexpected key\(s\) in state_dict: \"conv9\.weight\""),
    ],
)
def test_weights_that_do_not_fit(
    main_state: dict[str, Tensor], tmp_path: Path, change: dict[str, Tensor | None], message: str
) -> None:
    path = tmp_path / "x.safetensors"
    tensors = {name: tensor for name, tensor in (main_state | change).items() if tensor is not None}
    save_model(path, PETS, tensors)
    with pytest.raises(ModelFileError, match=f"^{path}: weights do not fit googlenet: .*{message}") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("outputs", [2**45, 2**62, 30_000_000])
def test_nothing_as_large_as_a_header_claims_is_made(
    main_state: dict[str, Tensor], tmp_path: Path, outputs: int
) -> None:
    header = json.loads(PETS.to_json()) | {"num_outputs": outputs, "head": "marginal"}
    save_file(dict(main_state), tmp_path / "m.safetensors", metadata={HEADER: json.dumps(header)})
    with pytest.raises(ModelFileError, match=r"m\.safetensors: weights do not fit googlenet"):
        load_model(tmp_path / "m.safetensors")


def test_the_other_architecture(main_state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_model(path, dataclasses.replace(PETS, architecture="googlenet_bn"), main_state)
    with pytest.raises(ModelFileError, match="weights do not fit googlenet_bn: Missing key"):
        load_model(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "header: expected format 1, got 2: a newer googlenet-rcnn wrote it"),
        ({"colour": "red"}, "header: .*unexpected keyword argument 'colour'"),
        ({"architecture": "vgg"}, "header: architecture: expected googlenet or googlenet_naive or"),
        ({"num_outputs": -1}, "header: num_outputs: expected a whole number from 1 on, got -1"),
    ],
)
def test_headers_that_we_do_not_understand(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "x.safetensors"
    write_with_header(path, json.dumps(json.loads(PETS.to_json()) | change), {"a": torch.zeros(1)})
    with pytest.raises(ModelFileError, match=f"^{path}: {message}"):
        load_model(path)


def test_a_header_that_is_no_json(tmp_path: Path) -> None:
    path = write_with_header(tmp_path / "x.safetensors", "{", {"a": torch.zeros(1)})
    with pytest.raises(ModelFileError, match=f"^{path}: header: expected a model description, got"):
        load_model(path)
