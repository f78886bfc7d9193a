"""Is a file the published one? Its size and its hash say."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_CHUNK = 2**18


@dataclass(frozen=True)
class Digest:
    """What a file must hash to. `hexdigest` may be the first digits only, if no more is published."""

    algorithm: Literal["sha1", "sha256"]
    hexdigest: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{8,64}", self.hexdigest):
            raise ValueError(f"hexdigest: expected 8 to 64 lower-case hex digits, got {self.hexdigest!r}")

    def __str__(self) -> str:
        return f"{self.algorithm} {self.hexdigest}"


def find_fault(path: Path, size: int | None, digest: Digest | None) -> str | None:
    """What is wrong with the file as a copy of the published one, in a few words; None if nothing is."""
    try:
        got_size = path.stat().st_size
        if not path.is_file():
            return "expected a file"
        if size is not None and got_size != size:
            return f"expected {size} bytes, got {got_size}"
        if digest is None:
            return None
        hasher = hashlib.new(digest.algorithm, usedforsecurity=False)
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                hasher.update(chunk)
    except OSError as error:
        return error.strerror or str(error)
    got = hasher.hexdigest()
    return None if got.startswith(digest.hexdigest) else f"expected {digest}, got {got}"
