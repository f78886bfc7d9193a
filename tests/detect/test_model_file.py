from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from caffe_bytes import bytes_field, legacy_blob, old_layer
from safetensors import safe_open
from safetensors.torch import save, save_file
from torch import Tensor
from torchvision.models import GoogLeNet as TorchvisionGoogLeNet
from torchvision.models import Inception3 as TorchvisionInception3

from detect.backbones.inception_v3 import InceptionV3
from detect.caffe_layers import caffe_to_module_names
from detect.class_tables import DetectionClass
from detect.googlenet import GoogLeNet
from detect.googlenet_bn import GoogLeNetBN
from detect.input_format import BVLC_INPUT
from detect.model_file import (
    HEADER,
    ModelFileError,
    build_network,
    bvlc_info,
    file_sha256,
    inception_v3_info,
    load_model,
    read_model_file,
    save_model,
    torchvision_info,
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


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def write_with_header(path: Path, header: str | None, tensors: dict[str, Tensor]) -> Path:
    path.write_bytes(save(tensors, metadata=None if header is None else {HEADER: header}))
    return path


# Our own files


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


# Files that are not what they should be


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


# BVLC's files


@pytest.fixture(scope="module")
def caffe() -> dict[str, Tensor]:
    """All of bvlc_googlenet's layers, auxiliary ones too, with random weights, as `LAYER.weight`."""
    torch.manual_seed(1)
    state = GoogLeNet(1000, auxiliary=True).state_dict()
    names = caffe_to_module_names().items()
    return {f"{layer}.{kind}": state[f"{module}.{kind}"] for layer, module in names for kind in ("weight", "bias")}


def caffemodel_bytes(layers: dict[str, Tensor]) -> bytes:
    """As Caffe wrote it in 2014: layers 2, blobs of four axes, and a layer without weights in between."""

    def blob(tensor: Tensor) -> bytes:
        shape = (1,) * (4 - tensor.ndim) + tuple(tensor.shape)
        return legacy_blob(shape, np.ascontiguousarray(tensor.numpy()))  # type: ignore[arg-type]

    names = [name.removesuffix(".weight") for name in layers if name.endswith(".weight")]
    written = [old_layer(name, blob(layers[f"{name}.weight"]), blob(layers[f"{name}.bias"])) for name in names]
    return b"".join([bytes_field(1, b"GoogleNet"), old_layer("data"), *written])


def test_caffemodel_and_safetensors_of_bvlc_are_the_same_network(caffe: dict[str, Tensor], tmp_path: Path) -> None:
    (tmp_path / "x.caffemodel").write_bytes(caffemodel_bytes(caffe))
    save_file(caffe, tmp_path / "all.safetensors")
    main = {name: tensor for name, tensor in caffe.items() if not name.startswith(("loss1", "loss2"))}
    save_file(main, tmp_path / "main.safetensors")
    models = [load_model(tmp_path / name) for name in ("x.caffemodel", "all.safetensors", "main.safetensors")]
    for model in models:
        assert model.info == bvlc_info()
        assert not model.network.training
        assert same(model.network.state_dict(), models[0].network.state_dict())
    weights = models[0].network.state_dict()
    assert torch.equal(weights["conv1.weight"], caffe["conv1_7x7_s2.weight"])
    assert torch.equal(weights["classifier.weight"], caffe["loss3_classifier.weight"])
    assert len({model.sha256 for model in models}) == 3


def test_caffemodels_of_other_networks(tmp_path: Path, caffe: dict[str, Tensor]) -> None:
    path = tmp_path / "x.caffemodel"
    path.write_bytes(b"\xff\xff\xff")
    with pytest.raises(ModelFileError, match=f"^{path}: cut off inside a number at byte 0$"):
        load_model(path)
    path.write_bytes(caffemodel_bytes({name: caffe[name] for name in ("conv1_7x7_s2.weight", "conv1_7x7_s2.bias")}))
    with pytest.raises(ModelFileError, match=f"^{path}: expected the layers of bvlc_googlenet, got none called conv2_"):
        load_model(path)


def test_a_caffemodel_whose_classifier_is_no_matrix(tmp_path: Path, caffe: dict[str, Tensor]) -> None:
    path = tmp_path / "x.caffemodel"
    odd = caffe | {"loss3_classifier.weight": torch.zeros(2, 2, 5, 5)}
    path.write_bytes(caffemodel_bytes(odd))
    with pytest.raises(ModelFileError, match=f"^{path}: loss3_classifier.weight: expected leading axes of length 1"):
        load_model(path)


@pytest.mark.shared
def test_the_real_weights_survive_our_format(shared_folder: Path, tmp_path: Path) -> None:
    info, weights = read_model_file(shared_folder / "weights" / "bvlc_googlenet.safetensors")
    assert info == bvlc_info()
    assert sum(tensor.numel() for tensor in weights.values()) == 6_998_552
    save_model(tmp_path / "x.safetensors", info, weights)
    again, read = read_model_file(tmp_path / "x.safetensors")
    assert again == info
    assert same(read, weights)


# torchvision's checkpoint


@pytest.fixture(scope="module")
def torchvisions() -> TorchvisionGoogLeNet:
    torch.manual_seed(2)
    return TorchvisionGoogLeNet(num_classes=1000, aux_logits=True, init_weights=False)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("half", [True, False])
def test_torchvisions_checkpoint(torchvisions: TorchvisionGoogLeNet, tmp_path: Path, zipped: bool, half: bool) -> None:
    weights = torchvisions.state_dict()
    if half:
        weights = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    torch.save(weights, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    info, read = read_model_file(tmp_path / "x.pth")
    assert info == torchvision_info()
    assert {tensor.dtype for tensor in read.values()} == {torch.float32, torch.int64}
    model = load_model(tmp_path / "x.pth")
    assert isinstance(model.network, GoogLeNetBN)
    main = {f"network.{name}": tensor for name, tensor in weights.items() if not name.startswith("aux")}
    assert same(model.network.state_dict(), {n: t.float() if t.is_floating_point() else t for n, t in main.items()})


@pytest.mark.parametrize("counted", [True, False])
def test_torchvisions_checkpoint_of_inception_v3(tmp_path: Path, counted: bool) -> None:
    """`counted`: with the batches that statistics were taken over, which old files do not have."""
    torch.manual_seed(3)
    weights = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in TorchvisionInception3(init_weights=False).state_dict().items()
        if counted or not name.endswith("num_batches_tracked")
    }
    torch.save(weights, tmp_path / "x.pth")
    model = load_model(tmp_path / "x.pth")
    assert model.info == inception_v3_info()
    assert isinstance(model.network, InceptionV3)
    found = model.network.state_dict()
    for name, tensor in weights.items():
        if not name.startswith("AuxLogits"):
            assert torch.equal(found[f"network.{name}"], tensor.float() if tensor.is_floating_point() else tensor)


class Hostile:
    """Unpickling it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (str(self.marker), "w")


@pytest.mark.parametrize("form", ["zip", "legacy", "bare pickle"])
def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, form: str) -> None:
    marker, path = tmp_path / "marker", tmp_path / "x.pth"
    hostile = {"conv1.bn.running_mean": Hostile(marker)}
    if form == "bare pickle":
        path.write_bytes(pickle.dumps(hostile, protocol=2))
        pickle.loads(path.read_bytes())
    else:
        torch.save(hostile, path, _use_new_zipfile_serialization=form == "zip")
        torch.load(path, weights_only=False)
    assert marker.exists(), "the trap works"
    marker.unlink()
    with pytest.raises(ModelFileError, match=f"^{path}: not a whole checkpoint of plain tensors$"):
        load_model(path)
    assert not marker.exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_damaged_checkpoints(tmp_path: Path, zipped: bool) -> None:
    """Cut off anywhere, or with any byte changed: one sentence about the file, whatever the unpickler trips over."""
    buffer = io.BytesIO()
    torch.save({"conv1.bn.running_mean": torch.ones(3)}, buffer, _use_new_zipfile_serialization=zipped)
    whole = buffer.getvalue()
    path = tmp_path / "x.pth"
    generator = np.random.default_rng(0)
    damaged = [whole[:length] for length in generator.integers(0, len(whole), 60)]
    for position, byte in zip(generator.integers(0, min(len(whole), 400), 150), generator.bytes(150), strict=True):
        damaged.append(whole[:position] + bytes([byte]) + whole[position + 1 :])
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match=f"^{path}: (not a whole checkpoint|expected)"):
            load_model(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "expected a state dict, got list"),
        (torch.zeros(2), "expected a state dict, got Tensor"),
        ({"a": torch.zeros(2)}, "expected torchvision's GoogLeNet or Inception v3, got other parameters"),
        ({3: torch.zeros(2)}, "expected a state dict of named tensors, got other things in it"),
        ({"state_dict": {"a": torch.zeros(2)}}, "expected a state dict of named tensors, got other things in it"),
    ],
)
def test_other_checkpoints(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "x.pth"
    torch.save(content, path)
    with pytest.raises(ModelFileError, match=f"^{path}: {message}$"):
        load_model(path)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_weights_that_are_no_numbers(tmp_path: Path, bad: float) -> None:
    weights = GoogLeNet(1000).state_dict()
    weights["conv2.bias"][3] = bad
    bvlc = {}
    names = {module: layer for layer, module in caffe_to_module_names().items()}
    for name, tensor in weights.items():
        module, kind = name.rsplit(".", 1)
        bvlc[f"{names[module]}.{kind}"] = tensor
    save_file(bvlc, tmp_path / "bad.safetensors")
    with pytest.raises(ModelFileError, match=r"bad.safetensors: expected finite weights, got NaN .* in conv2.bias"):
        load_model(tmp_path / "bad.safetensors")
