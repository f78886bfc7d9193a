"""Model files that others published: BVLC's, as Caffe model and as safetensors, and torchvision's."""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from caffe_bytes import bytes_field, legacy_blob, old_layer
from safetensors.torch import save_file
from saved_models import same
from torch import Tensor
from torchvision.models import GoogLeNet as TorchvisionGoogLeNet
from torchvision.models import Inception3 as TorchvisionInception3

from detect.backbones.inception_v3 import InceptionV3
from detect.caffe_layers import caffe_to_module_names
from detect.googlenet import GoogLeNet
from detect.googlenet_bn import GoogLeNetBN
from detect.model_file import (
    ModelFileError,
    bvlc_info,
    inception_v3_info,
    load_model,
    read_model_file,
    save_model,
    torchvision_info,
)


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
