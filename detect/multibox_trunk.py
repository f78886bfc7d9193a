"""What MultiBox reads of an image: GoogLeNet's maps at strides 16 and 32."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from detect.backbones.backbone import Backbone
from detect.googlenet import GoogLeNet
from detect.googlenet_bn import GoogLeNetBN
from detect.training.network_pass import freeze, frozen_stages

Network = GoogLeNet | GoogLeNetBN
TRUNKS = (GoogLeNet.name, GoogLeNetBN.name)


class GoogLeNetTrunk(nn.Module):
    """GoogLeNet up to 5b, without average pool, classifiers and what says something of boxes.

    Its state dict is that of the network under `network.`, without these heads. As in the classifier's training,
    stages up to and including `frozen` run without gradients and keep their weights; 5a and 5b always learn.

    Args:
        network: its layers are copied; it is not changed.
        frozen: a stage of the stem, or "none"; Erhan et al. train all.
    Raises:
        ValueError: if there is no such stage, or the network is of another architecture than `TRUNKS`.
    """

    def __init__(self, network: Backbone, *, frozen: str = "none") -> None:
        super().__init__()
        if not isinstance(network, Network) or network.name not in TRUNKS:
            raise ValueError(f"MultiBox: expected a network of {' or '.join(TRUNKS)}, got {network.name}")
        self.network = without_heads(network)
        self.freeze(frozen)

    def freeze(self, frozen: str) -> None:
        """Let the stages up to and including `frozen` keep their weights, and all else learn.

        Raises:
            ValueError: if there is no such stage.
        """
        freeze(self.network, frozen)
        self.frozen = frozen

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, 224, 224) normalised images → 4e's map (N, 832, 14, 14) and 5b's (N, 1024, 7, 7).

        Other sizes give maps as `GoogLeNet.stem_to_4e` says, and half of that, rounded.
        """
        fixed = frozen_stages(self.network, self.frozen)
        x = images
        with torch.no_grad():
            for name in fixed:
                x = self.network.stage(name, x)
        for name in self.network.stages[len(fixed) :]:
            x = self.network.stage(name, x)
        return x, _map_of_5b(self.network, x)


def without_heads(network: Network) -> Network:
    """A copy that keeps only what is below the average pool; of its methods, those of the whole network fail."""
    copied = copy.deepcopy(network)
    if isinstance(copied, GoogLeNet):
        del copied.classifier
    else:
        del copied.network.fc
    copied.auxiliary_4a = copied.auxiliary_4d = copied.box_regressor = copied.region_fit = None
    return copied


def _map_of_5b(network: Network, map_of_4e: Tensor) -> Tensor:
    if isinstance(network, GoogLeNet):
        x: Tensor = network.inception("5b")(network.inception("5a")(network.pool(map_of_4e)))
        return x
    net = network.network
    y: Tensor = net.inception5b(net.inception5a(net.maxpool4(map_of_4e)))
    return y
