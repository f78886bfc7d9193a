"""A VOC tree of a few drawn photos, and proposals for them that take no search."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from detect.training.proposal_store import ProposalStore
from proposals import Proposals
from proposals.proposal_files import proposal_bytes

NAMES = ("dog", "cat", "dog", "bird", "person", "cat", "dog", "bird")
_OBJECT = (
    "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)


def write_small_voc(folder: Path, store: Path) -> Path:
    """Photos of 96 × 128 with one object each, 40 boxes for each photo in the store."""
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    rng = np.random.default_rng(0)
    proposals = ProposalStore(store, mode="balanced", superpixel_scale=2.0, limit=2000)
    for number, name in enumerate(NAMES):
        small = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8))
        box = [10 + number, 8, 70 + number, 80]
        path = folder / "JPEGImages" / f"{number:06}.jpg"
        small.resize((128, 96), Image.Resampling.BICUBIC).save(path)
        size = "<size><width>128</width><height>96</height><depth>3</depth></size>"
        xml = f"<annotation><filename>{path.name}</filename>{size}{_OBJECT.format(name, *box)}</annotation>"
        (folder / "Annotations" / f"{number:06}.xml").write_text(xml)
        _keep(proposals, path, rng)
    (folder / "ImageSets/Main/trainval.txt").write_text("".join(f"{i:06}\n" for i in range(len(NAMES))))
    return folder


def _keep(store: ProposalStore, path: Path, rng: np.random.Generator) -> None:
    corner = rng.uniform(0, [60, 40], (40, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(20, 50, (40, 2))], axis=1).astype(np.float32)
    at = store.path(hashlib.sha256(path.read_bytes()).hexdigest())
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_bytes(proposal_bytes(Proposals(boxes, -np.arange(40, dtype=np.float32)), (96, 128)))
