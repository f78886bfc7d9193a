"""torchvision's GoogLeNet (batch normalisation, 3×3 for 5×5, no LRN) behind the interface of `GoogLeNet`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models import GoogLeNet as TorchvisionGoogLeNet


class GoogLeNetBN(nn.Module):
    """The network behind torchvision's `GoogLeNet_Weights.IMAGENET1K_V1`.

    torchvision's builder, given weights, silently sets `transform_input=True`: the network then expects images
    normalised with ImageNet's mean and deviation and converts them to pixel / 127.5 − 1 itself. Here the network is
    always built without that step and fed pixel / 127.5 − 1 (`TORCHVISION_INPUT`), which is the same function.

    Args:
        num_classes: outputs of the classifier.
    """

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.network = TorchvisionGoogLeNet(
            num_classes=num_classes, aux_logits=False, transform_input=False, init_weights=False, dropout=0.4
        )

    @property
    def classifier(self) -> nn.Linear:
        """The linear layer on the tail's 1024 numbers."""
        layer = self.network.fc
        assert isinstance(layer, nn.Linear)
        return layer

    def stem_to_4e(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images → (N, 832, h, w), h = ⌊(H + 1) / 16⌋ and w alike."""
        net = self.network
        x = net.maxpool1(net.conv1(images))
        x = net.maxpool2(net.conv3(net.conv2(x)))
        x = net.maxpool3(net.inception3b(net.inception3a(x)))
        for module in (net.inception4a, net.inception4b, net.inception4c, net.inception4d, net.inception4e):
            x = module(x)
        features: Tensor = x
        return features

    def tail(self, features: Tensor) -> Tensor:
        """(N, 832, 14, 14) from `stem_to_4e` (any size) → float32 (N, 1024)."""
        net = self.network
        x: Tensor = net.inception5b(net.inception5a(net.maxpool4(features)))
        return x.mean(dim=(2, 3), dtype=torch.float32)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, 224, 224) normalised images → logits (N, num_classes)."""
        logits: Tensor = self.classifier(self.network.dropout(self.tail(self.stem_to_4e(images))))
        return logits


def googlenet_bn_state_from_torchvision(state: dict[str, Tensor], *, source: str) -> dict[str, Tensor]:
    """torchvision's checkpoint → a state dict of `GoogLeNetBN`; its auxiliary classifiers are left out.

    Raises:
        ValueError: if `state` is not torchvision's GoogLeNet.
    """
    if "conv1.bn.running_mean" not in state or "inception5b.branch4.1.conv.weight" not in state:
        raise ValueError(f"{source}: expected torchvision's GoogLeNet, got other parameters")
    return {f"network.{name}": value for name, value in state.items() if not name.startswith("aux")}
