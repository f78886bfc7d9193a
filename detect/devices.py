"""Where to run, and in which precision."""

from __future__ import annotations

import torch

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "fp32", "bf16")


def resolve_device(name: str) -> torch.device:
    """ "auto" takes a GPU where there is one.

    Raises:
        ValueError: for an unknown name, or "cuda" where there is none.
    """
    kind = name.split(":")[0]
    if kind not in DEVICES:
        raise ValueError(f"device: expected auto, cpu or cuda, got {name!r}")
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: expected an NVIDIA GPU for cuda, torch sees none; use --device cpu or auto")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


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
