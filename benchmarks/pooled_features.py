"""Regions of many photos as the frozen part of GoogLeNet sees them, computed once and kept in files.

What is kept is pool4's output, the first thing that the tail computes and a quarter of 4e's size: 832 × 7 × 7
bfloat16 numbers a region, 82 kB. Files hold a few photos each and appear whole, so an interrupted run goes on where
it was.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from training_data import TrainingData

from detect.backbones.backbone import Backbone
from detect.googlenet import GoogLeNet
from detect.image_decoding import ImageError, decode_image
from detect.model_file import Model
from detect.model_info import ModelInfo
from detect.region_classifier import RegionClassifier
from detect.region_warp import RegionWarper, WarpSettings
from detect.training.batch_plan import PlannedImage
from detect.training.batch_stream import sample_image
from detect.training.region_samples import ImageSample, TrainingBatch
from detect.training.region_sampling import SamplingSettings
from detect.training.region_upload import upload
from detect.whole_files import write_whole

PHOTOS_A_FILE = 16
BATCH = 32  # regions in one pass

Table = dict[str, np.ndarray]  # what is known of N regions, by name, (N, …) each
RegionsOf = Callable[[int], tuple[Tensor, Table]]  # a photo → its regions (n, 3, 224, 224) and what is known of them


class PooledGoogLeNet(GoogLeNet):
    """GoogLeNet that is fed pool4's output instead of images: the stages before it do nothing."""

    def stage(self, name: str, features: Tensor) -> Tensor:
        return features

    def stem(self, images: Tensor) -> Tensor:
        return images

    def cells(self, features: Tensor) -> Tensor:
        return features


def pooled_network(info: ModelInfo, network: Backbone) -> PooledGoogLeNet:
    """A copy of a network that takes pooled features."""
    assert info.architecture == "googlenet", "the features that are kept are those of GoogLeNet as published"
    copy = PooledGoogLeNet(info.num_outputs, box_outputs=info.box_outputs)
    state = network.state_dict()
    copy.load_state_dict({name: value for name, value in state.items() if not name.startswith("auxiliary")})
    return copy.to(memory_format=torch.channels_last)


@dataclass(frozen=True)
class CachedRegions:
    """N regions in files.

    Attributes:
        files: features of each, (n, 7, 7, 832) bfloat16 as uint16, mapped.
        table: see `train_regions` and `validation_regions`.
    """

    files: tuple[np.ndarray, ...]
    table: Table

    def __len__(self) -> int:
        return sum(map(len, self.files))

    def features(self, rows: np.ndarray) -> Tensor:
        """(n, 832, 7, 7) bfloat16, channels_last, in the order of the rows."""
        starts = np.cumsum([0, *map(len, self.files)])
        result = np.empty((len(rows), 7, 7, 832), np.uint16)
        of_file = np.searchsorted(starts, rows, side="right") - 1
        for number in np.unique(of_file):
            here = np.flatnonzero(of_file == number)
            order = here[np.argsort(rows[here], kind="stable")]
            result[order] = self.files[number][rows[order] - starts[number]]
        return torch.from_numpy(result).view(torch.bfloat16).permute(0, 3, 1, 2)


class FeatureMaker:
    """The frozen part of a model, on the CPU or a GPU, and the folder that its features are kept in.

    Args:
        identity: of everything the features depend on; the folder of other features is refused.
    """

    def __init__(self, model: Model, folder: Path, identity: dict[str, Any]) -> None:
        self.classifier, self.network = RegionClassifier(model), model.network
        self.folder, self.info = folder, model.info
        note, text = folder / "cache.json", json.dumps({**identity, "model": model.sha256}, indent=2, sort_keys=True)
        if note.exists() and note.read_text() != text:
            raise SystemExit(f"--cache {folder}: made with other settings ({note}); choose another folder")
        write_whole(note, text.encode())

    @torch.inference_mode()
    def pooled(self, regions: Tensor) -> Tensor:
        """(N, 3, 224, 224) → (N, 832, 7, 7) bfloat16 on the CPU."""
        network, classifier = self.classifier.network, self.classifier
        parts = []
        for part in regions.split(BATCH):
            images = part.to(classifier.device, classifier.dtype, memory_format=torch.channels_last)
            parts.append(F.max_pool2d(network.stem_to_4e(images), 3, stride=2, ceil_mode=True).bfloat16().cpu())
        return torch.cat(parts) if parts else torch.empty(0, 832, 7, 7, dtype=torch.bfloat16)

    def check(self, regions: Tensor) -> None:
        """The tail on pooled features answers as the whole network does."""
        network = pooled_network(self.info, self.network).eval().requires_grad_(False)
        whole = self.classifier.logits(regions)
        with torch.inference_mode():
            network.to(self.classifier.device, self.classifier.dtype).classifier.float()
            features = self.pooled(regions).to(self.classifier.device, self.classifier.dtype)
            short = network.classifier(network.tail(features))
        assert (whole - short).abs().max() <= 0.05 * whole.abs().max(), "pooled features give other answers"

    def keep(self, name: str, photos: Sequence[int], regions_of: RegionsOf) -> CachedRegions:
        """Features and table of the given photos' regions, from the files or computed now."""
        files, tables, started = [], [], time.perf_counter()
        for number, start in enumerate(range(0, len(photos), PHOTOS_A_FILE)):
            at, table_at = self.folder / f"{name}-{number:04}.npy", self.folder / f"{name}-{number:04}.npz"
            if not (at.exists() and table_at.exists()):
                kept, table = self._compute(photos[start : start + PHOTOS_A_FILE], regions_of)
                write_whole(at, _bytes(lambda file, kept=kept: np.save(file, kept)))
                write_whole(table_at, _bytes(lambda file, table=table: np.savez(file, **table)))
                seconds, done = time.perf_counter() - started, min(start + PHOTOS_A_FILE, len(photos))
                print(f"{name}: {done} of {len(photos)} photos, {seconds:.0f} s", file=sys.stderr)
            files.append(np.load(at, mmap_mode="r"))
            with np.load(table_at) as table:
                tables.append(dict(table))
        joined = {key: np.concatenate([one[key] for one in tables]) for key in tables[0]}
        return CachedRegions(tuple(files), joined)

    def _compute(self, photos: Sequence[int], regions_of: RegionsOf) -> tuple[np.ndarray, Table]:
        """Features (n, 7, 7, 832) as uint16, and the table's columns."""
        features, tables = [], []
        for photo in photos:
            regions, table = regions_of(int(photo))
            features.append(self.pooled(regions).permute(0, 2, 3, 1).contiguous().view(torch.uint16).numpy())
            tables.append(table)
        return np.concatenate(features), {key: np.concatenate([one[key] for one in tables]) for key in tables[0]}


def train_regions(
    data: TrainingData, settings: SamplingSettings, per_image: int, seed: int, info: ModelInfo
) -> RegionsOf:
    """Sampled regions as training sees them, with `image`, `target`, `delta`, `regress`.

    Photos are numbered pass · len(train) + position; each pass samples anew.
    """
    boxes_of, warp = data.boxes_of(data.train), WarpSettings(context=info.context)

    def regions_of(photo: int) -> tuple[Tensor, Table]:
        epoch, index = divmod(photo, len(data.train))
        sample = sample_image(data.train, PlannedImage(index, 0, epoch), 0, boxes_of, settings, seed=seed)
        samples = (sample,) if isinstance(sample, ImageSample) else ()
        batch = upload(
            TrainingBatch(0, 0, samples), input_format=info.input, warp=warp, device="cpu", regions_per_image=per_image
        )
        return batch.regions, {
            "image": np.full(len(batch.targets), index, np.int64),
            "target": batch.targets.numpy(),
            "delta": batch.deltas.numpy(),
            "regress": batch.regress.numpy(),
        }

    return regions_of


def validation_regions(data: TrainingData, limit: int, info: ModelInfo) -> RegionsOf:
    """The best proposals of held-back photos, with `image`, `box`, `size`; none of a photo that cannot be read."""
    boxes_of, warp = data.boxes_of(data.held_back), WarpSettings(context=info.context)

    def regions_of(photo: int) -> tuple[Tensor, Table]:
        try:
            image = decode_image(data.held_back.images[photo])
            boxes = boxes_of(photo)[:limit]
        except ImageError:
            image, boxes = np.zeros((1, 1, 3), np.uint8), np.zeros((0, 4), np.float32)
        return RegionWarper(image, info.input, settings=warp).regions(boxes), {
            "image": np.full(len(boxes), photo, np.int64),
            "box": boxes,
            "size": np.tile(np.array(image.shape[:2], np.int64), (len(boxes), 1)),
        }

    return regions_of


def _bytes(write: Callable[[io.BytesIO], None]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()
