"""MultiBox: a network looks once at the whole picture and says where objects might be (Erhan et al., 2014)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from proposals.device_copy import on_device
from proposals.exact_cudnn import exact_cudnn
from proposals.multibox_boxes import decode
from proposals.multibox_input import CROPS, check_image, crop_windows, squash
from proposals.multibox_network import MultiBoxNetwork, inference_copy
from proposals.near_duplicates import first_of_near_duplicates
from proposals.proposals import Proposals

CUT_OFF = 0.05  # of a crop's side: a box that ends nearer to an edge inside the picture is taken for cut off there


@dataclass(frozen=True)
class MultiBoxSettings:
    """What comes before and after the network.

    Attributes:
        limit: boxes of a picture, at most; GoogLeNet: 200.
        nms_iou: a box that overlaps a better one by more than this is dropped.
        crops: 1: the whole picture; 5: also its four corners, see `crop_windows`.
        batch_size: pictures in one pass of the network; None: 1 on a CPU, where a picture's boxes then depend on
            nothing but the picture, to the last bit; 32 on a GPU.
    Raises:
        ValueError: if an attribute is out of range.
    """

    limit: int = 200
    nms_iou: float = 0.8
    crops: int = 1
    batch_size: int | None = None

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ValueError(f"limit: expected at least 1, got {self.limit}")
        if not 0 <= self.nms_iou <= 1:
            raise ValueError(f"nms_iou: expected a number in [0, 1], got {self.nms_iou}")
        if self.crops not in CROPS:
            raise ValueError(f"crops: expected 1 or 5, got {self.crops}")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {self.batch_size}")


class MultiBox:
    """Pictures → proposals; a `Proposer`, which several threads may call at a time.

    Args:
        network: copied, not changed, see `inference_copy`.
        normalise: (N, 3, S, S) uint8 RGB on the device → what the trunk was trained on.
        size: S, pixels of the square that a picture is squashed to.
        device: where to run.
        precision: of the network's weights and activations; confidences and boxes are computed in float32.
    Raises:
        ValueError: if the size is below 1.
    """

    def __init__(
        self,
        *,
        network: MultiBoxNetwork,
        normalise: Callable[[Tensor], Tensor],
        size: int = 224,
        device: torch.device | str = "cpu",
        precision: torch.dtype = torch.float32,
        settings: MultiBoxSettings | None = None,
    ) -> None:
        if size < 1:
            raise ValueError(f"size: expected at least 1, got {size}")
        self.device, self.precision, self.size = torch.device(device), precision, size
        self.settings = settings or MultiBoxSettings()
        self.network = inference_copy(network, device=self.device, dtype=precision)
        self._normalise = normalise

    def __call__(self, image: NDArray[np.uint8]) -> Proposals:
        """The boxes of one uint8 RGB (H, W, 3) picture of any size; see `propose`.

        Raises:
            ValueError: if the picture is of another type or shape.
        """
        return next(self.propose([image]))

    def propose(self, images: Iterable[NDArray[np.uint8]]) -> Iterator[Proposals]:
        """The boxes of pictures, several to a pass of the network.

        Scores are confidences, 0 … 1. Boxes are clipped to the picture; those without area are dropped, and those
        suppressed by a better one; of equally sure ones, the whole picture's come before a crop's, then the earlier
        prior's. N may be 0.

        Args:
            images: uint8 RGB (H, W, 3), read as far as the next pass needs them; only the squashed ones are kept.
        Yields:
            Proposals of each picture, in order.
        Raises:
            ValueError: at a picture of another type or shape.
        """
        batch_size = self.settings.batch_size or (32 if self.device.type == "cuda" else 1)
        remaining = iter(images)
        while batch := [self._view(image) for image in islice(remaining, batch_size)]:
            answers = self._answers(torch.cat([view.squares for view in batch]))
            parts = torch.split(answers, [len(view.windows) for view in batch])
            for view, part in zip(batch, parts, strict=True):
                yield best_boxes(view, part, self.settings)

    def _view(self, image: NDArray[np.uint8]) -> PictureView:
        check_image(image)
        size = image.shape[0], image.shape[1]
        windows = crop_windows(size, self.settings.crops)
        squares = [squash(image[y1:y2, x1:x2], self.size) for x1, y1, x2, y2 in windows.tolist()]
        return PictureView(size, windows, torch.stack(squares))

    @torch.inference_mode()
    def _answers(self, squares: Tensor) -> Tensor:
        """(V, 3, S, S) uint8 → (V, K, 5) float32 on the CPU: the confidence's logit, and the normalised box.

        The host waits for a GPU once, for the answers.
        """
        images = self._normalise(on_device(squares, self.device))
        with exact_cudnn(self.device):
            outputs = self.network(images.to(self.precision, memory_format=torch.channels_last))
        boxes = decode(self.network.priors, outputs.offsets)
        return torch.cat([outputs.logits[..., None], boxes], dim=2).cpu()


@dataclass(frozen=True)
class PictureView:
    """What the network sees of one picture: V parts of it, and where they are.

    Attributes:
        size: (height, width) in pixels.
        windows: (V, 4) int64 xyxy in pixels.
        squares: (V, 3, S, S) uint8.
    """

    size: tuple[int, int]
    windows: NDArray[np.int64]
    squares: Tensor


def best_boxes(view: PictureView, answers: Tensor, settings: MultiBoxSettings) -> Proposals:
    """The proposals that the network's answers make; see `MultiBox.propose`.

    Args:
        answers: (V, K, 5) float32 on the CPU: of each prior the confidence's logit, and the normalised box.
    """
    boxes, whole = _in_pixels(answers[..., 1:].numpy().astype(np.float64), view)
    kept = np.flatnonzero(whole & (boxes[:, 2:] > boxes[:, :2]).all(axis=1))
    logits = answers[..., 0].double().flatten()[torch.from_numpy(kept)]
    order = torch.argsort(logits, descending=True, stable=True)
    candidates = boxes[kept[order.numpy()]]
    chosen = suppressed(candidates, settings.nms_iou, settings.limit)
    return Proposals(candidates[chosen], logits[order[chosen]].sigmoid().float().numpy())


def suppressed(boxes: NDArray[np.float32], iou: float, limit: int) -> NDArray[np.int64]:
    """Rows that greedy suppression keeps, the first `limit` of them: no box overlaps one before it by more than `iou`.

    What torchvision's `nms` keeps of float64 boxes, but the thousands that come after the last are never looked at.

    Args:
        boxes: (N, 4) xyxy pixels, best first; N may be 0.
    """
    if iou == 1:
        return np.arange(min(len(boxes), limit))
    return first_of_near_duplicates(boxes, float(np.nextafter(iou, 1)), most=limit)


def _in_pixels(boxes: NDArray[np.float64], view: PictureView) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Normalised boxes (V, K, 4) of the windows, clipped to them, as boxes of the picture.

    Returns:
        (V · K, 4) float32 pixels; and (V · K,) whether a box keeps away from the window's edges inside the picture.
    """
    height, width = view.size
    clipped = np.clip(boxes, 0.0, 1.0)
    corners = view.windows[:, None, :2]
    sides = view.windows[:, None, 2:] - corners
    pixels = np.tile(corners, 2) + clipped * np.tile(sides, 2)
    inside = (view.windows > 0) & (view.windows < [width, height, width, height])
    margins = np.concatenate([clipped[..., :2], 1 - clipped[..., 2:]], axis=2)
    whole = ~(inside[:, None] & (margins < CUT_OFF)).any(axis=2)
    return pixels.reshape(-1, 4).astype(np.float32), whole.ravel()
