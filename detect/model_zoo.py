"""The known models: where each comes from, what it must hash to, and where it lies on this machine."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from detect.download import Digest, DownloadError, Progress, download, find_fault


class UnknownModelError(ValueError):
    """There is no such model or model file; the message lists the known models."""


@dataclass(frozen=True)
class Download:
    """A file that its publisher serves. `size` in bytes, None where it is not published."""

    file: str
    url: str
    size: int | None
    digest: Digest

    def __post_init__(self) -> None:
        if Path(self.file).name != self.file:
            raise ValueError(f"file: expected a name without folders, got {self.file!r}")


@dataclass(frozen=True)
class Bundled:
    """A file installed with the package `detect`, by its path in there, such as `models/x.safetensors`."""

    resource: str


@dataclass(frozen=True)
class ZooModel:
    """One row of the table. `architecture`: one of `detect.backbones.registry.BACKBONES`."""

    name: str
    architecture: str
    licence: str
    description: str
    source: Download | Bundled


def _by_name(*models: ZooModel) -> Mapping[str, ZooModel]:
    return MappingProxyType({model.name: model for model in models})


MODELS = _by_name(
    ZooModel(
        name="det200",
        architecture="googlenet",
        licence="unrestricted use (BVLC), as the weights that it was fine-tuned from",
        description="the detector of the 200 ILSVRC detection classes that `detect` takes by itself",
        source=Bundled("models/det200.safetensors"),
    ),
    ZooModel(
        name="bvlc_googlenet",
        architecture="googlenet",
        licence="unrestricted use (BVLC)",
        description="GoogLeNet as trained by BVLC on the 1000 ILSVRC classes; a Caffe model",
        source=Download(
            file="bvlc_googlenet.caffemodel",
            url="http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel",
            size=53_533_754,
            digest=Digest("sha1", "405fc5acd08a3bb12de8ee5e23a96bec22f08204"),
        ),
    ),
    ZooModel(
        name="googlenet_bn_imagenet",
        architecture="googlenet_bn",
        licence="BSD-3-Clause (torchvision)",
        description="GoogLeNet_Weights.IMAGENET1K_V1: with batch normalisation, 1000 ILSVRC classes",
        source=Download(
            file="googlenet-1378be20.pth",
            url="https://download.pytorch.org/models/googlenet-1378be20.pth",
            size=None,
            digest=Digest("sha256", "1378be20"),  # the part that the publisher puts into the file's name
        ),
    ),
    ZooModel(
        name="inception_v3_imagenet",
        architecture="inception_v3",
        licence="BSD-3-Clause (torchvision)",
        description="Inception_V3_Weights.IMAGENET1K_V1: 1000 ILSVRC classes, trained on images of 299 pixels",
        source=Download(
            file="inception_v3_google-0cc3c7bd.pth",
            url="https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth",
            size=None,
            digest=Digest("sha256", "0cc3c7bd"),
        ),
    ),
    ZooModel(
        name="multibox",
        architecture="googlenet",
        licence="unrestricted use (BVLC), as the weights that it was fine-tuned from",
        description="MultiBox, where objects are, in one look: for `propose --method both`, not for `detect --model`",
        source=Bundled("models/multibox.safetensors"),
    ),
)


def cache_folder() -> Path:
    """Where downloaded models lie: $GOOGLENET_RCNN_CACHE, else googlenet-rcnn in $XDG_CACHE_HOME or ~/.cache.

    Read from the environment at every call; an empty variable counts as unset, and so does a relative
    XDG_CACHE_HOME, as its specification asks. Nothing is made.
    """
    if own := os.environ.get("GOOGLENET_RCNN_CACHE"):
        return Path(own).expanduser()
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (xdg if xdg.is_absolute() else Path("~/.cache").expanduser()) / "googlenet-rcnn"


def lookup(name: str) -> ZooModel:
    """The model of that name.

    Raises:
        UnknownModelError: if there is none, with the nearest names and all names.
    """
    if name in MODELS:
        return MODELS[name]
    raise UnknownModelError(f"no model named {name!r}{_suggestion(name)}; known: {', '.join(MODELS)}")


def _suggestion(name: str) -> str:
    near = difflib.get_close_matches(name, MODELS, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def cached_path(name: str) -> Path | None:
    """The model's file if it is on this machine and, for a download, has the published size and hash."""
    source = lookup(name).source
    path = _local_path(source)
    if isinstance(source, Bundled):
        return path if path.is_file() else None
    return None if find_fault(path, source.size, source.digest) else path


def _local_path(source: Download | Bundled) -> Path:
    if isinstance(source, Download):
        return cache_folder() / source.file
    return Path(str(resources.files("detect").joinpath(source.resource)))


def fetch(name: str, *, progress: Progress | None = None) -> Path:
    """The model's file, downloaded into the cache folder first if it is not there.

    Args:
        progress: as of `download`.
    Raises:
        UnknownModelError: if there is no such model.
        DownloadError: if it cannot be had, or a bundled file is missing from the installation.
    """
    source = lookup(name).source
    path = _local_path(source)
    if isinstance(source, Download):
        return download(source.url, path, size=source.size, digest=source.digest, progress=progress)
    if not path.is_file():
        raise DownloadError(f"the model {name} should be installed at {path}, and is not: install again")
    return path


def find_model_file(name_or_path: str | os.PathLike[str], *, progress: Progress | None = None) -> Path:
    """The file meant by a `--model` option: an existing file, or else the name of a known model.

    A known model is downloaded if it is not on this machine. An existing file goes before a model of the same
    name, a folder does not.

    Raises:
        UnknownModelError: if it is neither.
        DownloadError: as `fetch`.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    name = os.fspath(name_or_path)
    if name in MODELS:
        return fetch(name, progress=progress)
    if path.is_dir():
        raise UnknownModelError(f"{name} is a folder: expected a model file or one of {', '.join(MODELS)}")
    raise UnknownModelError(
        f"no model file {name} and no model named {name}{_suggestion(name)}; known: {', '.join(MODELS)}"
    )
