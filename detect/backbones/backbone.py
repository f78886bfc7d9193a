"""What every classification network offers the detector, and what it says of itself before it is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from detect.backbones.map_grid import MapGrid
from detect.cell_box_regressor import CellBoxRegressor
from detect.inception import AuxiliaryClassifier
from detect.input_format import InputFormat
from detect.region_fit import RegionFit


class Backbone(nn.Module):
    """A network split where a detector needs it: images → `stem` → `cells` → `features` → `classifier`.

    The stem ends at stride 16 and is a row of stages, which training may freeze from the first on; regions are warped
    before it or read from its map. `cells` halves the map, `features` is what follows, up to an average over all
    places; both together are the `tail`. Constructors take `num_classes`, `auxiliary`, `box_outputs` and `box_cells`,
    as `GoogLeNet` explains them.

    Batch normalisation uses the stored statistics, in training too: those of a few regions of a few images are poor,
    and would make a region's result depend on its batch. Training on whole images may say otherwise
    (`detect.training.backbone_training.see_by_batch`).

    Attributes:
        name: the architecture's.
        stages: of the stem, in order.
        auxiliary_channels: of the maps of stages that an auxiliary classifier may hang on, as `auxiliary_STAGE`.
        grid: where the cells of the stem's map are.
        map_channels: of the stem's map.
        cell_channels, cell_side: of what `cells` gives for a region.
        num_features: what `features` gives.
        input_format: of networks that are trained from random weights.
        input_side: pixels of the square that the architecture was published for; regions are of 224 for all.
        least_side: pixels of the smallest square that the whole network takes.
        classifier_name: of `classifier` in the state dict.
    """

    name: ClassVar[str]
    stages: ClassVar[tuple[str, ...]]
    auxiliary_channels: ClassVar[Mapping[str, int]] = {}
    grid: ClassVar[MapGrid]
    map_channels: ClassVar[int]
    cell_channels: ClassVar[int]
    cell_side: ClassVar[int]
    num_features: ClassVar[int]
    input_format: ClassVar[InputFormat]
    input_side: ClassVar[int] = 224
    least_side: ClassVar[int]
    classifier_name: ClassVar[str] = "classifier"

    classifier: nn.Linear
    dropout: nn.Dropout
    box_regressor: nn.Linear | CellBoxRegressor | None
    region_fit: RegionFit | None

    def stage(self, name: str, features: Tensor) -> Tensor:
        """What the stage called `name` makes of the one before it; the first, of normalised images."""
        raise NotImplementedError

    def stage_modules(self, name: str) -> tuple[nn.Module, ...]:
        """The modules with weights of a stage."""
        raise NotImplementedError

    def cells(self, maps: Tensor) -> Tensor:
        """(N, map_channels, C, C) of regions, C = grid.cells → (N, cell_channels, cell_side, cell_side)."""
        raise NotImplementedError

    def features(self, cells: Tensor) -> Tensor:
        """What `cells` gives, of any size → float32 (N, num_features), in a bfloat16 network too."""
        raise NotImplementedError

    def start_weights(self) -> None:
        """Draw the weights that training from nothing starts from: He et al. 2015, for ReLUs, in all convolutions."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def stem(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images → (N, map_channels, h, w), a cell for each 16 pixels."""
        features = images
        for name in self.stages:
            features = self.stage(name, features)
        return features

    def tail(self, maps: Tensor) -> Tensor:
        """Maps of regions from `stem` → float32 (N, num_features)."""
        return self.features(self.cells(maps))

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images, 224 × 224 or any other size → logits (N, num_classes).

        Raises:
            ValueError: if a side is below `least_side`.
        """
        try:
            logits: Tensor = self.classifier(self.dropout(self.tail(self.stem(images))))
        except RuntimeError:  # torch's, which speaks of the one layer that had nothing left
            self.check_size(images.shape[2], images.shape[3])
            raise
        return logits

    def auxiliary_on(self, stage: str) -> AuxiliaryClassifier | None:
        """The auxiliary classifier that reads this stage, if there is one."""
        head: AuxiliaryClassifier | None = getattr(self, f"auxiliary_{stage}", None)
        return head

    def train(self, mode: bool = True) -> Backbone:
        """As of any module, but the statistics of batch normalisation stay."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    @classmethod
    def check_size(cls, height: int, width: int) -> None:
        """Raises ValueError if images are too small for the network."""
        if min(height, width) < cls.least_side:
            raise ValueError(
                f"images: expected at least {cls.least_side} x {cls.least_side} pixels for {cls.name}, "
                f"got {height} x {width}"
            )

    def add_auxiliary(self, num_classes: int, wanted: bool, *, cells: int | None = None) -> None:
        """Make the auxiliary classifiers, or put None in their places.

        Args:
            cells: a side of the maps that they read; None: as of a region.
        Raises:
            ValueError: if they are wanted of an architecture that has none.
        """
        if wanted and not self.auxiliary_channels:
            raise ValueError(f"auxiliary: expected none with {self.name}, which has no auxiliary classifiers")
        for stage, channels in self.auxiliary_channels.items():
            head = AuxiliaryClassifier(channels, num_classes, cells=cells or self.grid.cells) if wanted else None
            setattr(self, f"auxiliary_{stage}", head)

    def add_box_regressor(self, outputs: int, *, cells: bool) -> None:
        """Make the box regressor, which starts at zero; None in its place: without outputs. `region_fit` is None.

        Raises:
            ValueError: if cells are to give other than four outputs.
        """
        if cells and outputs not in (0, 4):
            raise ValueError(f"box_outputs: expected 0 or 4 of cells, got {outputs}")
        self.region_fit = None
        if not outputs:
            self.box_regressor = None
        elif cells:
            self.box_regressor = CellBoxRegressor(self.cell_channels, self.cell_side)
        else:
            self.box_regressor = zero_linear(self.num_features, outputs)

    def add_region_fit(self) -> None:
        """Make what says how well a region's box fits; without, it is None."""
        self.region_fit = RegionFit(self.cell_channels, self.cell_side, self.num_features)


def has_batch_norm(network: nn.Module) -> bool:
    """Whether a layer normalises by the statistics of a batch, or stored ones."""
    return any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def zero_linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer that answers 0 until it is trained; no random numbers are drawn for it."""
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
