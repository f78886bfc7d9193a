"""torchvision's GoogLeNet (batch normalisation, 3×3 for 5×5, no LRN) behind the interface of `GoogLeNet`."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import GoogLeNet as TorchvisionGoogLeNet

from detect.backbones.torchvision_backbone import TorchvisionBackbone
from detect.googlenet import GoogLeNet
from detect.inception import AuxiliaryClassifier


class GoogLeNetBN(TorchvisionBackbone):
    """The network behind torchvision's `GoogLeNet_Weights.IMAGENET1K_V1`.

    Args:
        num_classes: outputs of the classifier and of the auxiliary ones.
        auxiliary: build the two auxiliary classifiers of `GoogLeNet`, for training.
        box_outputs, box_cells: of the box regressor, see `GoogLeNet`.
    """

    name = "googlenet_bn"
    stages = GoogLeNet.stages
    auxiliary_channels = GoogLeNet.auxiliary_channels
    grid = GoogLeNet.grid
    map_channels, cell_channels, cell_side = GoogLeNet.map_channels, GoogLeNet.cell_channels, GoogLeNet.cell_side
    num_features = GoogLeNet.num_features
    least_side = 15

    network: TorchvisionGoogLeNet
    auxiliary_4a: AuxiliaryClassifier | None
    auxiliary_4d: AuxiliaryClassifier | None

    def __init__(
        self, num_classes: int = 1000, *, auxiliary: bool = False, box_outputs: int = 0, box_cells: bool = False
    ) -> None:
        network = TorchvisionGoogLeNet(
            num_classes=num_classes, aux_logits=False, transform_input=False, init_weights=False, dropout=0.4
        )
        super().__init__(network, num_classes, auxiliary=auxiliary, box_outputs=box_outputs, box_cells=box_cells)

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
        """The stem: (N, 3, H, W) normalised images → (N, 832, h, w), h = ⌊(H + 1) / 16⌋ and w alike."""
        return self.stem(images)

    def cells(self, maps: Tensor) -> Tensor:
        """pool4, 2×2 here: (N, 832, 14, 14) from `stem_to_4e` (any size) → (N, 832, 7, 7)."""
        pooled: Tensor = self.network.maxpool4(maps)
        return pooled

    def features(self, cells: Tensor) -> Tensor:
        """5a, 5b, average pool: (N, 832, 7, 7) → (N, 1024)."""
        features: Tensor = self.average(self.network.inception5b(self.network.inception5a(cells)))
        return features


def looks_like_googlenet_bn(state: dict[str, Tensor]) -> bool:
    """Whether these are the parameters' names of torchvision's GoogLeNet."""
    return "conv1.bn.running_mean" in state and "inception5b.branch4.1.conv.weight" in state


def googlenet_bn_state_from_torchvision(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's checkpoint → a state dict of `GoogLeNetBN`; its auxiliary classifiers are left out."""
    return {f"network.{name}": value for name, value in state.items() if not name.startswith("aux")}
