from __future__ import annotations

import pytest
import torch

from detect.backbones.backbone import Backbone
from detect.backbones.registry import BACKBONES

CLASSES = 7


@pytest.fixture(scope="package", params=BACKBONES)
def network(request: pytest.FixtureRequest) -> Backbone:
    """One of each architecture, with weights that let the image through; tests leave it as it is."""
    torch.manual_seed(0)
    made = BACKBONES[request.param](CLASSES, box_outputs=4, box_cells=True)
    made.add_region_fit()
    made.start_weights()
    return made.eval().requires_grad_(False)
