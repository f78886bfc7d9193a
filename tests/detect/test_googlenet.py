from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from detect.googlenet import STAGES, STEM_CHANNELS, TABLE_1, GoogLeNet
from detect.inception import Inception
from detect.local_response_norm import LocalResponseNorm
from detect.max_pooling import MaxPool3x3
from detect.model_file import load_model

PARAMETERS = 6_998_552  # of bvlc_googlenet without its auxiliary classifiers


def random(*shape: int, seed: int = 0, scale: float = 60.0) -> Tensor:
    """Like normalised pixels."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


@pytest.fixture(scope="module")
def network() -> GoogLeNet:
    """Untrained, with 10 classes, and tests leave it as it is."""
    torch.manual_seed(0)
    return GoogLeNet(10).eval()


@pytest.fixture(scope="module")
def trainable() -> GoogLeNet:
    torch.manual_seed(0)
    return GoogLeNet(10, auxiliary=True)


@pytest.fixture
def training(trainable: GoogLeNet) -> GoogLeNet:
    """With auxiliary classifiers, in training mode, and the test's own."""
    return copy.deepcopy(trainable)


def relative_error(got: Tensor, expected: Tensor) -> float:
    return ((got.float() - expected.float()).abs().max() / expected.float().abs().max()).item()


# The published network


def test_table_1_rows_add_up() -> None:
    assert list(TABLE_1) == ["3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"]
    outputs = [widths.output for widths in TABLE_1.values()]
    assert outputs == [256, 480, 512, 512, 512, 528, 832, 832, 1024]  # "output size" in Table 1


@pytest.mark.parametrize("name", TABLE_1)
def test_weights_of_a_module(network: GoogLeNet, name: str) -> None:
    widths = TABLE_1[name]
    row = list(TABLE_1)
    channels = TABLE_1[row[row.index(name) - 1]].output if name != "3a" else STEM_CHANNELS
    ones = widths.conv1x1 + widths.reduce3x3 + widths.reduce5x5 + widths.pool_proj
    weights = channels * ones + 9 * widths.reduce3x3 * widths.conv3x3 + 25 * widths.reduce5x5 * widths.conv5x5
    module = network.inception(name)
    assert sum(p.numel() for n, p in module.named_parameters() if n.endswith("weight")) == weights


def test_number_of_parameters() -> None:
    assert sum(p.numel() for p in GoogLeNet().parameters()) == PARAMETERS
    # An auxiliary classifier: 1×1 (C + 1) · 128, then (2048 + 1) · 1024, then (1024 + 1) · 1000.
    auxiliary = (512 + 1) * 128 + (528 + 1) * 128 + 2 * (2049 * 1024 + 1025 * 1000)
    assert sum(p.numel() for p in GoogLeNet(auxiliary=True).parameters()) == PARAMETERS + auxiliary


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, LocalResponseNorm | MaxPool3x3) or super().is_leaf_module(module, name)


def test_22_layers_deep_58_layers_in_all(network: GoogLeNet) -> None:
    """Layers with parameters on the longest way from the image to the logits (GoogLeNet, section 5: 22)."""
    graph = _Tracer().trace(network)
    depth: dict[fx.Node, int] = {}
    layers = 0
    for node in graph.nodes:
        has_weights = node.op == "call_module" and isinstance(
            network.get_submodule(str(node.target)), nn.Conv2d | nn.Linear
        )
        layers += has_weights
        depth[node] = max((depth[before] for before in node.all_input_nodes), default=0) + has_weights
    assert max(depth.values()) == 22
    assert layers == 3 + 9 * 6 + 1
    assert sum(isinstance(module, Inception) for module in network.modules()) == 9


def test_map_sizes_of_a_224_pixel_image(network: GoogLeNet) -> None:
    entered: dict[str, tuple[int, ...]] = {}
    hooks = [
        module.register_forward_hook(lambda _, inputs, output, name=name: entered.update({name: tuple(output.shape)}))
        for name, module in network.named_children()
    ]
    with torch.inference_mode():
        network(random(1, 3, 224, 224))
    for hook in hooks:
        hook.remove()
    sides = {name: shape[2] for name, shape in entered.items() if len(shape) == 4}
    assert sides["conv1"] == 112
    assert sides["conv2_reduce"] == sides["conv2"] == sides["norm"] == 56
    assert [sides[f"inception_{name}"] for name in TABLE_1] == [28] * 2 + [14] * 5 + [7] * 2
    assert [entered[f"inception_{name}"][1] for name in TABLE_1] == [w.output for w in TABLE_1.values()]
    assert entered["classifier"] == (1, 10)


@pytest.mark.parametrize("side", [31, 32, 46, 47, 227])
def test_map_sizes_of_other_images(network: GoogLeNet, side: int) -> None:
    with torch.inference_mode():
        features = network.stem_to_4e(random(1, 3, side, 34))
        assert features.shape == (1, 832, (side + 1) // 16, 35 // 16)
        assert network.stem_to_3b(random(1, 3, side, 34)).shape == (1, 480, (side + 1) // 8, 35 // 8)
        assert network.tail(features).shape == (1, 1024)


# The forward pass


def as_the_prototxt_says(network: GoogLeNet, images: Tensor) -> Tensor:
    """bvlc_googlenet's deploy.prototxt, layer after layer, with torch's own operations."""
    state = network.state_dict()

    def conv(x: Tensor, name: str, stride: int = 1, padding: int = 0) -> Tensor:
        return F.relu(F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride, padding))

    def pool(x: Tensor) -> Tensor:
        return F.max_pool2d(x, kernel_size=3, stride=2, ceil_mode=True)

    def norm(x: Tensor) -> Tensor:
        return F.local_response_norm(x, size=5, alpha=0.0001, beta=0.75)

    def inception(x: Tensor, name: str) -> Tensor:
        name = f"inception_{name}"
        return torch.cat(
            [
                conv(x, f"{name}.conv1x1"),
                conv(conv(x, f"{name}.reduce3x3"), f"{name}.conv3x3", padding=1),
                conv(conv(x, f"{name}.reduce5x5"), f"{name}.conv5x5", padding=2),
                conv(F.max_pool2d(x, kernel_size=3, stride=1, padding=1), f"{name}.pool_proj"),
            ],
            dim=1,
        )

    x = norm(pool(conv(images, "conv1", stride=2, padding=3)))
    x = pool(norm(conv(conv(x, "conv2_reduce"), "conv2", padding=1)))
    x = pool(inception(inception(x, "3a"), "3b"))
    for name in ("4a", "4b", "4c", "4d", "4e"):
        x = inception(x, name)
    x = inception(inception(pool(x), "5a"), "5b")
    return F.linear(F.avg_pool2d(x, x.shape[2:]).flatten(1), state["classifier.weight"], state["classifier.bias"])


@pytest.mark.parametrize("seed", range(2))
def test_the_layers_one_after_another(seed: int) -> None:
    torch.manual_seed(seed)
    network = GoogLeNet(10).eval()
    images = random(2, 3, 49, 66, seed=seed)
    before = images.clone()
    with torch.inference_mode():
        assert relative_error(network(images), as_the_prototxt_says(network, images)) < 1e-4
    assert torch.equal(images, before)


@pytest.fixture(scope="module")
def caffe(shared_folder: Path) -> dict[str, Tensor]:
    """Caffe's own activations of bvlc_googlenet for one 227×227 image."""
    with np.load(shared_folder / "weights" / "bvlc_googlenet_reference.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


@pytest.fixture(scope="module")
def ours(shared_folder: Path, caffe: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """What our network makes of that image, under Caffe's names."""
    network = load_model(shared_folder / "weights" / "bvlc_googlenet.safetensors").network
    assert isinstance(network, GoogLeNet)
    seen: dict[str, Tensor] = {}

    def keep(name: str, tensor: Tensor) -> None:
        seen.setdefault(name, tensor.clone()[0])

    network.norm.register_forward_hook(lambda _, __, output: keep("pool1_norm1", output))
    network.inception("3a").register_forward_hook(lambda _, inputs, __: keep("pool2_3x3_s2", inputs[0]))
    for name in ("3b", "4e", "5b"):
        network.inception(name).register_forward_hook(
            lambda _, __, output, name=name: keep(f"inception_{name}_output", output)
        )
    with torch.inference_mode():
        keep("loss3_classifier", network(caffe["input"][None]))
    seen["prob"] = seen["loss3_classifier"].softmax(0)
    return seen


@pytest.mark.shared
def test_caffes_probabilities(caffe: dict[str, Tensor], ours: dict[str, Tensor]) -> None:
    assert (ours["prob"] - caffe["prob"]).abs().max().item() < 1e-6
    assert ours["prob"].argmax() == caffe["prob"].argmax()


@pytest.mark.shared
@pytest.mark.parametrize(
    "layer",
    [
        "pool1_norm1",
        "pool2_3x3_s2",
        "inception_3b_output",
        "inception_4e_output",
        "inception_5b_output",
        "loss3_classifier",
    ],
)
def test_caffes_activations(caffe: dict[str, Tensor], ours: dict[str, Tensor], layer: str) -> None:
    assert ours[layer].shape == caffe[layer].shape
    assert relative_error(ours[layer], caffe[layer]) < 1e-4


def test_forward_is_stem_tail_and_classifier(network: GoogLeNet) -> None:
    images = random(2, 3, 64, 64)
    with torch.inference_mode():
        features = network.tail(network.stem_to_4e(images))
        assert torch.equal(network(images), network.classifier(features))
    assert features.dtype == torch.float32


def test_an_image_does_not_depend_on_its_batch(network: GoogLeNet) -> None:
    images = random(3, 3, 48, 48)
    with torch.inference_mode():
        together, alone = network(images), torch.cat([network(image[None]) for image in images])
    assert relative_error(together, alone) < 1e-5


def test_no_images(network: GoogLeNet, training: GoogLeNet) -> None:
    with torch.inference_mode():
        assert network(torch.zeros(0, 3, 224, 224)).shape == (0, 10)
        logits = training.forward_with_auxiliary(torch.zeros(0, 3, 224, 224))
    assert [tuple(one.shape) for one in logits] == [(0, 10)] * 3


def test_the_tail_takes_maps_from_2_by_2_on(network: GoogLeNet) -> None:
    with torch.inference_mode():
        assert network.tail(torch.ones(1, 832, 2, 2)).shape == (1, 1024)
        with pytest.raises(RuntimeError, match="too small"):
            network.tail(torch.ones(1, 832, 1, 1))


def test_stages_in_turn_are_the_stem(network: GoogLeNet) -> None:
    images = random(1, 3, 64, 64)
    with torch.inference_mode():
        features, shapes = images, []
        for name in STAGES:
            features = network.stage(name, features)
            shapes.append(tuple(features.shape[1:]))
        assert torch.equal(features, network.stem_to_4e(images))
    assert shapes[:5] == [(64, 16, 16), (192, 8, 8), (256, 8, 8), (480, 8, 8), (512, 4, 4)]
    of_stages = {id(p) for name in STAGES for m in network.stage_modules(name) for p in m.parameters()}
    others = {name.split(".")[0] for name, p in network.named_parameters() if id(p) not in of_stages}
    assert others == {"inception_5a", "inception_5b", "classifier"}


def test_the_box_regressor_starts_at_zero() -> None:
    networks = []
    for outputs in (0, 8):
        torch.manual_seed(0)
        networks.append(GoogLeNet(5, box_outputs=outputs))
    assert networks[0].box_regressor is None
    assert networks[1].box_regressor is not None
    assert networks[1].box_regressor.weight.shape == (8, 1024)
    states = [one.state_dict() for one in networks]
    assert set(states[1]) - set(states[0]) == {"box_regressor.weight", "box_regressor.bias"}
    assert not any(states[1][name].any() for name in ("box_regressor.weight", "box_regressor.bias"))
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0]), "draws no random numbers"


# Memory format and precision


def test_channels_last_stays_channels_last(network: GoogLeNet) -> None:
    other = copy.deepcopy(network).to(memory_format=torch.channels_last)
    images = random(2, 3, 64, 96)
    formats: list[bool] = []
    for module in other.modules():
        if isinstance(module, Inception | LocalResponseNorm):
            module.register_forward_hook(
                lambda _, __, output: formats.append(output.is_contiguous(memory_format=torch.channels_last))
            )
    with torch.inference_mode():
        logits = other(images.to(memory_format=torch.channels_last))
        assert other.stem_to_4e(images.to(memory_format=torch.channels_last)).is_contiguous(
            memory_format=torch.channels_last
        )
        assert formats == [True] * len(formats)
        assert len(formats) == (9 + 2) + (7 + 2)
        assert relative_error(logits, network(images)) < 1e-4


def test_bfloat16_weights_are_close_and_the_end_is_float32(network: GoogLeNet) -> None:
    half = copy.deepcopy(network).to(torch.bfloat16).to(memory_format=torch.channels_last)
    half.classifier.float()
    images = random(2, 3, 64, 64)
    with torch.inference_mode():
        features = half.tail(half.stem_to_4e(images.to(torch.bfloat16)))
        logits = half(images.to(torch.bfloat16))
        assert features.dtype == logits.dtype == torch.float32
        error = relative_error(features, network.tail(network.stem_to_4e(images)))
        assert 0 < error < 0.03
        assert relative_error(logits, network(images)) < 0.03


def test_bfloat16_autocast_is_close(network: GoogLeNet) -> None:
    images = random(2, 3, 64, 64)
    with torch.inference_mode():
        exact = network(images)
        with torch.autocast("cpu", torch.bfloat16):
            assert 0 < relative_error(network(images), exact) < 0.03


# Training


def test_biases_start_at_a_fifth_and_those_of_classifiers_at_zero(training: GoogLeNet) -> None:
    for name, parameter in training.named_parameters():
        if name.endswith("classifier.bias"):
            assert parameter.unique().tolist() == [0]
        elif name.endswith("bias"):
            assert parameter.unique().tolist() == pytest.approx([0.2])
        else:  # Xavier: uniform within √(6 / (fan in + fan out))
            fan_in, fan_out = parameter[0].numel(), parameter.shape[0] * parameter[0, 0].numel()
            assert parameter.abs().max().item() == pytest.approx((6 / (fan_in + fan_out)) ** 0.5, rel=0.02)


def test_auxiliary_classifiers_only_where_asked_for(network: GoogLeNet, training: GoogLeNet) -> None:
    assert not [name for name in network.state_dict() if "auxiliary" in name]
    extra = set(training.state_dict()) - set(network.state_dict())
    layers = [f"auxiliary_{at}.{layer}" for at in ("4a", "4d") for layer in ("conv", "fc", "classifier")]
    assert extra == {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    with pytest.raises(RuntimeError, match=r"expected GoogLeNet\(auxiliary=True\), got one without them"):
        network.forward_with_auxiliary(random(1, 3, 224, 224))


def test_auxiliary_classifiers_read_4a_and_4d(training: GoogLeNet) -> None:
    training.eval()
    images = random(1, 3, 224, 224)
    maps: dict[str, Tensor] = {}
    for name in ("4a", "4d"):
        training.inception(name).register_forward_hook(lambda _, __, output, name=name: maps.update({name: output}))
    with torch.inference_mode():
        logits, at_4a, at_4d = training.forward_with_auxiliary(images)
        assert training.auxiliary_4a is not None
        assert training.auxiliary_4d is not None
        assert torch.equal(at_4a, training.auxiliary_4a(maps["4a"]))
        assert torch.equal(at_4d, training.auxiliary_4d(maps["4d"]))
        assert torch.equal(logits, training(images))


@pytest.mark.parametrize(
    ("which", "reached", "not_reached"),
    [
        (1, ["conv1", "inception_4a.conv5x5", "auxiliary_4a.conv"], ["inception_4b", "auxiliary_4d", "classifier"]),
        (2, ["conv1", "inception_4d.conv5x5", "auxiliary_4d.conv"], ["inception_4e", "auxiliary_4a", "classifier"]),
        (0, ["conv1", "inception_5b.conv5x5", "classifier"], ["auxiliary_4a", "auxiliary_4d"]),
    ],
)
def test_gradients_reach_the_stem(training: GoogLeNet, which: int, reached: list[str], not_reached: list[str]) -> None:
    training.forward_with_auxiliary(random(1, 3, 224, 224))[which].square().sum().backward()
    gradients = {name: p.grad for name, p in training.named_parameters()}
    for name in reached:
        gradient = gradients[f"{name}.weight"]
        assert gradient is not None
        assert gradient.isfinite().all()
        assert gradient.abs().max() > 0
    assert all(g is None for n, g in gradients.items() if n.startswith(tuple(not_reached)))


def test_dropout_is_40_percent_in_training_only(training: GoogLeNet) -> None:
    entering: list[Tensor] = []
    training.classifier.register_forward_hook(lambda _, inputs, __: entering.append(inputs[0]))
    images = random(16, 3, 32, 32)
    with torch.inference_mode():
        training.train()(images)  # 16 · 1024 features, none of them zero before: the biases are 0.2
        training.eval()(images)
    alive = entering[1] != 0
    assert alive.float().mean() > 0.5
    assert (entering[0][alive] == 0).float().mean().item() == pytest.approx(0.4, abs=0.02)
    kept = alive & (entering[0] != 0)
    torch.testing.assert_close(entering[0][kept], entering[1][kept] / 0.6)


def test_the_same_seed_gives_the_same_network() -> None:
    states = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        states.append(GoogLeNet(2).conv1.weight)
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])
