"""CIFAR-10 in small: its files with a few images each."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np

from detect.training.cifar10 import FILES, FOLDER, RECORD

NAMES = tuple(name for files in FILES.values() for name in files)


def cifar_content(name: str, per_file: int) -> bytes:
    """Records of random pixels, whose labels are their numbers, ten at most."""
    rng = np.random.default_rng(NAMES.index(name))
    rows = rng.integers(0, 256, (per_file, RECORD), np.uint8)
    rows[:, 0] = np.arange(per_file) % 10
    return rows.tobytes()


def write_cifar_folder(folder: Path, per_file: int) -> Path:
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_bytes(cifar_content(name, per_file))
    return folder


def write_cifar_archive(path: Path, per_file: int) -> str:
    """Returns its md5."""
    with tarfile.open(path, "w:gz") as tar:
        for name in NAMES:
            content = cifar_content(name, per_file)
            entry = tarfile.TarInfo(f"{FOLDER}/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return hashlib.md5(path.read_bytes()).hexdigest()
