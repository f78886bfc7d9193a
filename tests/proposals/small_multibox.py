"""Small parts of a MultiBox network, for tests."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from proposals.multibox_boxes import encode
from proposals.multibox_heads import Float32Linear, HeadSetting, build_head
from proposals.multibox_network import MultiBoxNetwork
from proposals.multibox_priors import grid_priors


class PixelTrunk(nn.Module):
    """Squares of any size → maps of the right shapes, random features of what 14 × 14 and 7 × 7 pixels show."""

    def __init__(self) -> None:
        super().__init__()
        self.to_16 = nn.Conv2d(3, 832, 1)
        self.to_32 = nn.Conv2d(3, 1024, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        small = nn.functional.adaptive_avg_pool2d(images, 14)
        return self.to_16(small).relu(), self.to_32(nn.functional.avg_pool2d(small, 2)).relu()


def random_network(seed: int = 0, grids: tuple[int, ...] = (7, 3, 1)) -> MultiBoxNetwork:
    """Untrained, but with answers that differ between pictures and places."""
    torch.manual_seed(seed)
    priors = grid_priors(grids)
    network = MultiBoxNetwork(
        trunk=PixelTrunk(), head=build_head(HeadSetting("convolutional", 8, grids), len(priors)), priors=priors
    )
    for module in network.modules():
        if isinstance(module, Float32Linear):
            nn.init.normal_(module.weight, std=0.2)
    return network.eval()


class ToldHead(nn.Module):
    """Says the same of every picture: the boxes and logits that it is given, whatever the maps."""

    def __init__(self, boxes: Tensor, logits: Tensor, priors: Tensor) -> None:
        super().__init__()
        self.num_priors = len(boxes)
        self.logits, self.offsets = logits, encode(priors, boxes)

    def forward(self, map16: Tensor, map32: Tensor) -> tuple[Tensor, Tensor]:
        return self.logits.expand(len(map32), -1), self.offsets.expand(len(map32), -1, -1)


def told_network(boxes: list[list[float]], logits: list[float]) -> MultiBoxNetwork:
    """A network that always answers these normalised boxes, whose priors are the whole picture."""
    priors = torch.tensor([[0.0, 0, 1, 1]]).expand(len(boxes), -1)
    head = ToldHead(torch.tensor(boxes).view(-1, 4), torch.tensor(logits), priors)
    return MultiBoxNetwork(trunk=PixelTrunk(), head=head, priors=priors)


def normalise(images: Tensor) -> Tensor:
    return images.float() / 255 - 0.5
