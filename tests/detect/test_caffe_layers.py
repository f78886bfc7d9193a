from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor

from detect.caffe_layers import caffe_to_module_names, googlenet_state_from_caffe, looks_like_bvlc
from detect.googlenet import GoogLeNet


@pytest.fixture(scope="module")
def network() -> GoogLeNet:
    torch.manual_seed(0)
    return GoogLeNet(1000, auxiliary=True)


@pytest.fixture(scope="module")
def caffe(network: GoogLeNet) -> dict[str, Tensor]:
    """All layers of the training network under Caffe's names, `/` as in its own files."""
    state = network.state_dict()
    layers = {}
    for layer, module in caffe_to_module_names().items():
        for kind in ("weight", "bias"):
            layers[f"{with_slash(layer)}.{kind}"] = state[f"{module}.{kind}"]
    return layers


def with_slash(layer: str) -> str:
    """inception_3a_3x3_reduce → inception_3a/3x3_reduce, as in train_val.prototxt."""
    words = layer.split("_")
    at = 2 if words[0] == "inception" else 1
    return "_".join(words[:at]) + "/" + "_".join(words[at:])


def test_names_are_a_bijection_onto_the_parameters(network: GoogLeNet) -> None:
    names = caffe_to_module_names()
    assert set(Counter(names.values()).values()) == {1}
    parameters = {f"{module}.{kind}" for module in names.values() for kind in ("weight", "bias")}
    assert parameters == set(network.state_dict())
    assert len(names) == 58 + 6  # README of the shared weights: 58 layers; three in each auxiliary classifier


def test_names_as_in_the_prototxt() -> None:
    names = caffe_to_module_names()
    assert names["conv1_7x7_s2"] == "conv1"
    assert names["inception_4d_5x5_reduce"] == "inception_4d.reduce5x5"
    assert names["inception_4d_5x5"] == "inception_4d.conv5x5"
    assert names["loss1_fc"] == "auxiliary_4a.fc"
    assert names["loss2_conv"] == "auxiliary_4d.conv"
    assert names["loss3_classifier"] == "classifier"


def test_every_layer_arrives_where_it_belongs(network: GoogLeNet, caffe: dict[str, Tensor]) -> None:
    state = googlenet_state_from_caffe(caffe, source="x")
    expected = network.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    GoogLeNet(1000, auxiliary=True).load_state_dict(state)


def test_slashes_and_underscores_are_the_same(caffe: dict[str, Tensor]) -> None:
    flat = {name.replace("/", "_"): tensor for name, tensor in caffe.items()}
    assert flat.keys() != caffe.keys()
    one, other = (googlenet_state_from_caffe(layers, source="x") for layers in (flat, caffe))
    assert one.keys() == other.keys()
    assert all(one[name] is other[name] or torch.equal(one[name], other[name]) for name in one)


def test_shapes_of_old_files(network: GoogLeNet, caffe: dict[str, Tensor]) -> None:
    """num, channels, height, width: a bias is (1, 1, 1, O), an inner product (1, 1, O, I)."""
    old = {
        name: tensor.reshape((1,) * (4 - tensor.ndim) + tuple(tensor.shape)) if tensor.ndim < 4 else tensor
        for name, tensor in caffe.items()
    }
    before = {name: tensor.shape for name, tensor in old.items()}
    assert old["loss3/classifier.weight"].shape == (1, 1, 1000, 1024)
    assert old["conv1/7x7_s2.bias"].shape == (1, 1, 1, 64)
    state = googlenet_state_from_caffe(old, source="x")
    assert all(torch.equal(state[name], tensor) for name, tensor in network.state_dict().items())
    assert {name: tensor.shape for name, tensor in old.items()} == before


def test_other_types_become_float32(caffe: dict[str, Tensor]) -> None:
    state = googlenet_state_from_caffe({name: tensor.half() for name, tensor in caffe.items()}, source="x")
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}


def test_without_the_auxiliary_layers(caffe: dict[str, Tensor]) -> None:
    main = {name: tensor for name, tensor in caffe.items() if not name.startswith(("loss1", "loss2"))}
    state = googlenet_state_from_caffe(main | {"data.weight": torch.zeros(1)}, source="x")
    assert not [name for name in state if name.startswith(("auxiliary", "data"))]
    GoogLeNet(1000).load_state_dict(state)


@pytest.mark.parametrize("layer", ["conv1/7x7_s2", "inception_5b/pool_proj", "loss3/classifier"])
@pytest.mark.parametrize("kind", ["weight", "bias"])
def test_a_missing_layer_is_named(caffe: dict[str, Tensor], layer: str, kind: str) -> None:
    layers = {name: tensor for name, tensor in caffe.items() if name != f"{layer}.{kind}"}
    flat = layer.replace("/", "_")
    message = f"^x.caffemodel: expected the layers of bvlc_googlenet, got none called {flat}.{kind}$"
    with pytest.raises(ValueError, match=message):
        googlenet_state_from_caffe(layers, source="x.caffemodel")


@pytest.mark.parametrize("layer", ["loss3/classifier", "loss1/fc"])
def test_a_fully_connected_layer_that_is_no_matrix(caffe: dict[str, Tensor], layer: str) -> None:
    layers = caffe | {f"{layer}.weight": torch.zeros(2, 1, 10, 10)}
    flat = layer.replace("/", "_")
    message = rf"^x: {flat}\.weight: expected leading axes of length 1, got \(2, 1, 10, 10\)$"
    with pytest.raises(ValueError, match=message):
        googlenet_state_from_caffe(layers, source="x")


def test_what_looks_like_bvlc(caffe: dict[str, Tensor], network: GoogLeNet) -> None:
    assert looks_like_bvlc({name.replace("/", "_"): tensor for name, tensor in caffe.items()})
    assert not looks_like_bvlc({})
    assert not looks_like_bvlc(network.state_dict())
    assert not looks_like_bvlc({"conv1_7x7_s2.weight": torch.zeros(1)})
