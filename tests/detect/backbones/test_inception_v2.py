from __future__ import annotations

import torch

from detect.backbones.inception_v2 import FIGURE_5, FIGURE_6, FIGURE_7, InceptionV2

# Table 1's input sizes, of the layer after each stage: side, channels. Halving is a stage of its own here.
TABLE_1 = {
    "conv1": (149, 32),
    "conv2": (147, 32),
    "conv3": (147, 64),
    "conv4": (71, 80),
    "conv5": (35, 192),
    "conv6": (35, 288),
    "5c": (35, 288),
    "6a": (17, 768),
    "6f": (17, 768),
}


def test_map_sizes_are_table_1s() -> None:
    with torch.device("meta"):
        network = InceptionV2()
    x = torch.empty(1, 3, 299, 299, device="meta")
    for name in network.stages:
        x = network.stage(name, x)
        if name in TABLE_1:
            side, channels = TABLE_1[name]
            assert x.shape == (1, channels, side, side), name
    cells = network.cells(x)
    assert cells.shape == (1, 1280, 8, 8)
    assert network.inception_7c(network.inception_7b(cells)).shape == (1, 2048, 8, 8)
    assert network(torch.empty(1, 3, 299, 299, device="meta")).shape == (1, 1000)


def test_modules_and_their_widths() -> None:
    assert (FIGURE_5.output, FIGURE_7.output) == (288, 2048)
    assert {widths.output for widths in FIGURE_6.values()} == {768}
    with torch.device("meta"):
        kinds = [type(module).__name__ for module in InceptionV2().children()]
    assert [kinds.count(f"{kind}Inception") for kind in ("Two3x3", "Asymmetric", "Widened")] == [3, 5, 2]
    assert kinds.count("GridReduction") == 2
