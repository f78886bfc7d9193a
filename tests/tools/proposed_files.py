"""What runs of `propose` share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from made_runs import files_in
from run_files import description, timeless


def all_but_times(out: str = "out") -> dict[str, Any]:
    """All that two runs share: every file but for times, and for how often it was begun and with what workers."""
    run = description(out)
    run["config"].pop("workers")
    return {
        "records": timeless(out),
        "run": {name: value for name, value in run.items() if name != "seconds"},
        **{name: Path(out, name).read_bytes() for name in files_in(out) if name not in ("run.json", "proposals.jsonl")},
    }
