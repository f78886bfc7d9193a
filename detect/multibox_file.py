"""A MultiBox model as one `.safetensors` file: weights, priors, and what is needed to use them. Nothing is executed."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from detect.backbones.registry import backbone_named
from detect.devices import resolve_device, resolve_precision
from detect.download import DownloadError
from detect.file_header import read_header, write_header
from detect.fused_inception import fuse_inceptions
from detect.input_format import InputFormat
from detect.model_file import HEADER as DETECTOR_HEADER
from detect.model_file import MULTIBOX_HEADER as HEADER
from detect.model_file import ModelFileError, file_sha256
from detect.model_info import Provenance
from detect.model_zoo import fetch
from detect.multibox_trunk import TRUNKS, GoogLeNetTrunk
from detect.whole_files import write_whole
from proposals.merged_proposals import MergeCalibration, RankValue
from proposals.multibox import MultiBox, MultiBoxSettings
from proposals.multibox_heads import HeadSetting, build_head
from proposals.multibox_network import MultiBoxNetwork

BUNDLED = "multibox"  # the name of the model that comes with the package


@dataclass(frozen=True)
class MultiBoxInfo:
    """The header of a MultiBox file.

    Attributes:
        name: for people and `run.json`.
        architecture: of the trunk, "googlenet" or "googlenet_bn".
        input: channel order, mean and scale.
        head: which form, and how wide.
        num_priors: K.
        priors_sha256: `priors_digest` of the priors that the weights were trained with.
        size: pixels of the square that an image is squashed to.
        merge: what its boxes are worth beside those of selective search; None: not measured.
    """

    name: str
    architecture: str
    input: InputFormat
    head: HeadSetting
    num_priors: int
    priors_sha256: str
    provenance: Provenance
    size: int = 224
    merge: MergeCalibration | None = None

    def __post_init__(self) -> None:
        if self.architecture not in TRUNKS:
            raise ValueError(f"architecture: expected {' or '.join(TRUNKS)}, got {self.architecture!r}")
        wholes = (("num_priors", self.num_priors), ("size", self.size), ("channels", self.head.channels))
        for name, value in wholes:
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}: expected a whole number from 1 on, got {value!r}")
        if (self.size + 1) // 16 != 14:
            raise ValueError(f"size: expected 223 to 238 pixels, which give maps of 14 and 7 cells, got {self.size}")

    def to_json(self) -> str:
        """One line of JSON, for the file's header."""
        return write_header(dataclasses.asdict(self))

    @staticmethod
    def from_json(text: str) -> MultiBoxInfo:
        """Inverse of `to_json`.

        Raises:
            ValueError: if it is not such JSON, a newer format, or a field is missing, unknown or wrong.
        """
        return read_header(text, _info_from_fields, expected="a description of a MultiBox model")


@dataclass(frozen=True)
class MultiBoxModel:
    """A network with what its file says about it.

    Attributes:
        network: float32, in evaluation mode, on the CPU, with its priors.
        sha256: of the file, to tell one model from another.
    """

    info: MultiBoxInfo
    network: MultiBoxNetwork
    sha256: str


def find_multibox_file(name_or_path: str) -> Path:
    """The file meant by a `--multibox` option: an existing file, or the name of the model that comes with the package.

    Raises:
        ModelFileError: if it is neither, or the package came without.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    if name_or_path != BUNDLED:
        raise ModelFileError(f"no MultiBox model file {name_or_path}, and the only one with a name is {BUNDLED}")
    try:
        return fetch(BUNDLED)
    except DownloadError as error:
        raise ModelFileError(str(error)) from error


def is_multibox_file(path: Path) -> bool:
    """Whether a file's header says that it is a MultiBox model; False for one that is damaged or not there."""
    try:
        with safe_open(path, framework="pt") as file:
            return HEADER in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def load_multibox(path: Path) -> MultiBoxModel:
    """Read a file that `save_multibox` wrote.

    Raises:
        ModelFileError: if the file is missing, damaged, of another kind, or its priors or weights do not fit its
            description.
    """
    info, state = read_multibox_file(path)
    try:
        network = network_of(info, state)
    except ValueError as error:
        raise ModelFileError(f"{path}: {error}") from error
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        what = f"{info.architecture} with a {info.head.kind} head for {info.num_priors} priors"
        raise ModelFileError(f"{path}: weights do not fit {what}: {reason}") from error
    for name, tensor in network.state_dict().items():
        if not tensor.isfinite().all():
            raise ModelFileError(f"{path}: expected finite weights, got NaN or infinity in {name}")
    return MultiBoxModel(info, network.eval(), file_sha256(path))


def read_multibox_file(path: Path) -> tuple[MultiBoxInfo, dict[str, Tensor]]:
    """Description and float32 state dict of a file, the priors found to be those of the description.

    Raises:
        ModelFileError: as `load_multibox`.
    """
    if not path.is_file():
        raise ModelFileError(f"{path}: no such model file")
    try:
        with safe_open(path, framework="pt") as file:
            headers = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelFileError(f"{path}: not a whole safetensors file ({error})") from error
    if HEADER not in headers:
        got = "a detector, which is for `detect`" if DETECTOR_HEADER in headers else "something else"
        raise ModelFileError(f"{path}: expected a MultiBox model, got {got}")
    try:
        info = MultiBoxInfo.from_json(headers[HEADER])
        check_priors(info, state)
    except ValueError as error:
        raise ModelFileError(f"{path}: {error}") from error
    return info, {name: value.float() if value.is_floating_point() else value for name, value in state.items()}


def save_multibox(
    path: Path, info: MultiBoxInfo, state: Mapping[str, Tensor], *, dtype: torch.dtype = torch.float16
) -> None:
    """Write a model file whole. Same input, same bytes.

    Args:
        state: state dict of the `MultiBoxNetwork`.
        dtype: of the stored weights; the priors stay float32, because boxes refer to them.
    Raises:
        ValueError: if a weight is infinite or NaN, or becomes it in that type, or the priors are not those of `info`.
        OutputError: if it cannot be written.
    """
    check_priors(info, state)
    tensors = {
        name: tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in state.items()
    }
    tensors["priors"] = state["priors"].detach().cpu().contiguous()
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{path}: {name}: expected numbers that {dtype} can hold, got infinity or NaN")
    write_whole(path, save(tensors, metadata={HEADER: info.to_json()}))


def rounded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict as a float16 file gives it back: the weights rounded, the priors as they are."""
    return {
        name: value.half().float() if value.is_floating_point() and name != "priors" else value
        for name, value in state.items()
    }


def priors_digest(priors: Tensor) -> str:
    """SHA-256 of the priors as little-endian float32."""
    return hashlib.sha256(priors.detach().cpu().numpy().astype("<f4").tobytes()).hexdigest()


def check_priors(info: MultiBoxInfo, state: Mapping[str, Tensor]) -> None:
    """Raises ValueError unless the priors in `state` are those that the description says."""
    priors = state.get("priors")
    if priors is None:
        raise ValueError(f"priors: expected float32 ({info.num_priors}, 4), got none")
    if priors.shape != (info.num_priors, 4) or priors.dtype != torch.float32:
        kind = str(priors.dtype).removeprefix("torch.")
        raise ValueError(f"priors: expected float32 ({info.num_priors}, 4), got {kind} {tuple(priors.shape)}")
    if priors_digest(priors) != info.priors_sha256:
        raise ValueError("priors: expected those that the weights were trained with, got others")


def network_of(info: MultiBoxInfo, state: Mapping[str, Tensor]) -> MultiBoxNetwork:
    """The network that a description and a state dict make, in training mode; its weights are the state's tensors.

    Raises:
        ValueError: if the head is not for that number of priors.
        RuntimeError: if the weights do not fit; nothing as large as the description claims is made for that.
    """
    kind = backbone_named(info.architecture)
    with torch.device("meta"):
        head = build_head(info.head, info.num_priors)
        network = MultiBoxNetwork(trunk=GoogLeNetTrunk(kind(1)), head=head, priors=torch.empty(info.num_priors, 4))
    network.load_state_dict(state, assign=True)
    return network


def build_multibox(
    model: MultiBoxModel | Path,
    *,
    device: str = "auto",
    precision: str = "auto",
    settings: MultiBoxSettings | None = None,
) -> MultiBox:
    """Image → boxes, on a device, from a loaded model or a file.

    Args:
        device: "auto", "cpu", "cuda", "cuda:1".
        precision: "auto", "fp32" or "bf16".
    Raises:
        ModelFileError, ValueError: one sentence that says what to do.
    """
    loaded = load_multibox(model) if isinstance(model, Path) else model
    where = resolve_device(device)
    network = copy.deepcopy(loaded.network)
    fuse_inceptions(network)
    return MultiBox(
        network=network,
        normalise=loaded.info.input.normalise,
        size=loaded.info.size,
        device=where,
        precision=resolve_precision(precision, where),
        settings=settings or MultiBoxSettings(),
    )


def _info_from_fields(fields: dict[str, Any]) -> MultiBoxInfo:
    image, head, merge = fields.pop("input"), fields.pop("head"), fields.pop("merge")
    return MultiBoxInfo(
        input=InputFormat(**image | {"mean": tuple(image["mean"]), "scale": tuple(image["scale"])}),
        head=HeadSetting(**head | {"grids": tuple(head["grids"])}),
        provenance=Provenance(**fields.pop("provenance")),
        merge=None if merge is None else MergeCalibration(**{name: RankValue(**one) for name, one in merge.items()}),
        **fields,
    )
