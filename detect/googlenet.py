"""GoogLeNet as published: 22 layers with parameters, nine Inception modules, LRN, two auxiliary classifiers."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from detect.backbones.backbone import Backbone
from detect.backbones.map_grid import GOOGLENET_GRID
from detect.inception import AuxiliaryClassifier, Inception, InceptionWidths
from detect.input_format import BVLC_INPUT
from detect.local_response_norm import LocalResponseNorm
from detect.max_pooling import MaxPool3x3
from detect.modules.global_average_pooling import GlobalAveragePooling

# GoogLeNet, Table 1: #1×1, #3×3 reduce, #3×3, #5×5 reduce, #5×5, pool proj.
TABLE_1 = {
    "3a": InceptionWidths(64, 96, 128, 16, 32, 32),
    "3b": InceptionWidths(128, 128, 192, 32, 96, 64),
    "4a": InceptionWidths(192, 96, 208, 16, 48, 64),
    "4b": InceptionWidths(160, 112, 224, 24, 64, 64),
    "4c": InceptionWidths(128, 128, 256, 24, 64, 64),
    "4d": InceptionWidths(112, 144, 288, 32, 64, 64),
    "4e": InceptionWidths(256, 160, 320, 32, 128, 128),
    "5a": InceptionWidths(256, 160, 320, 32, 128, 128),
    "5b": InceptionWidths(384, 192, 384, 48, 128, 128),
}
STAGES = ("conv1", "conv2", "3a", "3b", "4a", "4b", "4c", "4d", "4e")  # of `stem_to_4e`, in order
STEM_CHANNELS = 192


class GoogLeNet(Backbone):
    """The network of GoogLeNet's Table 1, split where a detector needs it.

    The stem's nine stages end with 4e; `cells` is pool4; `features` is 5a, 5b and the average pool; `classifier` is the
    linear layer on its 1024 numbers. Images are normalised beforehand (see `InputFormat`). Pools round up (Caffe's ceil
    mode), LRN is Caffe's. Biases start at 0.2, as in the BVLC replication.

    Args:
        num_classes: outputs of the classifier and of the auxiliary ones.
        auxiliary: build the two auxiliary classifiers, for training.
        box_outputs: outputs of the box regressor, which starts at zero; 0: none.
        box_cells: the box regressor is a `CellBoxRegressor`, not a linear layer beside the classifier.
    """

    name = "googlenet"
    stages = STAGES
    auxiliary_channels: ClassVar = {"4a": TABLE_1["4a"].output, "4d": TABLE_1["4d"].output}
    grid = GOOGLENET_GRID
    map_channels = cell_channels = TABLE_1["4e"].output
    cell_side = 7
    num_features = TABLE_1["5b"].output
    input_format = BVLC_INPUT
    least_side = 31

    auxiliary_4a: AuxiliaryClassifier | None
    auxiliary_4d: AuxiliaryClassifier | None

    def __init__(
        self, num_classes: int = 1000, *, auxiliary: bool = False, box_outputs: int = 0, box_cells: bool = False
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.conv2_reduce = nn.Conv2d(64, 64, 1)
        self.conv2 = nn.Conv2d(64, STEM_CHANNELS, 3, padding=1)
        self.norm = LocalResponseNorm()
        self.pool = MaxPool3x3(stride=2)
        channels = STEM_CHANNELS
        for name in TABLE_1:
            module, channels = self.new_module(name, channels)
            self.add_module(f"inception_{name}", module)
        self.average = GlobalAveragePooling()
        self.dropout = nn.Dropout(0.4)
        self.classifier = nn.Linear(self.num_features, num_classes)
        self.add_auxiliary(num_classes, auxiliary)
        self.apply(_initialise)
        self.add_box_regressor(box_outputs, cells=box_cells)

    def start_weights(self) -> None:
        """The constructor has drawn them already."""

    def new_module(self, name: str, in_channels: int) -> tuple[nn.Module, int]:
        """The module called `name` in Table 1, and the channels of its output."""
        widths = TABLE_1[name]
        return Inception(in_channels, widths), widths.output

    def inception(self, name: str) -> nn.Module:
        """The module called `name` in Table 1, "3a" … "5b"."""
        return self.get_submodule(f"inception_{name}")

    def stage(self, name: str, features: Tensor) -> Tensor:
        """What the stage of `STAGES` called `name` makes of the one before it; of "conv1", of normalised images."""
        if name == "conv1":
            normed: Tensor = self.norm(self.pool(F.relu(self.conv1(features), inplace=True)))
            return normed
        if name == "conv2":
            reduced = F.relu(self.conv2_reduce(features), inplace=True)
            pooled: Tensor = self.pool(self.norm(F.relu(self.conv2(reduced), inplace=True)))
            return pooled
        return self._modules_in_turn(self.pool(features) if name == "4a" else features, name)

    def stage_modules(self, name: str) -> tuple[nn.Module, ...]:
        """The modules with weights of a stage."""
        if name == "conv1":
            return (self.conv1,)
        return (self.conv2_reduce, self.conv2) if name == "conv2" else (self.inception(name),)

    def stem_to_3b(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images → (N, 480, h, w), h = ⌊(H + 1) / 8⌋ and w alike."""
        return self._stages_in_turn(images, STAGES[:4])

    def stem_to_4e(self, images: Tensor) -> Tensor:
        """The stem: (N, 3, H, W) normalised images → (N, 832, h, w), h = ⌊(H + 1) / 16⌋ and w alike."""
        return self.stem(images)

    def cells(self, maps: Tensor) -> Tensor:
        """pool4: (N, 832, 14, 14) from `stem_to_4e` (any from 2 × 2 on) → (N, 832, 7, 7)."""
        pooled: Tensor = self.pool(maps)
        return pooled

    def features(self, cells: Tensor) -> Tensor:
        """5a, 5b, average pool: (N, 832, 7, 7) → (N, 1024).

        The average and what follows are float32 also in a bfloat16 network.
        """
        features: Tensor = self.average(self._modules_in_turn(cells, "5a", "5b"))
        return features

    def forward_with_auxiliary(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the classifier and of the auxiliary classifiers on 4a and 4d, each (N, num_classes).

        Raises:
            RuntimeError: if the network was built without auxiliary classifiers.
        """
        if self.auxiliary_4a is None or self.auxiliary_4d is None:
            raise RuntimeError("auxiliary classifiers: expected GoogLeNet(auxiliary=True), got one without them")
        map_4a = self._stages_in_turn(images, STAGES[:5])
        map_4d = self._stages_in_turn(map_4a, STAGES[5:8])
        features = self.tail(self.stage("4e", map_4d))
        logits = self.classifier(self.dropout(features))
        return logits, self.auxiliary_4a(map_4a), self.auxiliary_4d(map_4d)

    def _stages_in_turn(self, features: Tensor, names: tuple[str, ...]) -> Tensor:
        for name in names:
            features = self.stage(name, features)
        return features

    def _modules_in_turn(self, features: Tensor, *names: str) -> Tensor:
        for name in names:
            features = self.inception(name)(features)
        return features


def _initialise(module: nn.Module) -> None:
    """Xavier weights, biases 0.2 (0 in the classifiers): the BVLC replication's recipe."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        assert module.bias is not None
        nn.init.constant_(module.bias, 0.2)
    if isinstance(module, GoogLeNet | AuxiliaryClassifier):  # visited after its children
        nn.init.zeros_(module.classifier.bias)
