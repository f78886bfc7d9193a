"""torchvision's GoogLeNet (batch normalisation, 3×3 for 5×5, no LRN) behind the interface of `GoogLeNet`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models import GoogLeNet as TorchvisionGoogLeNet

from detect.googlenet import STAGES, TABLE_1, box_regressor
from detect.inception import AuxiliaryClassifier


class GoogLeNetBN(nn.Module):
    """The network behind torchvision's `GoogLeNet_Weights.IMAGENET1K_V1`.

    torchvision's builder, given weights, silently sets `transform_input=True`: the network then expects images
    normalised with ImageNet's mean and deviation and converts them to pixel / 127.5 − 1 itself. Here the network is
    always built without that step and fed pixel / 127.5 − 1 (`TORCHVISION_INPUT`), which is the same function.

    Batch normalisation always uses the stored statistics, in training too: those of a few regions of a few images
    are poor, and would make a region's result depend on its batch.

    Args:
        num_classes: outputs of the classifier and of the auxiliary ones.
        auxiliary: build the two auxiliary classifiers of `GoogLeNet`, for training.
        box_outputs, box_cells: of the box regressor, see `GoogLeNet`.
    """

    def __init__(
        self, num_classes: int = 1000, *, auxiliary: bool = False, box_outputs: int = 0, box_cells: bool = False
    ) -> None:
        super().__init__()
        self.network = TorchvisionGoogLeNet(
            num_classes=num_classes, aux_logits=False, transform_input=False, init_weights=False, dropout=0.4
        )
        self.auxiliary_4a = AuxiliaryClassifier(TABLE_1["4a"].output, num_classes) if auxiliary else None
        self.auxiliary_4d = AuxiliaryClassifier(TABLE_1["4d"].output, num_classes) if auxiliary else None
        self.box_regressor = box_regressor(box_outputs, cells=box_cells)

    def train(self, mode: bool = True) -> GoogLeNetBN:
        """As of any module, but the statistics of batch normalisation stay."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    @property
    def classifier(self) -> nn.Linear:
        """The linear layer on the tail's 1024 numbers."""
        layer = self.network.fc
        assert isinstance(layer, nn.Linear)
        return layer

    def stage(self, name: str, features: Tensor) -> Tensor:
        """What the stage of `STAGES` called `name` makes of the one before it; of "conv1", of normalised images."""
        net = self.network
        before = {"3a": net.maxpool2, "4a": net.maxpool3}.get(name)
        x = features if before is None else before(features)
        for module in self.stage_modules(name):
            x = module(x)
        return net.maxpool1(x) if name == "conv1" else x

    def stage_modules(self, name: str) -> tuple[nn.Module, ...]:
        """The modules with weights of a stage."""
        net = self.network
        if name == "conv1":
            return (net.conv1,)
        return (net.conv2, net.conv3) if name == "conv2" else (net.get_submodule(f"inception{name}"),)

    def stem_to_4e(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images → (N, 832, h, w), h = ⌊(H + 1) / 16⌋ and w alike."""
        features = images
        for name in STAGES:
            features = self.stage(name, features)
        return features

    def tail(self, features: Tensor) -> Tensor:
        """(N, 832, 14, 14) from `stem_to_4e` (any size) → float32 (N, 1024)."""
        return self.after_pool4(self.pool4(features))

    def pool4(self, features: Tensor) -> Tensor:
        """(N, 832, 14, 14) from `stem_to_4e` → (N, 832, 7, 7)."""
        pooled: Tensor = self.network.maxpool4(features)
        return pooled

    def after_pool4(self, pooled: Tensor) -> Tensor:
        """The rest of `tail`."""
        x: Tensor = self.network.inception5b(self.network.inception5a(pooled))
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
