"""Regions in, class probabilities and box changes out: the network in its inference form, with the head."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from detect.backbones.backbone import Backbone
from detect.cell_box_regressor import CellBoxRegressor
from detect.devices import resolve_device, resolve_precision
from detect.fused_inception import fuse_inceptions
from detect.model_file import Model
from detect.torch_threads import one_torch_thread
from detect.zero_shot_head import ZeroShotHead
from proposals.exact_cudnn import exact_cudnn


@dataclass(frozen=True)
class ClassifiedRegions:
    """What a network says of N regions, float32 on its device.

    Attributes:
        probs: (N, K), of the classes.
        deltas: (N, 4) or (N, 4 K), see `detect.box_coding`; None without box regression.
        fit: (N,), the probability that the box fits an object; None of a model that has not learnt it of
            such boxes.
    """

    probs: Tensor
    deltas: Tensor | None
    fit: Tensor | None = None


class RegionClassifier:
    """A model's network and head on a device.

    The 1×1 convolutions of an Inception module are joined. Weights are converted to the chosen precision once
    (autocast would convert them at every call) and to channels_last; the classifier and what says something of boxes
    stay float32, but for their convolutions on cells.

    Args:
        model: as loaded; it is copied, not changed.
        device: "auto", "cpu", "cuda", "cuda:1".
        precision: "auto", "fp32" or "bf16".
        box_regression: use the model's box regressor, if it has one. Without it, how well boxes fit is not asked of a
            model that has learnt it of corrected ones.
    """

    def __init__(
        self, model: Model, *, device: str = "auto", precision: str = "auto", box_regression: bool = True
    ) -> None:
        self.info = model.info
        self.sha256 = model.sha256
        self.device = resolve_device(device)
        self.dtype = resolve_precision(precision, self.device)
        network = copy.deepcopy(model.network).eval().requires_grad_(False)
        fuse_inceptions(network)
        network = network.to(self.device, self.dtype).to(memory_format=torch.channels_last)
        for layer, original in zip(_heads(network), _heads(model.network), strict=True):
            layer.float().load_state_dict(original.state_dict())
        self._box_regressor = network.box_regressor if box_regression else None
        learnt_for_these = box_regression or network.box_regressor is None
        self._region_fit = network.region_fit if learnt_for_these else None
        for module in network.modules():  # as autocast does: statistics of large activations need float32
            if isinstance(module, nn.BatchNorm2d):
                module.float()
        self.network = network
        head = ZeroShotHead(self.info.classes, self.info.num_outputs, background_logit=self.info.background_logit)
        self.head = head.to(self.device)

    @property
    def regresses_boxes(self) -> bool:
        """Whether `classify` gives deltas."""
        return self._box_regressor is not None

    def __call__(self, regions: Tensor) -> Tensor:
        """(N, 3, S, S) normalised regions, any float type → float32 (N, K), of the classes, on the device."""
        return self.classify(regions).probs

    def classify(self, regions: Tensor) -> ClassifiedRegions:
        """(N, 3, S, S) normalised regions, any float type → probabilities and what else the network says."""
        return self._classify(*self._tail(self.stem(regions)))

    def classify_maps(self, maps: Tensor) -> ClassifiedRegions:
        """`classify` for regions that are past the stem already: (N, C, c, c) of `stem`'s maps, see `MapGrid`."""
        return self._classify(*self._tail(maps.to(self.device, self.dtype, memory_format=torch.channels_last)))

    @torch.inference_mode()
    def stem(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images of any size → maps (N, C, h, w) at stride 16, in `dtype`."""
        with exact_cudnn(self.device):
            return self.network.stem(images.to(self.device, self.dtype, memory_format=torch.channels_last))

    @torch.inference_mode()
    def _classify(self, cells: Tensor, features: Tensor) -> ClassifiedRegions:
        # The order of a float32 product's sums depends on the number of threads, and with it the last digits.
        with one_torch_thread() if self.device.type == "cpu" else exact_cudnn(self.device):
            regressor = self._box_regressor
            read = cells if isinstance(regressor, CellBoxRegressor) else features
            deltas = None if regressor is None else regressor(read)
            probs = self.head(self.network.classifier(features))
            fit = None if self._region_fit is None else torch.sigmoid(self._region_fit(cells, features))
            return ClassifiedRegions(probs, deltas, fit)

    @torch.inference_mode()
    def logits(self, regions: Tensor) -> Tensor:
        """(N, 3, S, S) normalised regions → the network's float32 outputs (N, num_outputs) before the head."""
        _, features = self._tail(self.stem(regions))
        logits: Tensor = self.network.classifier(features)
        return logits

    @torch.inference_mode()
    def _tail(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """What the heads may read: cells, of GoogLeNet pool4's, and the features."""
        with exact_cudnn(self.device):
            cells = self.network.cells(maps)
            return cells, self.network.features(cells)


def _heads(network: Backbone) -> list[nn.Linear]:
    """The layers whose results are probabilities and boxes, and which take next to no time."""
    regressor, fit = network.box_regressor, network.region_fit
    found = [network.classifier]
    if isinstance(regressor, CellBoxRegressor):
        found += [regressor.hidden, regressor.output]
    elif regressor is not None:
        found.append(regressor)
    return found if fit is None else [*found, fit.hidden, fit.output]
