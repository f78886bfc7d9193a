"""Which Caffe layer of bvlc_googlenet holds which parameter of our `GoogLeNet`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from detect.googlenet import TABLE_1

_BRANCHES = {
    "1x1": "conv1x1",
    "3x3_reduce": "reduce3x3",
    "3x3": "conv3x3",
    "5x5_reduce": "reduce5x5",
    "5x5": "conv5x5",
    "pool_proj": "pool_proj",
}


def caffe_to_module_names() -> dict[str, str]:
    """Caffe layer name, `/` written as `_`, → the name of our submodule; auxiliary classifiers included."""
    names = {
        "conv1_7x7_s2": "conv1",
        "conv2_3x3_reduce": "conv2_reduce",
        "conv2_3x3": "conv2",
        "loss3_classifier": "classifier",
    }
    for module in TABLE_1:
        for layer, branch in _BRANCHES.items():
            names[f"inception_{module}_{layer}"] = f"inception_{module}.{branch}"
    for loss, module in (("loss1", "auxiliary_4a"), ("loss2", "auxiliary_4d")):
        for layer in ("conv", "fc", "classifier"):
            names[f"{loss}_{layer}"] = f"{module}.{layer}"
    return names


def looks_like_bvlc(layers: Mapping[str, Tensor]) -> bool:
    """Whether these `LAYER.weight` names are those of BVLC's GoogLeNet."""
    return "conv1_7x7_s2.weight" in layers and "inception_5b_pool_proj.weight" in layers


def googlenet_state_from_caffe(layers: Mapping[str, Tensor], *, source: str) -> dict[str, Tensor]:
    """Rename BVLC's layers to a state dict of `GoogLeNet`.

    Args:
        layers: `LAYER.weight` (O, I, H, W) and `LAYER.bias` of any shape with O elements; `LAYER` may hold `/`.
            Fully connected weights may carry leading axes of length 1, as Caffe's old files do.
        source: named in errors.
    Returns:
        State dict with float32 tensors; auxiliary classifiers only if `layers` has them.
    Raises:
        ValueError: if a layer of the main branch is missing, or a fully connected weight is no matrix.
    """
    flat = {name.replace("/", "_"): tensor for name, tensor in layers.items()}
    state: dict[str, Tensor] = {}
    for layer, module in caffe_to_module_names().items():
        for kind in ("weight", "bias"):
            tensor = flat.get(f"{layer}.{kind}")
            if tensor is None:
                if module.startswith("auxiliary"):
                    continue
                raise ValueError(f"{source}: expected the layers of bvlc_googlenet, got none called {layer}.{kind}")
            try:
                plain = _without_caffe_axes(tensor, module, kind)
            except RuntimeError as error:
                shape = tuple(tensor.shape)
                raise ValueError(f"{source}: {layer}.{kind}: expected leading axes of length 1, got {shape}") from error
            state[f"{module}.{kind}"] = plain.to(torch.float32)
    return state


def _without_caffe_axes(tensor: Tensor, module: str, kind: str) -> Tensor:
    if kind == "bias":
        return tensor.reshape(-1)
    if module.endswith(("classifier", "fc")):
        return tensor.reshape(tensor.shape[-2:])
    return tensor
