"""`googlenet-rcnn propose` as a process of its own: kills, what is imported, real photos."""

from __future__ import annotations

import json
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

from proposals import selective_search
from proposals.proposal_files import read_proposals
from tools.cli import main

PROGRAM = "from tools.cli import program; program()"
COUNT = 12


def start(argv: list[str]) -> subprocess.Popen[str]:
    """`googlenet-rcnn` as a process of its own."""
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *argv], stderr=subprocess.PIPE, text=True)


def tree(out: Path) -> dict[str, bytes]:
    """Every file but those with times in them."""
    files = [path for path in out.rglob("*") if path.is_file() and path.name not in ("run.json", "proposals.jsonl")]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def timeless(out: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (out / "proposals.jsonl").read_text().splitlines()]
    for record in records:
        record.pop("seconds", None)
    return records


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos that have something to find, two of them damaged, in two folders."""
    folder = tmp_path_factory.mktemp("photos")
    noise = np.random.default_rng(0)
    for i in range(COUNT):
        coarse = noise.integers(0, 256, (4, 8, 3), dtype=np.uint8)
        path = folder / ("a" if i < 5 else "b") / f"{i:02}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(coarse.repeat(10, 0).repeat(10, 1), "PNG"))
    (folder / "a/02.png").write_bytes(b"")
    (folder / "b/09.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "3"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_stopped_at_any_moment_and_resumed_is_the_whole_run(
    photos: Path, tmp_path: Path, number: int, workers: str
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert main(["propose", str(photos), "--out", str(whole)]) == 3
    argv = ["propose", str(photos), "--out", str(out), "--resume", "--workers", workers]
    process = start(argv)
    records = out / "proposals.jsonl"
    wanted = 1 + number % 7
    while process.poll() is None and not (records.exists() and records.read_bytes().count(b"\n") >= wanted):
        time.sleep(0.001)
    time.sleep(random.Random(f"{number} {workers}").uniform(0, 0.1))
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    if number == signal.SIGKILL:
        assert process.returncode in (-number, 3)  # 3: it was done before the signal came
    elif process.returncode != 3:
        assert (process.returncode, "Traceback" in error) == (1, False)
        assert error.splitlines()[-1].startswith("googlenet-rcnn: interrupted after ")
    done = {path: path.stat().st_mtime_ns for path in out.rglob("*.npz")}
    assert main(argv) == 3
    assert tree(out) == tree(whole)
    assert timeless(out) == timeless(whole)
    again = [path for path, changed in done.items() if path.stat().st_mtime_ns != changed]
    assert len(again) <= 1, "finished images are not done again, but for one without its record"


def test_what_proposing_does_not_need_is_not_imported(photos: Path, tmp_path: Path) -> None:
    """Torch takes seconds to import, and selective search needs none of it."""
    out = tmp_path / "out"
    program = (
        "import sys; from tools.cli import main\n"
        f"assert main(['propose', {str(photos)!r}, '--out', {str(out)!r}, '--shard', '1/6']) == 0\n"
        "slow = {'torch', 'torchvision', 'skimage', 'pycocotools', 'matplotlib'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(tree(out)) == 2


def test_help_is_quick_and_shows_what_it_must() -> None:
    program = (
        "import sys; from tools.cli import main\n"
        "try: main(['propose', '--help'])\n"
        "except SystemExit as leaves: assert leaves.code == 0\n"
        "slow = {'torch', 'numba', 'cv2', 'numpy', 'PIL'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for text in ("Exit status: 0 all", "googlenet-rcnn propose PHOTOS --out OUT --resume", "OUT/sub/a.jpg.npz"):
        assert text in done.stdout


@pytest.mark.shared
@pytest.mark.slow
def test_real_photos_and_two_numbers_of_workers(shared_folder: Path, tmp_path: Path) -> None:
    photos = sorted((shared_folder / "images/ilsvrc_det/Data").rglob("*.JPEG"))[:6]
    for workers in ("1", "4"):
        out = tmp_path / workers
        argv = ["propose", *map(str, photos), "--out", str(out), "--superpixel-scale", "2", "--workers", workers]
        assert main(argv) == 0
    assert tree(tmp_path / "1") == tree(tmp_path / "4")
    from detect.image_decoding import decode_image

    image = decode_image(photos[0])
    found, size = read_proposals(tmp_path / "1" / f"{photos[0].name}.npz")
    assert size == image.shape[:2]
    np.testing.assert_array_equal(found.boxes, selective_search(image, superpixel_scale=2.0).boxes)
    assert len(found) > 100
