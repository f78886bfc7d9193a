"""Regions in, class probabilities out: the network in its inference form, with the head."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from detect.devices import resolve_device, resolve_precision
from detect.model_file import Model
from detect.zero_shot_head import ZeroShotHead


class RegionClassifier:
    """A model's network and head on a device.

    Weights are converted to the chosen precision once (autocast would convert them at every call) and to
    channels_last; the classifier stays float32.

    Args:
        model: as loaded; it is copied, not changed.
        device: "auto", "cpu", "cuda", "cuda:1".
        precision: "auto", "fp32" or "bf16".
    """

    def __init__(self, model: Model, *, device: str = "auto", precision: str = "auto") -> None:
        self.info = model.info
        self.sha256 = model.sha256
        self.device = resolve_device(device)
        self.dtype = resolve_precision(precision, self.device)
        network = copy.deepcopy(model.network).eval().requires_grad_(False)
        network = network.to(self.device, self.dtype).to(memory_format=torch.channels_last)
        network.classifier.float()
        for module in network.modules():  # as autocast does: statistics of large activations need float32
            if isinstance(module, nn.BatchNorm2d):
                module.float()
        self.network = network
        head = ZeroShotHead(self.info.classes, self.info.num_outputs, background_logit=self.info.background_logit)
        self.head = head.to(self.device)

    @torch.inference_mode()
    def __call__(self, regions: Tensor) -> Tensor:
        """(N, 3, S, S) normalised regions, any float type → float32 probabilities (N, K) on the device."""
        probs: Tensor = self.head(self.logits(regions))
        return probs

    @torch.inference_mode()
    def logits(self, regions: Tensor) -> Tensor:
        """(N, 3, S, S) normalised regions → the network's float32 outputs (N, num_outputs) before the head."""
        images = regions.to(self.device, self.dtype, memory_format=torch.channels_last)
        # cuDNN would otherwise round float32 to TF32, and may choose kernels whose sums have no fixed order.
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            logits: Tensor = self.network(images)
        return logits
