"""Our own model files: there and back, whole or not at all."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from saved_models import PETS, same
from torch import Tensor

from detect.googlenet import GoogLeNet
from detect.googlenet_bn import GoogLeNetBN
from detect.model_file import (
    HEADER,
    ModelFileError,
    build_network,
    file_sha256,
    load_model,
    read_model_file,
    save_model,
)
from detect.model_info import ModelInfo


def test_there_and_back_exactly(saved: Path, main_state: dict[str, Tensor]) -> None:
    model = load_model(saved)
    assert model.info == PETS
    assert isinstance(model.network, GoogLeNet)
    assert same(model.network.state_dict(), main_state)
    assert not any(module.training for module in model.network.modules())
    assert {(p.dtype, p.device.type) for p in model.network.parameters()} == {(torch.float32, "cpu")}
    assert model.sha256 == hashlib.sha256(saved.read_bytes()).hexdigest()


def test_the_header_holds_the_description(saved: Path) -> None:
    with safe_open(saved, framework="pt") as file:
        assert ModelInfo.from_json(file.metadata()[HEADER]) == PETS
        assert not [name for name in file.keys() if name.startswith("auxiliary")]  # noqa: SIM118


def test_auxiliary_classifiers_are_left_out_and_the_input_is_as_it_was(
    state: dict[str, Tensor], main_state: dict[str, Tensor], tmp_path: Path
) -> None:
    before = {name: tensor.clone() for name, tensor in state.items()}
    save_model(tmp_path / "x.safetensors", PETS, state)
    assert same(state, before)
    assert len(state) > len(main_state)
    assert read_model_file(tmp_path / "x.safetensors")[1].keys() == main_state.keys()


def test_the_same_input_gives_the_same_bytes(saved: Path, state: dict[str, Tensor], tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    save_model(again, PETS, dict(reversed(state.items())))
    assert again.read_bytes() == saved.read_bytes()
    save_model(again, dataclasses.replace(PETS, name="cats"), state)
    assert file_sha256(again) != file_sha256(saved)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_the_size(saved: Path, main_state: dict[str, Tensor], tmp_path: Path, dtype: torch.dtype) -> None:
    half = tmp_path / "half.safetensors"
    save_model(half, PETS, main_state, dtype=dtype)
    info, read = read_model_file(half)
    assert info == PETS
    assert same(read, {name: tensor.to(dtype).float() for name, tensor in main_state.items()})
    assert half.stat().st_size == pytest.approx(saved.stat().st_size / 2, rel=0.01)


def test_counters_of_batch_norm_stay_whole_numbers(tmp_path: Path) -> None:
    info = dataclasses.replace(PETS, architecture="googlenet_bn")
    torch.manual_seed(0)
    network = GoogLeNetBN(4)
    next(m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)).num_batches_tracked.fill_(16_777_217)
    save_model(tmp_path / "bn.safetensors", info, network.state_dict(), dtype=torch.float16)
    loaded = load_model(tmp_path / "bn.safetensors")
    assert isinstance(loaded.network, GoogLeNetBN)
    counters = {int(v) for n, v in loaded.network.state_dict().items() if n.endswith("num_batches_tracked")}
    assert counters == {0, 16_777_217}, "float16 and float32 cannot hold it"


def test_weights_on_other_strides(tmp_path: Path, main_state: dict[str, Tensor]) -> None:
    """A network in channels_last is saved as the same file."""
    turned = {
        name: tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
        for name, tensor in main_state.items()
    }
    save_model(tmp_path / "x.safetensors", PETS, turned)
    assert same(read_model_file(tmp_path / "x.safetensors")[1], main_state)


@pytest.mark.parametrize("fails", ["replace", "write_bytes"])
def test_a_failed_save_leaves_what_was_there(
    fails: str, saved: Path, main_state: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"the old one")

    def disk_full(first: Path, *args: object) -> None:
        if fails == "write_bytes":
            first.open("wb").write(b"half of it")
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(*((os, "replace") if fails == "replace" else (Path, "write_bytes")), disk_full)
        with pytest.raises(OSError, match="No space left on device"):
            save_model(path, PETS, main_state)
    assert path.read_bytes() == b"the old one"
    assert [one.name for one in tmp_path.iterdir()] == ["x.safetensors"]


@pytest.mark.parametrize(
    ("value", "dtype"), [(float("nan"), torch.float32), (float("inf"), torch.float32), (70_000.0, torch.float16)]
)
def test_weights_that_the_file_cannot_hold(
    main_state: dict[str, Tensor], tmp_path: Path, value: float, dtype: torch.dtype
) -> None:
    broken = main_state | {"conv1.bias": torch.full((64,), value)}
    with pytest.raises(ValueError, match=rf"x\.safetensors: conv1\.bias: expected numbers that {dtype} can hold"):
        save_model(tmp_path / "x.safetensors", PETS, broken, dtype=dtype)
    assert list(tmp_path.iterdir()) == []


def test_networks_as_described() -> None:
    assert isinstance(build_network(PETS), GoogLeNet)
    other = build_network(dataclasses.replace(PETS, architecture="googlenet_bn", num_outputs=7))
    assert isinstance(other, GoogLeNetBN)
    assert other.classifier.out_features == 7


@pytest.mark.parametrize("architecture", ["googlenet", "googlenet_bn"])
@pytest.mark.parametrize(("box_regression", "outputs"), [("agnostic", 4), ("per_class", 8)])
def test_box_regressors_are_saved(tmp_path: Path, architecture: str, box_regression: str, outputs: int) -> None:
    info = dataclasses.replace(
        PETS, architecture=architecture, head="marginal", num_outputs=5, box_regression=box_regression
    )
    network = build_network(info, auxiliary=True)
    assert network.auxiliary_4a is not None
    assert network.box_regressor is not None
    assert network.box_regressor.weight.shape == (outputs, 1024)
    assert not any(p.any() for p in network.box_regressor.parameters()), "starts at no change"
    torch.nn.init.normal_(network.box_regressor.weight)
    save_model(tmp_path / "x.safetensors", info, network.state_dict())
    loaded = load_model(tmp_path / "x.safetensors")
    assert loaded.info == info
    assert loaded.network.auxiliary_4a is None
    assert loaded.network.box_regressor is not None
    assert torch.equal(loaded.network.box_regressor.weight, network.box_regressor.weight)


def test_a_box_regressor_that_the_description_does_not_mention(tmp_path: Path) -> None:
    network = GoogLeNet(4, box_outputs=4)
    save_model(tmp_path / "x.safetensors", PETS, network.state_dict())
    with pytest.raises(ModelFileError, match=r"weights do not fit googlenet: Unexpected key.*box_regressor"):
        load_model(tmp_path / "x.safetensors")
    save_model(
        tmp_path / "x.safetensors", dataclasses.replace(PETS, box_regression="agnostic"), GoogLeNet(4).state_dict()
    )
    with pytest.raises(ModelFileError, match=r"weights do not fit googlenet: Missing key.*box_regressor"):
        load_model(tmp_path / "x.safetensors")


def test_sha256_of_several_blocks(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a" * 1_000_000 + b"b" * 3_000_000)
    assert file_sha256(tmp_path / "x") == hashlib.sha256(b"a" * 1_000_000 + b"b" * 3_000_000).hexdigest()
    (tmp_path / "x").write_bytes(b"")
    # FIPS 180-4: of no bytes
    assert file_sha256(tmp_path / "x") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
