"""A MultiBox that has learned nothing, as a model file: for tests that need a real network, whatever it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detect.googlenet import GoogLeNet
from detect.input_format import BVLC_INPUT
from detect.model_info import Provenance
from detect.multibox_file import MultiBoxInfo, priors_digest, save_multibox
from detect.multibox_trunk import GoogLeNetTrunk
from proposals.merged_proposals import MergeCalibration, RankValue
from proposals.multibox_heads import Float32Linear, HeadSetting, build_head
from proposals.multibox_network import MultiBoxNetwork

PRIORS = 40
CALIBRATION = MergeCalibration(search=RankValue(0.1, 4, 0.8), multibox=RankValue(0.9, 2, 1.1))


def random_priors(count: int = PRIORS) -> Tensor:
    """(count, 4), none like another."""
    generator = torch.Generator().manual_seed(3)
    corners = torch.rand(count, 2, generator=generator) * 0.6
    return torch.cat([corners, corners + 0.1 + 0.3 * torch.rand(count, 2, generator=generator)], dim=1)


def multibox_info(priors: Tensor, **changes: Any) -> MultiBoxInfo:
    """What its file says."""
    fields: dict[str, Any] = {
        "name": "random multibox",
        "architecture": "googlenet",
        "input": BVLC_INPUT,
        "head": HeadSetting("fully_connected", 2),
        "num_priors": len(priors),
        "priors_sha256": priors_digest(priors),
        "provenance": Provenance(source="tests", data="none", licence="MIT"),
        "merge": CALIBRATION,
    }
    return MultiBoxInfo(**fields | changes)


def random_network(*, seed: int = 0) -> MultiBoxNetwork:
    """Its answers depend on the image, as those of a head just started hardly do."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = build_head(HeadSetting("fully_connected", 2), PRIORS)
        network = MultiBoxNetwork(trunk=GoogLeNetTrunk(GoogLeNet(1)), head=head, priors=random_priors())
        for module in head.modules():
            if isinstance(module, Float32Linear):
                torch.nn.init.normal_(module.weight, std=0.2)
    return network.eval()


def save_random_multibox(path: Path, *, seed: int = 0, **changes: Any) -> Path:
    """Write it; the same seed gives the same file."""
    network = random_network(seed=seed)
    save_multibox(path, multibox_info(network.priors, **changes), network.state_dict())
    return path
