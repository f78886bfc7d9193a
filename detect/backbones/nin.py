"""Network in Network, as its authors published it for ImageNet, behind the detector's interface."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from detect.backbones.backbone import Backbone
from detect.backbones.map_grid import MapGrid
from detect.input_format import TORCHVISION_INPUT
from detect.max_pooling import MaxPool3x3
from detect.modules.global_average_pooling import GlobalAveragePooling
from detect.modules.mlpconv import MlpConv


class NIN(Backbone):
    """Four mlpconv layers, 3×3 max pooling with stride 2 between them, global average pooling (section 3.3, figure 2).

    The paper gives no widths for ImageNet; these are those of the authors' model in Caffe's model zoo: 11×11 with
    stride 4 to 96, 5×5 to 256, 3×3 to 384, 3×3 to 1024 and from there 1×1 to the classes. The stem ends with the third.

    The last 1×1, to one map a class, comes after the average as a linear layer, which is the same, for both are linear:
    so the classifier can be exchanged like that of the other networks. Left out is the ReLU that the authors' has on
    its class maps: logits may be below 0. Dropout, half of the features as theirs, is before the classifier alone.
    """

    name = "nin"
    stages = ("mlpconv1", "mlpconv2", "mlpconv3")
    grid = MapGrid(cells=13, first_centre=17.5)  # 11×11 unpadded: 5.5; two pools: + 4, + 8
    map_channels = cell_channels = 384
    cell_side = 6
    num_features = 1024
    input_format = TORCHVISION_INPUT
    least_side = 39

    def __init__(
        self, num_classes: int = 1000, *, auxiliary: bool = False, box_outputs: int = 0, box_cells: bool = False
    ) -> None:
        super().__init__()
        self.mlpconv1 = MlpConv(3, (96, 96, 96), 11, stride=4, padding=0)
        self.mlpconv2 = MlpConv(96, (256, 256, 256), 5)
        self.mlpconv3 = MlpConv(256, (384, 384, 384), 3)
        self.conv4 = nn.Conv2d(384, 1024, 3, padding=1)
        self.conv4_1x1 = nn.Conv2d(1024, 1024, 1)
        self.pool = MaxPool3x3(stride=2)
        self.average = GlobalAveragePooling()
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(self.num_features, num_classes)
        self.add_auxiliary(num_classes, auxiliary)
        self.add_box_regressor(box_outputs, cells=box_cells)

    def stage(self, name: str, features: Tensor) -> Tensor:
        """What the stage called `name` makes of the one before it; "mlpconv1", of normalised images."""
        (module,) = self.stage_modules(name)
        output: Tensor = module(features if name == "mlpconv1" else self.pool(features))
        return output

    def stage_modules(self, name: str) -> tuple[nn.Module, ...]:
        """The modules with weights of a stage."""
        return (self.get_submodule(name),)

    def cells(self, maps: Tensor) -> Tensor:
        """The third pool: (N, 384, 13, 13) from `stem` → (N, 384, 6, 6)."""
        pooled: Tensor = self.pool(maps)
        return pooled

    def features(self, cells: Tensor) -> Tensor:
        """The fourth mlpconv without its last layer, and the average: (N, 384, 6, 6) → (N, 1024)."""
        x = F.relu(self.conv4(cells), inplace=True)
        x = F.relu(self.conv4_1x1(x), inplace=True)
        features: Tensor = self.average(x)
        return features
