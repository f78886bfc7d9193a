from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from detect.backbones.nin import NIN
from detect.modules.global_average_pooling import GlobalAveragePooling


@pytest.fixture(scope="module")
def network() -> NIN:
    torch.manual_seed(0)
    made = NIN(5)
    made.start_weights()
    return made.eval().requires_grad_(False)


def test_map_sizes_of_the_published_network(network: NIN) -> None:
    """224 → 54 → 27 → 13 → 6 cells; pools round up, as Caffe's do."""
    with torch.inference_mode():
        x = torch.randn(1, 3, 224, 224)
        shapes = []
        for name in network.stages:
            x = network.stage(name, x)
            shapes.append(tuple(x.shape[1:]))
    assert shapes == [(96, 54, 54), (256, 27, 27), (384, 13, 13)]


def test_number_of_parameters() -> None:
    """(k² · in + 1) · out of every convolution and the classifier: about 7.6 million for 1000 classes."""
    layers = [
        *((121 * 3, 96), (96, 96), (96, 96)),
        *((25 * 96, 256), (256, 256), (256, 256)),
        *((9 * 256, 384), (384, 384), (384, 384)),
        *((9 * 384, 1024), (1024, 1024), (1024, 1000)),
    ]
    assert sum(p.numel() for p in NIN().parameters()) == sum((inputs + 1) * outputs for inputs, outputs in layers)


def test_the_linear_layer_is_the_last_1x1_of_an_mlpconv_and_the_mean_of_its_class_maps(network: NIN) -> None:
    images = torch.randn(2, 3, 128, 96, generator=torch.Generator().manual_seed(1))
    layer = network.classifier
    with torch.inference_mode():
        pooled = network.cells(network.stem(images))
        hidden = F.relu(network.conv4_1x1(F.relu(network.conv4(pooled))))
        class_maps = F.conv2d(hidden, layer.weight[:, :, None, None], layer.bias)
        torch.testing.assert_close(network(images), GlobalAveragePooling()(class_maps))
