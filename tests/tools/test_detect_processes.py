"""`googlenet-rcnn detect` as a process of its own, with a real network: kills, pipes, what is imported."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_images import encode

from tools.cli import main

COUNT = 7  # two groups of images that share batches, the second not full
QUICK = [
    "--proposals.mode",
    "single",
    "--proposals.limit",
    "3",
    "--min-score",
    "0.001",
    "--max-detections",
    "20",
    "--batch-size",
    "5",
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos that have something to find, and one that is damaged."""
    folder = tmp_path_factory.mktemp("photos")
    noise = np.random.default_rng(0)
    for i in range(COUNT):
        coarse = noise.integers(0, 256, (2, 8, 3), dtype=np.uint8)
        (folder / f"{i}.png").write_bytes(encode(coarse.repeat(10, 0).repeat(10, 1), "PNG"))
    (folder / "2.png").write_bytes(b"")
    return folder


PROGRAM = "from tools.cli import program; program()"


def arguments(photos: Path, out: Path, model: Path, *options: str) -> list[str]:
    return ["detect", str(photos), "--out", str(out), "--model", str(model), *QUICK, *options]


def start(argv: list[str], **options: Any) -> subprocess.Popen[str]:
    """`googlenet-rcnn` as a process of its own."""
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *argv], stderr=subprocess.PIPE, text=True, **options)


def timeless(out: Path, *, whole_lines: bool = False) -> list[dict[str, Any]]:
    """All but the times; of a file that may end in half a line, the whole ones."""
    text = (out / "detections.jsonl").read_text()
    assert whole_lines or text.endswith("\n") or not text
    records = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    for record in records:
        record.pop("seconds", None)
    return records


@pytest.fixture(scope="module")
def whole(photos: Path, random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The records of a run that nobody interrupts."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert main(arguments(photos, out, random_model)) == 3
    records = timeless(out)
    assert len(records) == COUNT
    assert sum(len(record.get("detections", ())) for record in records) == 20 * (COUNT - 1)
    return records


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_stopped_at_any_moment_and_resumed_is_the_whole_run(
    photos: Path, random_model: Path, tmp_path: Path, whole: list[dict[str, Any]], number: int
) -> None:
    """The moment is random; the places in the groups of images, for the three signals, are not the same."""
    out = tmp_path / "out"
    argv = arguments(photos, out, random_model, "--resume")
    process = start(argv)
    records = out / "detections.jsonl"
    wanted = 1 + number % 4
    while process.poll() is None and not (records.exists() and records.read_bytes().count(b"\n") >= wanted):
        time.sleep(0.001)
    time.sleep(random.uniform(0, 0.1))
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    done = records.read_bytes().count(b"\n")
    if number == signal.SIGKILL:
        assert process.returncode in (-number, 3)  # 3: it was done before the signal came
    elif process.returncode != 3:
        assert (process.returncode, "Traceback" in error) == (1, False)
        assert error.splitlines()[-1] == f"googlenet-rcnn: interrupted after {done} of 7 images; continue with --resume"
    for record, expected in zip(timeless(out, whole_lines=True), whole, strict=False):
        assert record == expected
    assert main(argv) == 3
    assert timeless(out) == whole
    assert json.loads((out / "run.json").read_text())["status"] == "finished"
    assert not [path for path in out.rglob(".*") if path.is_file()], "no unfinished files"


@pytest.mark.slow
def test_shards_and_workers_with_a_real_network(
    photos: Path, random_model: Path, tmp_path: Path, whole: list[dict[str, Any]]
) -> None:
    joined = []
    for part in ("1/2", "2/2"):
        out = tmp_path / part.replace("/", " of ")
        argv = arguments(photos, out, random_model, "--shard", part, "--workers", "3", "--no-draw")
        assert main(argv) in (0, 3)
        assert 0 < len(timeless(out)) < COUNT
        joined += timeless(out)
    assert joined == whole


@pytest.mark.parametrize("verb", [["detect"], ["models", "info"], []])
def test_help_is_quick_shows_what_it_must_and_imports_no_torch(verb: list[str]) -> None:
    program = (
        "import sys; from tools.cli import main\n"
        f"try: main({[*verb, '--help']!r})\n"
        "except SystemExit as leaves: assert leaves.code == 0\n"
        "slow = {'torch', 'numba', 'cv2', 'torchvision', 'numpy'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if verb == ["detect"]:
        for text in ("Exit status: 0 all", "3 finished", "googlenet-rcnn detect PHOTOS --out OUT", "--no-draw"):
            assert text in done.stdout


@pytest.mark.parametrize("argv", [["detect", "--help"], ["models", "list"]])
def test_a_reader_that_leaves_early_is_no_error(argv: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = start(argv, stdout=writer)
    os.close(writer)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, "")


def test_results_that_cannot_be_shown_are_an_error() -> None:
    """`> /dev/full`: the answer did not arrive, so the status is not 0."""
    with Path("/dev/full").open("w") as full:
        process = start(["models", "list"], stdout=full)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "No space left on device" in error.splitlines()[0]
