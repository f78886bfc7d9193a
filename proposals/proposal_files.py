"""One image's proposals as a file: an .npz of `boxes`, `scores` and the `size` of the image."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proposals.proposals import Proposals


def proposal_bytes(proposals: Proposals, size: tuple[int, int]) -> bytes:
    """The content of the file: `boxes` (N, 4) float32 and `scores` (N,) float32, best first, and `size` (2,) int32.

    Equal proposals give equal bytes: nothing is compressed, and no time is recorded.

    Args:
        size: (height, width) of the image in pixels.
    Raises:
        ValueError: if a box or score is not finite, or a size not at least 1.
    """
    _check_finite(proposals)
    _check_size(size)
    file = io.BytesIO()
    boxes, scores = np.ascontiguousarray(proposals.boxes), np.ascontiguousarray(proposals.scores)
    np.savez(file, boxes=boxes, scores=scores, size=np.array(size, np.int32))
    return file.getvalue()


def read_proposals(path: Path) -> tuple[Proposals, tuple[int, int] | None]:
    """The proposals in a file, and the (height, width) of their image: None if the file does not have it.

    Nothing in the file is executed.

    Raises:
        ValueError: one line that names the file, if it cannot be read, is damaged, or holds other arrays.
    """
    try:
        arrays = _read_arrays(path)
        proposals = Proposals(_array(arrays, "boxes"), _array(arrays, "scores"))
        _check_finite(proposals)
        return proposals, _size(arrays["size"]) if "size" in arrays else None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _read_arrays(path: Path) -> dict[str, Any]:
    """What the file has under the names that we know; the rest is passed over."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from error
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise ValueError("expected an .npz file; it is another kind, or was cut short")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {name: archive[name] for name in ("boxes", "scores", "size") if name in archive.files}
    except Exception as error:  # on damaged bytes zipfile and NumPy raise anything, zlib.error to NotImplementedError
        reason = str(error) or type(error).__name__
        raise ValueError(" ".join(f"damaged, or not arrays of numbers: {reason}".split())) from error


def _array(arrays: Mapping[str, Any], name: str) -> NDArray[Any]:
    if name not in arrays:
        raise ValueError(f"expected arrays boxes and scores, got no {name}")
    array = arrays[name]
    if not isinstance(array, np.ndarray):  # a member of the archive that is not an array comes as bytes
        raise ValueError(f"{name}: expected an array, got something else")
    return array


def _size(array: object) -> tuple[int, int]:
    if not isinstance(array, np.ndarray) or array.shape != (2,) or array.dtype != np.int32:
        what = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else "something else"
        raise ValueError(f"size: expected int32 (2,), got {what}")
    size = (int(array[0]), int(array[1]))
    _check_size(size)
    return size


def _check_size(size: tuple[int, int]) -> None:
    if min(size) < 1:
        raise ValueError(f"size: expected (height, width) of at least 1, got {size}")


def _check_finite(proposals: Proposals) -> None:
    for name, values in (("boxes", proposals.boxes), ("scores", proposals.scores)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
