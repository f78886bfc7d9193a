"""A small data set and proposals for it, whose figures are worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from annotation_trees import Object, write_ilsvrc_tree

from proposals.proposal_files import proposal_bytes
from proposals.proposals import Proposals

CAT, DOG = "n02121808", "n02084071"
IMAGES: dict[str, list[Object]] = {
    "a": [(CAT, (0, 0, 9, 9)), (DOG, (20, 20, 39, 29))],
    "b": [(CAT, (5, 5, 14, 14))],
    "c": [],
}
SIZE = (50, 60)
# In "a", the first ten find nothing, the eleventh half of the cat, and the 101st all of the dog. "b" failed, "c" has
# one box. So overlaps are, for the two of "a" and the one of "b": at 10: 0, 0, 0; at 100: 0.5, 0, 0; more: 0.5, 1, 0.
NOTHING = [40, 40, 50, 50]
BOXES = {"a": [NOTHING] * 10 + [[0, 0, 10, 5]] + [NOTHING] * 89 + [[20, 20, 40, 30]], "c": [NOTHING]}


def write_proposals(folder: Path, boxes: dict[str, list[list[float]]], size: tuple[int, int] = SIZE) -> None:
    """`name.npz` for every name, whatever it is."""
    for name, rows in boxes.items():
        ranked = np.array(rows, np.float32).reshape(-1, 4)
        content = proposal_bytes(Proposals(ranked, -np.arange(len(ranked), dtype=np.float32)), size)
        (folder / f"{name}.npz").parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.npz").write_bytes(content)


def write_small_set(folder: Path) -> tuple[Path, Path]:
    """(tree, proposals)."""
    tree = write_ilsvrc_tree(folder / "tree", IMAGES)
    write_proposals(folder / "proposals", {f"val/{name}.JPEG": boxes for name, boxes in BOXES.items()})
    record = {"image": "val/b.JPEG", "error": "truncated"}
    (folder / "proposals" / "proposals.jsonl").write_text(json.dumps(record) + "\n")
    return tree, folder / "proposals"
