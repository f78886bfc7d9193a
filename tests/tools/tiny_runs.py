"""Configurations of training runs of a few steps, on shared regions of a small VOC tree."""

from __future__ import annotations

from pathlib import Path


def tiny_config(model: Path, folder: Path, **settings: str) -> str:
    """YAML of a run from a model, on what `write_small_voc(folder / "voc", folder / "store")` wrote.

    Args:
        settings: lines that are added, or in the place of these.
    """
    lines = {
        "model": str(model),
        "data": f"[{{kind: voc, path: {folder / 'voc'}}}]",
        "regions": "shared",
        "short_sides": "[64, 96]",
        "proposals": f"{{store: {folder / 'store'}}}",
        "sampling": "{images_per_batch: 2, foreground: 4, background: 12, jittered: 2}",
        "head": "{kind: marginal, box_regression: cells, auxiliary: 0.0, carry_over: 0}",
        "optimisation": "{steps: 2, frozen: 4e, warm_up: 1, averaging: 0.5, precision: fp32}",
        "validation": "{every: 0}",
        "device": "cpu",
        "checkpoint_every": "1",
        **settings,
    }
    return "".join(f"{name}: {value}\n" for name, value in lines.items())
