"""What the layers of a network cost: parameters and multiply-adds, counted from shapes alone."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from detect.layer_depth import DepthCounter
from detect.local_response_norm import LocalResponseNorm
from detect.max_pooling import MaxPool3x3
from detect.modules.global_average_pooling import GlobalAveragePooling

_KINDS: Mapping[type[nn.Module], str] = {
    nn.Conv2d: "convolution",
    nn.Linear: "linear",
    nn.BatchNorm2d: "batch norm",
    LocalResponseNorm: "response norm",
    MaxPool3x3: "max pool",
    nn.MaxPool2d: "max pool",
    nn.AvgPool2d: "avg pool",
    GlobalAveragePooling: "avg pool",
    nn.Dropout: "dropout",
}


@dataclass(frozen=True)
class Layer:
    """One pass through a layer.

    Attributes:
        name: of its module in the network.
        kind: "convolution", "linear", "batch norm", "response norm", "max pool", "avg pool" or "dropout".
        kernel: (height, width) of convolutions and pools; None of others.
        stride: of convolutions and pools; 1 of others.
        output: (channels, height, width), of one image.
        weights: of convolutions and linear layers.
        others: other parameters: biases, and the scales and shifts of batch normalisation.
        multiply_adds: applications of a weight to a number; those of biases, normalisation and pools do not count.
        depth, depth_with_pools: layers on the longest way from the image to its output, this one included.
    """

    name: str
    kind: str
    kernel: tuple[int, int] | None
    stride: int
    output: tuple[int, int, int]
    weights: int
    others: int
    multiply_adds: int
    depth: int
    depth_with_pools: int


@dataclass(frozen=True)
class Account:
    """A network's layers in the order of their work, for one image.

    Attributes:
        outputs: (channels, height, width) of what each module gave last, by its name; those with layers in them too.
    """

    layers: tuple[Layer, ...]
    outputs: Mapping[str, tuple[int, int, int]]

    @property
    def weights(self) -> int:
        """Of all layers."""
        return sum(layer.weights for layer in self.layers)

    @property
    def others(self) -> int:
        """Biases, scales and shifts of all layers."""
        return sum(layer.others for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Of all layers."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def depth(self) -> int:
        """Layers with parameters on the longest way through the network."""
        return max(layer.depth for layer in self.layers)

    @property
    def depth_with_pools(self) -> int:
        """The same, pools counted too."""
        return max(layer.depth_with_pools for layer in self.layers)


def account(network: nn.Module, size: tuple[int, int]) -> Account:
    """Count a network's layers by sending an image without pixels through it.

    Args:
        network: images (1, 3, height, width) → something; it is copied, not changed. Pools that are functions inside a
            module, as torchvision's Inception v3 has some, are not listed; they count in depths.
        size: (height, width) of the image in pixels.
    Raises:
        ValueError: if a `Backbone` is given too small an image.
    """
    hollow = copy.deepcopy(network).to("meta").eval()
    layers: list[Layer] = []
    outputs: dict[str, tuple[int, int, int]] = {}
    counter = DepthCounter()

    def record(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            outputs[name] = _places(output)
            if type(module) in _KINDS:
                layers.append(_layer(name, module, output, *counter.of(output)))

        return hook

    for name, module in hollow.named_modules():
        module.register_forward_hook(record(name))
    images = torch.empty(1, 3, *size, device="meta")
    with torch.no_grad(), counter:
        hollow(images)
    return Account(tuple(layers), outputs)


def convolution_multiply_adds(convolution: nn.Conv2d, height: int, width: int) -> int:
    """Of a convolution whose output is of that size: each of its weights once at every place."""
    return convolution.weight.numel() * height * width


def _layer(name: str, module: nn.Module, output: Tensor, depth: int, depth_with_pools: int) -> Layer:
    places = _places(output)
    multiply_adds = 0
    if isinstance(module, nn.Conv2d):
        multiply_adds = convolution_multiply_adds(module, *places[1:])
    elif isinstance(module, nn.Linear):
        multiply_adds = module.weight.numel()
    weights = module.weight.numel() if isinstance(module, nn.Conv2d | nn.Linear) else 0
    kernel, stride = _window(module)
    return Layer(
        name=name,
        kind=_KINDS[type(module)],
        kernel=kernel,
        stride=stride,
        output=places,
        weights=weights,
        others=sum(p.numel() for p in module.parameters()) - weights,
        multiply_adds=multiply_adds,
        depth=depth,
        depth_with_pools=depth_with_pools,
    )


def _window(module: nn.Module) -> tuple[tuple[int, int] | None, int]:
    """Kernel and stride."""
    if isinstance(module, MaxPool3x3):
        return (3, 3), module.stride
    if not isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return None, 1
    kernel, stride = _pair(module.kernel_size), _pair(module.stride)
    return kernel, stride[0]


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _places(output: Tensor) -> tuple[int, int, int]:
    """(channels, height, width); of vectors, height and width are 1."""
    shape = tuple(output.shape[1:])
    return (math.prod(shape), 1, 1) if len(shape) != 3 else (shape[0], shape[1], shape[2])
