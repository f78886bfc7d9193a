"""From a network's feature maps to confidences and offsets: MultiBox's two forms behind one interface."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from proposals.multibox_priors import num_grid_priors, priors_per_cell

MAP16_CHANNELS, MAP32_CHANNELS = 832, 1024  # of GoogLeNet's 4e (14 × 14, stride 16) and 5b (7 × 7, stride 32)
GRIDS = (14, 7, 5, 3, 2, 1)  # what the convolutional head can look at
FIRST_CONFIDENCE = 0.01  # of every prediction, before training: objects are rare
FIRST_DEVIATION = 1e-4  # of the last layers' weights: on GoogLeNet's maps, offsets of about 0.005


@dataclass(frozen=True)
class HeadSetting:
    """Which head a model has.

    Attributes:
        kind: fully_connected (Erhan et al.: every prediction sees the whole map) or convolutional (MSC-MultiBox,
            Szegedy et al., 2014: a cell's predictions see the map around the cell).
        channels: width of the hidden layers.
        grids: of the convolutional head, some of `GRIDS` in that order, 7 among them; of the other ().
    Raises:
        ValueError: if an attribute is not as above.
    """

    kind: Literal["fully_connected", "convolutional"]
    channels: int
    grids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ("fully_connected", "convolutional"):
            raise ValueError(f"kind: expected fully_connected or convolutional, got {self.kind!r}")
        if self.channels < 1:
            raise ValueError(f"channels: expected at least 1, got {self.channels}")
        if self.kind == "fully_connected" and self.grids:
            raise ValueError(f"grids: expected none with a fully connected head, got {self.grids}")
        if self.kind == "convolutional":
            _check_grids(self.grids)


class MultiBoxHead(nn.Module):
    """What both forms are: feature maps → what is said of K priors.

    Attributes:
        num_priors: K.
    """

    num_priors: int

    def forward(self, map16: Tensor, map32: Tensor) -> tuple[Tensor, Tensor]:
        """Confidence logits and offsets, float32 also under autocast.

        Args:
            map16: (N, 832, 14, 14). map32: (N, 1024, 7, 7).
        Returns:
            (N, K), and (N, K, 4) in the order x1, y1, x2, y2.
        """
        raise NotImplementedError


class Float32Linear(nn.Linear):
    """A last layer: works in float32 whatever autocast and its input say, on weights that must stay float32."""

    def forward(self, features: Tensor) -> Tensor:
        """(..., in_features) of any float type → float32 (..., out_features)."""
        with torch.autocast(features.device.type, enabled=False):
            return super().forward(features.float())


class FullyConnectedHead(MultiBoxHead):
    """Every prediction sees all of the last map (MultiBox).

    1 × 1 convolution to a few channels, ReLU, one linear layer to 5 K. It has 1,025 · channels + 5 K (49 · channels +
    1) weights: 1,580,200 for K = 800 and 8 channels, 1,601,800 for K = 200 and 32.
    """

    def __init__(self, num_priors: int, channels: int) -> None:
        super().__init__()
        self.num_priors = num_priors
        self.hidden = nn.Conv2d(MAP32_CHANNELS, channels, 1)
        self.outputs = Float32Linear(channels * 7 * 7, 5 * num_priors)
        _initialise(self)

    def forward(self, map16: Tensor, map32: Tensor) -> tuple[Tensor, Tensor]:
        """See `MultiBoxHead`; map16 is not looked at."""
        hidden = F.relu(self.hidden(map32)).flatten(1)
        return _split(self.outputs(hidden), self.num_priors)


class ConvolutionalHead(MultiBoxHead):
    """A cell's predictions see the map around it (MSC-MultiBox), in the order of `grid_priors`.

    The grid of 14 comes from map16 and that of 7 from map32, by 1 × 1 convolutions; that of 5 from 7's hidden map and
    that of 3 from 5's by 3 × 3 convolutions without padding; that of 2 from 3's and that of 1 from 2's by 3 × 3
    convolutions with padding and stride 2. Each has a ReLU and, cell by cell, a linear layer to 11 boxes (1 × 1: to
    one). The paper's grids are 8, 6, 4, 3, 2 and 1, of a network made for them. 864,280 weights for all six grids and
    128 channels, 750,561 without the grid of 14.
    """

    def __init__(self, grids: tuple[int, ...], channels: int) -> None:
        super().__init__()
        _check_grids(grids)
        self.grids = grids
        self.num_priors = num_grid_priors(grids)
        self.hidden_14 = nn.Conv2d(MAP16_CHANNELS, channels, 1) if 14 in grids else None
        self.hidden_7 = nn.Conv2d(MAP32_CHANNELS, channels, 1)
        self.coarser = nn.ModuleDict()  # up to the coarsest grid asked for, through those that are not
        for grid in (5, 3, 2, 1):
            if grid >= min(grids):
                stride, padding = (1, 0) if grid > 2 else (2, 1)
                self.coarser[str(grid)] = nn.Conv2d(channels, channels, 3, stride, padding)
        self.outputs = nn.ModuleDict({str(n): Float32Linear(channels, 5 * priors_per_cell(n)) for n in grids})
        _initialise(self)

    def forward(self, map16: Tensor, map32: Tensor) -> tuple[Tensor, Tensor]:
        """See `MultiBoxHead`."""
        hidden = {}
        if self.hidden_14 is not None:
            hidden["14"] = F.relu(self.hidden_14(map16))
        last = hidden["7"] = F.relu(self.hidden_7(map32))
        for grid, layer in self.coarser.items():
            last = hidden[grid] = F.relu(layer(last))
        cells = [layer(hidden[grid].permute(0, 2, 3, 1)).flatten(1) for grid, layer in self.outputs.items()]
        return _split(torch.cat(cells, dim=1), self.num_priors)


def build_head(setting: HeadSetting, num_priors: int) -> MultiBoxHead:
    """The head of a setting, untrained.

    Raises:
        ValueError: if num_priors is below 1, or the grids of a convolutional head have another number of priors.
    """
    if num_priors < 1:
        raise ValueError(f"num_priors: expected at least 1, got {num_priors}")
    if setting.kind == "fully_connected":
        return FullyConnectedHead(num_priors, setting.channels)
    expected = num_grid_priors(setting.grids)
    if num_priors != expected:
        raise ValueError(f"num_priors: expected {expected} for the grids {setting.grids}, got {num_priors}")
    return ConvolutionalHead(setting.grids, setting.channels)


def _split(answers: Tensor, num_priors: int) -> tuple[Tensor, Tensor]:
    """(N, 5 K): of each prior the confidence, then the offsets."""
    of_priors = answers.reshape(len(answers), num_priors, 5)
    return of_priors[..., 0], of_priors[..., 1:]


def _initialise(head: nn.Module) -> None:
    """He weights (biases 0) below; above, small weights, offsets from 0 and confidences of `FIRST_CONFIDENCE`."""
    for layer in head.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        if isinstance(layer, Float32Linear):
            nn.init.normal_(layer.weight, std=FIRST_DEVIATION)
            with torch.no_grad():
                layer.bias.zero_().view(-1, 5)[:, 0] = -math.log(1 / FIRST_CONFIDENCE - 1)


def _check_grids(grids: tuple[int, ...]) -> None:
    if 7 not in grids or tuple(grid for grid in GRIDS if grid in grids) != tuple(grids):
        raise ValueError(f"grids: expected some of {GRIDS} in this order, 7 among them, got {grids}")
