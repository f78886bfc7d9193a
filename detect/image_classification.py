"""What networks say of whole images: softmax averaged over crops, then over networks (GoogLeNet, section 7)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detect.classification_crops import SIZE, crops_of, cut_crops
from detect.error_line import error_line
from detect.image_decoding import ImageError, decode_image
from detect.image_sources import SourceImage
from detect.prepared_images import work_ahead
from detect.region_classifier import RegionClassifier
from proposals.device_copy import HostCopy, on_device

BEST = 5
BATCH_SIZES = {"cpu": 16, "cuda": 128}


@dataclass(frozen=True)
class ClassifiedImage:
    """What became of one image.

    Attributes:
        best: the labels of the five most probable classes, or of all where there are fewer; the most probable first, of
            equals the lower. Empty if there is an error.
        probs: their probabilities.
        error: one sentence, or None.
    """

    source: SourceImage
    best: tuple[int, ...] = ()
    probs: tuple[float, ...] = ()
    error: str | None = None


class ImageClassifier:
    """Networks that look at the same crops of whole images.

    Args:
        networks: at least one, all on one device.
        num_classes: the first so many outputs of each network are the classes; others, as background, are left out.
        crops: number an image: 1, 10 or 144, see `detect.classification_crops`.
        size: side of a crop in pixels.
        batch_size: crops in one pass of a network, at most; None: 16 on a CPU, 128 on a GPU.
    Raises:
        ValueError: for a batch size below 1, and as `crops_of`.
    """

    def __init__(
        self,
        networks: Sequence[RegionClassifier],
        num_classes: int,
        *,
        crops: int = 1,
        size: int = SIZE,
        batch_size: int | None = None,
    ) -> None:
        crops_of((1, 1), crops, size=size)  # checks them
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
        self.networks, self.num_classes, self.crops, self.size = networks, num_classes, crops, size
        self.device = networks[0].device
        self.batch_size = batch_size or BATCH_SIZES[self.device.type]

    @property
    def group(self) -> int:
        """How many images go through the networks together: those whose crops fill a batch, at least one."""
        return max(1, self.batch_size // self.crops)

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 RGB (H, W, 3) → uint8 (crops, size, size, 3)."""
        crops = crops_of((image.shape[0], image.shape[1]), self.crops, size=self.size)
        return cut_crops(image, crops, size=self.size)

    @torch.inference_mode()
    def probs(self, pixels: Tensor) -> Tensor:
        """The mean over each image's crops, then over the networks; a GPU is not waited for.

        Args:
            pixels: uint8 (N, crops, size, size, 3) on the CPU; N at least 1.
        Returns:
            float32 (N, num_classes) on the device; each row's sum is 1.
        """
        crops = on_device(pixels, self.device).flatten(0, 1).permute(0, 3, 1, 2)
        batches = crops.chunk(-(-len(crops) // self.batch_size))
        total = torch.zeros(len(pixels), self.num_classes, device=self.device)
        for network in self.networks:
            logits = torch.cat([network.logits(network.info.input.normalise(batch)) for batch in batches])
            said = torch.softmax(logits[:, : self.num_classes], dim=1)
            total += said.view(len(pixels), self.crops, -1).mean(dim=1)
        return total / len(self.networks)


def classify_images(
    classifier: ImageClassifier,
    sources: Sequence[SourceImage],
    *,
    first: int = 0,
    workers: int = 1,
    decode: Callable[[Path], NDArray[np.uint8]] = decode_image,
) -> Iterator[ClassifiedImage]:
    """Results for sources[first:], in order; memory does not grow with their number.

    Workers decode and cut ahead while the networks are at work, and the answers of a group of images are fetched when
    the next group is under way. Which images are a group depends on their places alone, so that a run that is continued
    makes the same batches again.

    Args:
        first: how many are done already; the group that it falls in is computed again from its beginning.
        workers: threads. The results do not depend on their number.
        decode: a source's path → uint8 RGB (H, W, 3); it may raise ImageError.
    Raises:
        ValueError: if workers is below 1.
    """
    size = classifier.group
    begin = first - first % size

    def prepare(source: SourceImage) -> _Prepared:
        return _prepare(source, classifier, decode)

    with work_ahead(prepare, sources[begin:], workers=workers, ahead=max(workers, size)) as prepared:
        results = _in_groups(classifier, prepared, size)
        yield from islice(results, first - begin, None)


@dataclass(frozen=True)
class _Prepared:
    """The pixels of an image's crops, or the reason why there are none."""

    source: SourceImage
    pixels: Tensor | None = None
    error: str | None = None


def _prepare(
    source: SourceImage, classifier: ImageClassifier, decode: Callable[[Path], NDArray[np.uint8]]
) -> _Prepared:
    """Decode and cut; whatever goes wrong with one image becomes its error."""
    if source.error is not None:
        return _Prepared(source, error=source.error)
    try:
        return _Prepared(source, torch.from_numpy(classifier.cut(decode(source.path))))
    except ImageError as error:
        return _Prepared(source, error=str(error))
    except MemoryError:
        return _Prepared(source, error="not enough memory for this image")
    except Exception as error:  # one image never ends a run over a folder; the record keeps the reason
        return _Prepared(source, error=error_line(error, "decoding or cutting"))


class _Group:
    """Images under way: the networks are at work on them when this is made, and `results` waits for the answers."""

    def __init__(self, classifier: ImageClassifier, images: Sequence[_Prepared]) -> None:
        self._images = [(one.source, one.error) for one in images]
        self._answers: tuple[HostCopy, HostCopy] | None = None
        pixels = [one.pixels for one in images if one.pixels is not None]
        if pixels:
            probs, labels = best_classes(classifier.probs(torch.stack(pixels)))
            self._answers = HostCopy(labels), HostCopy(probs)

    def results(self) -> Iterator[ClassifiedImage]:
        labels, probs = ([], []) if self._answers is None else (one.wait().tolist() for one in self._answers)
        answers = zip(labels, probs, strict=True)
        for source, error in self._images:
            if error is None:
                best, chances = next(answers)
                yield ClassifiedImage(source, tuple(best), tuple(chances))
            else:
                yield ClassifiedImage(source, error=error)


def _in_groups(classifier: ImageClassifier, prepared: Iterator[_Prepared], size: int) -> Iterator[ClassifiedImage]:
    under_way: deque[_Group] = deque()
    while images := list(islice(prepared, size)):
        under_way.append(_Group(classifier, images))
        if len(under_way) > 1:
            yield from under_way.popleft().results()
    for group in under_way:
        yield from group.results()


def best_classes(probs: Tensor) -> tuple[Tensor, Tensor]:
    """(N, K) → the five highest probabilities of each row and their labels, (N, min(5, K)); of equals the lower."""
    ranked, labels = torch.sort(probs, dim=1, descending=True, stable=True)
    return ranked[:, :BEST], labels[:, :BEST]
