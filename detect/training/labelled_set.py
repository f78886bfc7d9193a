"""What classification training learns from: images, each with its one class."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detect.class_tables import DetectionClass
from detect.image_decoding import decode_image
from detect.training.content_hashes import content_hashes


class ImageReader(Protocol):
    """Where the pixels of a set's images are."""

    def decode(self, path: Path, /) -> NDArray[np.uint8]:
        """The image: uint8 RGB (H, W, 3). Raises ImageError; safe to call from many threads."""

    def hashes(self, paths: Sequence[Path], cache: Path | None, *, write: bool) -> list[str | None]:
        """As `content_hashes`."""


class ImageFiles:
    """`ImageReader` of images that are a file each."""

    def decode(self, path: Path, /) -> NDArray[np.uint8]:
        """See `decode_image`."""
        return decode_image(path)

    def hashes(self, paths: Sequence[Path], cache: Path | None, *, write: bool) -> list[str | None]:
        """See `content_hashes`."""
        return content_hashes(paths, cache, write=write)


@dataclass(frozen=True)
class LabelledSet:
    """I images of K classes.

    Attributes:
        name: for people.
        images: where each is, once; what `reader` takes.
        labels: (I,) int64, from 0 to K − 1.
        classes: K, the members of class k being (k,), output k of a network.
        reader: decodes them.
    Raises:
        ValueError: if there is not a label for each image, or one is none of a class.
    """

    name: str
    images: tuple[Path, ...]
    labels: NDArray[np.int64]
    classes: tuple[DetectionClass, ...]
    reader: ImageReader = dataclasses.field(default_factory=ImageFiles)

    def __post_init__(self) -> None:
        if self.labels.dtype != np.int64 or self.labels.shape != (len(self.images),):
            got = f"{self.labels.dtype} {self.labels.shape}"
            raise ValueError(f"labels: expected int64 ({len(self.images)},), got {got}")
        beyond = np.flatnonzero((self.labels < 0) | (self.labels >= len(self.classes)))
        if len(beyond):
            image = beyond[0]
            raise ValueError(
                f"{self.images[image]}: expected a label from 0 to {len(self.classes) - 1}, got {self.labels[image]}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def counts(self) -> NDArray[np.int64]:
        """(K,) images of each class."""
        return np.bincount(self.labels, minlength=len(self.classes)).astype(np.int64)

    def subset(self, indices: Sequence[int] | NDArray[np.int64]) -> LabelledSet:
        """Some of the images, in the order of the indices."""
        chosen = np.asarray(indices, np.int64).reshape(-1)
        images = tuple(self.images[index] for index in chosen)
        return dataclasses.replace(self, images=images, labels=self.labels[chosen])
