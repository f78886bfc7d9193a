"""torchvision's Inception v3 behind the detector's interface."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torchvision.models import Inception3 as TorchvisionInception3

from detect.backbones.map_grid import MapGrid
from detect.backbones.torchvision_backbone import TorchvisionBackbone
from detect.inception import AuxiliaryClassifier

_MODULES = {
    "1a": "Conv2d_1a_3x3",
    "2a": "Conv2d_2a_3x3",
    "2b": "Conv2d_2b_3x3",
    "3b": "Conv2d_3b_1x1",
    "4a": "Conv2d_4a_3x3",
    **{name: f"Mixed_{name}" for name in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e")},
}


class InceptionV3(TorchvisionBackbone):
    """The network behind torchvision's `Inception_V3_Weights.IMAGENET1K_V1` (Rethinking, section 10).

    Its own auxiliary classifier is left out: it takes maps of 17 × 17 cells and no others. In training one of
    GoogLeNet's form may hang on the same place, 6e.

    The stem ends with the last module on the 17 × 17 grid; `cells` is the reduction to 8 × 8. Those are the grids of
    images of 299 × 299 pixels, which it was trained on; regions are of 224 × 224, as for all networks, 12 and 5 cells.
    """

    name = "inception_v3"
    stages = tuple(_MODULES)
    auxiliary_channels: ClassVar = {"6e": 768}
    # 1a 1.5, 2a + 2, pool + 2, 4a + 4, pool + 4, 6a + 8: all unpadded
    grid = MapGrid(cells=12, first_centre=21.5)
    map_channels, cell_channels, cell_side = 768, 1280, 5
    num_features = 2048
    input_side = 299
    least_side = 75

    network: TorchvisionInception3
    auxiliary_6e: AuxiliaryClassifier | None

    def __init__(
        self, num_classes: int = 1000, *, auxiliary: bool = False, box_outputs: int = 0, box_cells: bool = False
    ) -> None:
        network = TorchvisionInception3(
            num_classes=num_classes, aux_logits=False, transform_input=False, init_weights=False
        )
        super().__init__(network, num_classes, auxiliary=auxiliary, box_outputs=box_outputs, box_cells=box_cells)

    def stage(self, name: str, features: Tensor) -> Tensor:
        """What the stage called `name` makes of the one before it; "1a", of normalised images."""
        before = {"3b": self.network.maxpool1, "5b": self.network.maxpool2}.get(name)
        (module,) = self.stage_modules(name)
        output: Tensor = module(features if before is None else before(features))
        return output

    def stage_modules(self, name: str) -> tuple[nn.Module, ...]:
        """The modules with weights of a stage."""
        return (self.network.get_submodule(_MODULES[name]),)

    def cells(self, maps: Tensor) -> Tensor:
        """The reduction: (N, 768, 12, 12) from `stem` (any from 3 × 3 on) → (N, 1280, 5, 5)."""
        reduced: Tensor = self.network.Mixed_7a(maps)
        return reduced

    def features(self, cells: Tensor) -> Tensor:
        """The last two modules and the average: (N, 1280, 5, 5) → (N, 2048)."""
        features: Tensor = self.average(self.network.Mixed_7c(self.network.Mixed_7b(cells)))
        return features


def looks_like_inception_v3(state: dict[str, Tensor]) -> bool:
    """Whether these are the parameters' names of torchvision's Inception v3."""
    return "Conv2d_1a_3x3.bn.running_mean" in state and "Mixed_7c.branch_pool.conv.weight" in state


def inception_v3_state_from_torchvision(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's checkpoint → a state dict of `InceptionV3`; its auxiliary classifier is left out."""
    return {f"network.{name}": value for name, value in state.items() if not name.startswith("AuxLogits")}
