"""Photos for a run over a folder, and what it leaves there: used by tests of `detect` and `propose`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from odd_images import encode, quadrants

from detect.detection_records import read_records
from tools.cli import main


def make_photos(count: int = 3, folder: str = "photos") -> list[str]:
    """Pictures of different sizes, named in order."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    names = [f"{i:02}.png" for i in range(count)]
    for i, name in enumerate(names):
        Path(folder, name).write_bytes(encode(quadrants(30, 40 + i), "PNG"))
    return names


def records(out: str = "out") -> list[dict[str, Any]]:
    """Of whichever verb wrote the folder."""
    paths = [path for name in ("detections", "proposals") if (path := Path(out, f"{name}.jsonl")).exists()]
    (path,) = paths
    return list(read_records(path))


def timeless(out: str = "out") -> list[dict[str, Any]]:
    """Records without their times."""
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records(out)]


def description(out: str = "out") -> dict[str, Any]:
    """`run.json`."""
    content: dict[str, Any] = json.loads(Path(out, "run.json").read_bytes())
    return content


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line of a command that exits with status 2 and says nothing else."""
    assert main(list(argv)) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert "Traceback" not in output.err
    assert output.err.startswith("googlenet-rcnn: ")
    return output.err.removeprefix("googlenet-rcnn: ")
