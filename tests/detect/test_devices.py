from __future__ import annotations

import platform
from pathlib import Path

import pytest
import torch

from detect.devices import resolve_device, resolve_precision

CPU = torch.device("cpu")


@pytest.fixture(params=[0, 2], ids=["no GPU", "two GPUs"])
def gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """As many GPUs as torch is made to believe in."""
    count: int = request.param
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    return count


def test_auto_takes_a_gpu_where_there_is_one(gpus: int) -> None:
    assert resolve_device("auto") == torch.device("cuda" if gpus else "cpu")
    assert resolve_device("cpu") == CPU


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:1"])
def test_cuda_is_refused_where_there_is_none(gpus: int, name: str) -> None:
    if gpus:
        assert resolve_device(name) == torch.device(name)
    else:
        message = "device: expected an NVIDIA GPU for cuda, torch sees none; use --device cpu or auto"
        with pytest.raises(ValueError, match=f"^{message}$"):
            resolve_device(name)


def test_a_gpu_beyond_the_last(gpus: int) -> None:
    with pytest.raises(ValueError, match="expected a GPU below cuda:2, got 'cuda:2'" if gpus else "torch sees none"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("name", ["", "gpu", "CPU", "mps", "auto:1", "cpu:x", "cuda:", "cuda:x", "cuda:-1", "cuda:0:0"])
def test_other_names_are_refused(gpus: int, name: str) -> None:
    with pytest.raises(ValueError, match=f"device: expected auto, cpu, cuda or cuda:NUMBER, got '{name}'"):
        resolve_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_on_this_machine() -> None:
    assert resolve_device("auto") == CPU
    with pytest.raises(ValueError, match="torch sees none"):
        resolve_device("cuda")


def test_precisions_by_name() -> None:
    assert resolve_precision("fp32", CPU) == torch.float32
    assert resolve_precision("bf16", CPU) == torch.bfloat16
    with pytest.raises(ValueError, match="precision: expected auto, fp32 or bf16, got 'fp16'"):
        resolve_precision("fp16", CPU)


@pytest.mark.parametrize(
    ("capability", "dtype"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)]
)
def test_gpus_multiply_bfloat16_from_ampere_on(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert resolve_precision("auto", torch.device("cuda")) == dtype


@pytest.mark.skipif(
    not Path("/proc/cpuinfo").exists() or platform.machine() != "x86_64", reason="asks the Linux kernel about x86"
)
def test_cpus_multiply_bfloat16_where_the_kernel_says_so() -> None:
    flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    expected = torch.bfloat16 if "avx512_bf16" in flags.split() else torch.float32
    assert resolve_precision("auto", CPU) == expected


def test_an_older_torch_that_cannot_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    assert resolve_precision("auto", CPU) == torch.float32
