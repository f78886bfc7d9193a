"""What images are by content: the same picture under two names is the same picture."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detect.whole_files import write_whole

_CHUNK = 2**20
_MOST_NAMED = 3
_DIGITS = 8  # hex digits of a hash that decide whether an image is held back


def content_hashes(paths: Sequence[Path], cache: Path | None = None, *, write: bool = True) -> list[str | None]:
    """The sha256 of each file's bytes, 64 hex digits; None for a file that cannot be read.

    Args:
        cache: a json file of hashes from before, keyed by path, good for files whose size and time of change are as
            they were then. One that cannot be read counts as empty.
        write: make the cache, or add to it, as needed.
    Raises:
        OutputError: if the cache cannot be written.
    """
    known = {} if cache is None else _read_cache(cache)
    found = dict(known)
    hashes: list[str | None] = []
    for path in paths:
        key = str(path.absolute())
        entry = _entry(path, known.get(key))
        hashes.append(None if entry is None else str(entry[2]))
        found |= {} if entry is None else {key: entry}
    if write and cache is not None and found != known:
        write_whole(cache, (json.dumps(found) + "\n").encode())
    return hashes


def refuse_overlap(
    train_hashes: Sequence[str | None],
    train_names: Sequence[str],
    val_hashes: Sequence[str | None],
    val_names: Sequence[str],
) -> None:
    """Make sure that no validation image is also trained on, under whatever name.

    Raises:
        ValueError: naming up to three of the images.
    """
    train = {one: name for one, name in zip(train_hashes, train_names, strict=True) if one is not None}
    twice = [(name, train[one]) for one, name in zip(val_hashes, val_names, strict=True) if one in train]
    if not twice:
        return
    named = ", ".join(name if name == other else f"{name} (as {other})" for name, other in twice[:_MOST_NAMED])
    more = f" and {len(twice) - _MOST_NAMED} more" if len(twice) > _MOST_NAMED else ""
    raise ValueError(f"validation: expected images that are not trained on, got {named}{more}")


def held_back_by_hash(hashes: Sequence[str | None], fraction: float) -> NDArray[np.bool_]:
    """(I,) which images are held back: those whose hash's first 8 digits, as a fraction of 16^8, are below `fraction`.

    What decides is the content alone, so copies fall on the same side, and a larger fraction holds back the same images
    and more. An image that could not be hashed (None) is not held back.

    Raises:
        ValueError: if the fraction is not in [0, 1].
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction: expected 0 to 1, got {fraction}")
    return np.array([one is not None and int(one[:_DIGITS], 16) / 16**_DIGITS < fraction for one in hashes], np.bool_)


def first_by_hash(hashes: Sequence[str], most: int | None) -> list[int]:
    """The positions of at most so many images, rising, as their content chooses: by digits that hold none back."""
    if most is None or len(hashes) <= most:
        return list(range(len(hashes)))
    return sorted(sorted(range(len(hashes)), key=lambda index: hashes[index][_DIGITS:])[:most])


def joint_digest(hashes: Sequence[str], *arrays: NDArray[Any]) -> str:
    """16 hex digits that change with any image, and any number of the arrays."""
    digest = hashlib.sha256("\n".join(hashes).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _entry(path: Path, known: list[int | str] | None) -> list[int | str] | None:
    """Size, time of change and hash of a file, as known if the first two still hold; None: it cannot be read."""
    try:
        status = path.stat()
        state: list[int | str] = [status.st_size, status.st_mtime_ns]
        return known if known is not None and known[:2] == state else [*state, _sha256(path)]
    except OSError:
        return None


def _sha256(path: Path) -> str:
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
    return hasher.hexdigest()


def _read_cache(cache: Path) -> dict[str, list[int | str]]:
    """{path: [size, time of change, sha256]}; entries of another form are dropped."""
    try:
        data = json.loads(cache.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return {key: entry for key, entry in data.items() if _is_entry(entry)} if isinstance(data, dict) else {}


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, list) or [type(one) for one in entry] != [int, int, str]:
        return False
    return len(entry[2]) == 64 and not set(entry[2]) - set("0123456789abcdef")
