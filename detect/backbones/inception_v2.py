"""The network of "Rethinking the Inception Architecture", Table 1, behind the detector's interface."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from detect.backbones.backbone import Backbone
from detect.backbones.map_grid import MapGrid
from detect.inception import AuxiliaryClassifier
from detect.input_format import TORCHVISION_INPUT
from detect.modules.asymmetric_inception import AsymmetricInception, AsymmetricWidths
from detect.modules.conv_bn_relu import ConvBNReLU
from detect.modules.global_average_pooling import GlobalAveragePooling
from detect.modules.grid_reduction import GridReduction, ReductionWidths
from detect.modules.two_3x3_inception import Two3x3Inception, Two3x3Widths
from detect.modules.widened_inception import WidenedInception, WidenedWidths

FIGURE_5 = Two3x3Widths(conv1x1=64, reduce3x3=64, conv3x3=96, reduce_twice=64, conv_twice=96, pool_proj=32)
TO_17 = ReductionWidths(reduce3x3=128, conv3x3=384, reduce_twice=64, conv_twice=96)
FIGURE_6 = {
    name: AsymmetricWidths(conv1x1=192, inner=inner, once=192, twice=192, pool_proj=192)
    for name, inner in (("6b", 128), ("6c", 128), ("6d", 160), ("6e", 160), ("6f", 192))
}
TO_8 = ReductionWidths(reduce3x3=192, conv3x3=320, reduce_twice=192, conv_twice=192)
FIGURE_7 = WidenedWidths(conv1x1=320, reduce3x3=384, reduce_twice=448, bank=384, pool_proj=192)


class InceptionV2(Backbone):
    """Six convolutions; 3 modules of figure 5, 5 of figure 6, 2 of figure 7, with figure 10 where the grid is halved.

    All map sizes and depths of Table 1 hold, for an image of 299 × 299 pixels: 147² × 64, 73² × 64, 71² × 80,
    35² × 192, 35² × 288, 17² × 768, 8² × 1280, 8² × 2048. The paper does not print the widths inside the modules; these
    are after those of Inception v3 as published, which has the same depths. Inside modules all is padded; of the six
    convolutions the third is, as Table 1 says, and the sixth, as its sizes say.

    The stem ends with the last module on the 17 × 17 grid; `cells` is the reduction to 8 × 8. An auxiliary classifier
    may hang on the stem's end, as in the paper (section 4, figure 8), in GoogLeNet's form. Regions are of 224 × 224
    pixels as for all networks: 12 and 5 cells. Dropout before the classifier is Inception v3's.
    """

    name = "inception_v2"
    stages = ("conv1", "conv2", "conv3", "conv4", "conv5", "conv6", "5a", "5b", "5c", "6a", *FIGURE_6)
    auxiliary_channels: ClassVar = {"6f": 768}
    # conv1 1.5, conv2 + 2, pool + 2, conv4 + 4, conv5 + 4, reduction + 8: all unpadded
    grid = MapGrid(cells=12, first_centre=21.5)
    map_channels, cell_channels, cell_side = 768, 1280, 5
    num_features = 2048
    input_format = TORCHVISION_INPUT
    input_side = 299
    least_side = 75

    auxiliary_6f: AuxiliaryClassifier | None

    def __init__(
        self, num_classes: int = 1000, *, auxiliary: bool = False, box_outputs: int = 0, box_cells: bool = False
    ) -> None:
        super().__init__()
        self.conv1 = ConvBNReLU(3, 32, 3, stride=2, padding="valid")
        self.conv2 = ConvBNReLU(32, 32, 3, padding="valid")
        self.conv3 = ConvBNReLU(32, 64, 3)
        self.pool = nn.MaxPool2d(3, stride=2)
        self.conv4 = ConvBNReLU(64, 80, 3, padding="valid")
        self.conv5 = ConvBNReLU(80, 192, 3, stride=2, padding="valid")
        self.conv6 = ConvBNReLU(192, 288, 3)
        for name in ("5a", "5b", "5c"):
            self.add_module(f"inception_{name}", Two3x3Inception(288, FIGURE_5))
        self.inception_6a = GridReduction(288, TO_17)
        for name, widths in FIGURE_6.items():
            self.add_module(f"inception_{name}", AsymmetricInception(768, widths))
        self.inception_7a = GridReduction(768, TO_8)
        self.inception_7b = WidenedInception(1280, FIGURE_7)
        self.inception_7c = WidenedInception(2048, FIGURE_7)
        self.average = GlobalAveragePooling()
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(self.num_features, num_classes)
        self.add_auxiliary(num_classes, auxiliary)
        self.add_box_regressor(box_outputs, cells=box_cells)

    def stage(self, name: str, features: Tensor) -> Tensor:
        """What the stage called `name` makes of the one before it; "conv1", of normalised images."""
        (module,) = self.stage_modules(name)
        output: Tensor = module(self.pool(features) if name == "conv4" else features)
        return output

    def stage_modules(self, name: str) -> tuple[nn.Module, ...]:
        """The modules with weights of a stage."""
        return (self.get_submodule(name if name.startswith("conv") else f"inception_{name}"),)

    def cells(self, maps: Tensor) -> Tensor:
        """The reduction: (N, 768, 12, 12) from `stem` (any from 3 × 3 on) → (N, 1280, 5, 5)."""
        reduced: Tensor = self.inception_7a(maps)
        return reduced

    def features(self, cells: Tensor) -> Tensor:
        """The widened modules and the average: (N, 1280, 5, 5) → (N, 2048)."""
        features: Tensor = self.average(self.inception_7c(self.inception_7b(cells)))
        return features
