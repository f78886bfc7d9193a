"""Reading and writing models: our own `.safetensors`, BVLC's files, torchvision's checkpoints. Nothing is executed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from detect.backbones.backbone import Backbone
from detect.backbones.inception_v3 import inception_v3_state_from_torchvision, looks_like_inception_v3
from detect.backbones.registry import backbone_named
from detect.caffe_layers import googlenet_state_from_caffe, looks_like_bvlc
from detect.caffemodel import read_caffemodel
from detect.class_tables import ilsvrc_detection_classes
from detect.googlenet_bn import googlenet_bn_state_from_torchvision, looks_like_googlenet_bn
from detect.input_format import BVLC_INPUT, TORCHVISION_INPUT
from detect.model_info import ModelInfo, Provenance

HEADER = "googlenet_rcnn"
MULTIBOX_HEADER = "googlenet_rcnn_multibox"


class ModelFileError(ValueError):
    """One sentence: which file, what was expected, what came."""


@dataclass(frozen=True)
class Model:
    """A network with what its file says about it.

    Attributes:
        network: float32, in evaluation mode, on the CPU.
        sha256: of the file, to tell one model from another.
    """

    info: ModelInfo
    network: Backbone
    sha256: str


def build_network(info: ModelInfo, *, auxiliary: bool = False) -> Backbone:
    """An untrained network as described, with auxiliary classifiers if asked for.

    Raises:
        ValueError: if they are asked for of an architecture that has none.
    """
    network = backbone_named(info.architecture)(
        info.num_outputs,
        auxiliary=auxiliary,
        box_outputs=info.box_outputs,
        box_cells=info.box_regression == "cells",
    )
    if info.fit:
        network.add_region_fit()
    return network


def load_model(path: Path) -> Model:
    """Read any model file that we know: told by its ending and its parameters' names.

    `.safetensors` (ours, or BVLC's layers under their Caffe names), `.caffemodel` (BVLC's), `.pth` (torchvision's
    GoogLeNet or Inception v3, read with `weights_only`). Files that hold a bare classification network become zero-shot
    detectors.

    Raises:
        ModelFileError: if the file is missing, damaged, of another kind, or does not fit its description.
    """
    info, state = read_model_file(path)
    try:
        with torch.device("meta"):  # nothing as large as a damaged description claims is made
            network = build_network(info)
        network.load_state_dict(state, assign=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise ModelFileError(f"{path}: weights do not fit {info.architecture}: {reason}") from error
    for name, tensor in network.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise ModelFileError(f"{path}: expected finite weights, got NaN or infinity in {name}")
    return Model(info, network.eval(), file_sha256(path))


def read_model_file(path: Path) -> tuple[ModelInfo, dict[str, Tensor]]:
    """Description and float32 state dict of a model file; see `load_model`."""
    readers = {".safetensors": _read_safetensors, ".caffemodel": _read_bvlc, ".pth": _read_torchvision}
    reader = readers.get(path.suffix)
    if reader is None:
        raise ModelFileError(
            f"{path}: expected a model ending in {', '.join(readers)}, got {path.suffix or 'no ending'}"
        )
    if not path.is_file():
        raise ModelFileError(f"{path}: no such model file")
    try:
        return reader(path)
    except ModelFileError:
        raise
    except (ValueError, OSError) as error:
        text = str(error)
        raise ModelFileError(text if str(path) in text else f"{path}: {text}") from error


def save_model(path: Path, info: ModelInfo, state: Mapping[str, Tensor], *, dtype: torch.dtype = torch.float32) -> None:
    """Write a model file whole: under another name, then renamed. Same input, same bytes.

    Args:
        state: state dict of the network; auxiliary classifiers are left out.
        dtype: of the stored weights; float16 halves the file.
    Raises:
        ValueError: if a weight is infinite or NaN, or becomes it in that type.
    """
    tensors = {
        name: tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in state.items()
        if not name.startswith("auxiliary")
    }
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{path}: {name}: expected numbers that {dtype} can hold, got infinity or NaN")
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(save(tensors, metadata={HEADER: info.to_json()}))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """Hexadecimal digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _read_safetensors(path: Path) -> tuple[ModelInfo, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            headers = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ModelFileError(f"{path}: not a whole safetensors file ({error})") from error
    if HEADER in headers:
        return ModelInfo.from_json(headers[HEADER]), _in_float32(state)
    if MULTIBOX_HEADER in headers:
        raise ModelFileError(f"{path}: expected a detector, got a MultiBox model, which is for propose --multibox")
    if looks_like_bvlc(state):
        return bvlc_info(), _bvlc_state(state, path)
    raise ModelFileError(f"{path}: expected a model of googlenet-rcnn or BVLC's layers, got other parameters")


def _read_bvlc(path: Path) -> tuple[ModelInfo, dict[str, Tensor]]:
    layers: dict[str, Tensor] = {}
    for name, blobs in read_caffemodel(path).items():
        for kind, blob in zip(("weight", "bias"), blobs, strict=False):
            layers[f"{name}.{kind}"] = torch.from_numpy(blob.copy())
    return bvlc_info(), _bvlc_state(layers, path)


def _bvlc_state(layers: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """BVLC's layers as a state dict of the network for inference: without the auxiliary classifiers."""
    state = googlenet_state_from_caffe(layers, source=str(path))
    return {name: tensor for name, tensor in state.items() if not name.startswith("auxiliary")}


def _in_float32(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.float() if value.is_floating_point() else value for name, value in state.items()}


def _read_torchvision(path: Path) -> tuple[ModelInfo, dict[str, Tensor]]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # damage shows as whatever the unpickler trips over: IndexError, struct.error, ...
        raise ModelFileError(f"{path}: not a whole checkpoint of plain tensors") from error
    if not isinstance(state, dict):
        raise ModelFileError(f"{path}: expected a state dict, got {type(state).__name__}")
    if not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()):
        raise ModelFileError(f"{path}: expected a state dict of named tensors, got other things in it")
    if looks_like_inception_v3(state):
        return inception_v3_info(), _in_float32(inception_v3_state_from_torchvision(state))
    if looks_like_googlenet_bn(state):
        return torchvision_info(), _in_float32(googlenet_bn_state_from_torchvision(state))
    raise ModelFileError(f"{path}: expected torchvision's GoogLeNet or Inception v3, got other parameters")


def bvlc_info() -> ModelInfo:
    """BVLC's GoogLeNet as a zero-shot detector of the 200 ILSVRC detection classes."""
    return ModelInfo(
        name="bvlc_googlenet",
        architecture="googlenet",
        num_outputs=1000,
        input=BVLC_INPUT,
        classes=ilsvrc_detection_classes(),
        background_logit=12.0,  # docs/decisions/0005-zero-shot-background.md
        provenance=Provenance(
            source="BVLC GoogLeNet, Caffe model zoo (bvlc_googlenet.caffemodel)",
            data="ILSVRC 2012 classification, 1.2 million training images",
            licence="unrestricted use",
        ),
    )


def torchvision_info() -> ModelInfo:
    """torchvision's GoogLeNet as a zero-shot detector of the 200 ILSVRC detection classes."""
    return _torchvision_info("googlenet_bn", "GoogLeNet_Weights")


def inception_v3_info() -> ModelInfo:
    """torchvision's Inception v3 as a zero-shot detector of the 200 ILSVRC detection classes."""
    return _torchvision_info("inception_v3", "Inception_V3_Weights")


def _torchvision_info(architecture: str, weights: str) -> ModelInfo:
    return ModelInfo(
        name=f"{architecture}_imagenet",
        architecture=architecture,
        num_outputs=1000,
        input=TORCHVISION_INPUT,
        classes=ilsvrc_detection_classes(),
        provenance=Provenance(
            source=f"torchvision {weights}.IMAGENET1K_V1, ported from TensorFlow",
            data="ILSVRC 2012 classification",
            licence="BSD-3-Clause (torchvision)",
        ),
    )
