"""Where to run, and in which precision."""

from __future__ import annotations

import re

import torch

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "fp32", "bf16")


def resolve_device(name: str) -> torch.device:
    """ "auto" takes a GPU where there is one.

    Raises:
        ValueError: for an unknown name, or "cuda" where there is none, or not so many.
    """
    if name not in DEVICES and not re.fullmatch(r"cuda:\d{1,3}", name):
        raise ValueError(f"device: expected auto, cpu, cuda or cuda:NUMBER, got {name!r}")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError("device: expected an NVIDIA GPU for cuda, torch sees none; use --device cpu or auto")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.index is not None and device.index >= torch.cuda.device_count():
        raise ValueError(f"device: expected a GPU below cuda:{torch.cuda.device_count()}, got {name!r}")
    return device


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """Type of the network's weights and activations; "auto" takes bfloat16 where the hardware multiplies it.

    On such hardware bfloat16 is about three times as fast; averages, logits and probabilities stay float32.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in PRECISIONS:
        raise ValueError(f"precision: expected auto, fp32 or bf16, got {name!r}")
    if name == "auto":
        return torch.bfloat16 if _multiplies_bfloat16(device) else torch.float32
    return torch.bfloat16 if name == "bf16" else torch.float32


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(supported and supported())
