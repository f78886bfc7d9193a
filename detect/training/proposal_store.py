"""Proposals of photos, searched once and shared between runs: one file a photo, found by content and setting."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detect.error_line import error_line
from detect.image_decoding import ImageError, decode_image_bytes
from detect.prepared_images import work_ahead
from detect.whole_files import write_whole_beside_others
from proposals import Proposals, selective_search
from proposals.diversity import MODES
from proposals.proposal_files import proposal_bytes, read_proposals

SEARCH_VERSION = 1  # to be raised with any change of selective search that moves, adds, drops or reorders boxes


class ProposalStore:
    """A folder of proposals: `KEY/setting.json` and `KEY/ab/abcd….npz`, KEY being made of the setting.

    Every file holds all boxes of a photo, so `limit` is no part of the key. Files appear whole, so several processes
    may fill and read one store; at worst they search a photo twice.

    Args:
        folder: made when something is first written.
        mode, superpixel_scale, seed, search_width, min_side: of selective search.
        limit: boxes of a photo that `boxes` returns, best first; None: all.
    Raises:
        ValueError: if the mode is unknown, the limit below 1, or the scale not above 0.
    """

    def __init__(
        self,
        folder: Path,
        *,
        mode: str,
        superpixel_scale: float,
        limit: int | None,
        seed: int = 0,
        search_width: int | None = 500,
        min_side: int = 20,
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"mode: expected one of {', '.join(MODES)}, got {mode!r}")
        if not 0 < superpixel_scale < float("inf"):
            raise ValueError(f"superpixel_scale: expected a finite number above 0, got {superpixel_scale}")
        if limit is not None and limit < 1:
            raise ValueError(f"limit: expected at least 1, got {limit}")
        self.limit = limit
        self.setting = {
            "version": SEARCH_VERSION,
            "mode": mode,
            **{name: list(values) for name, values in dataclasses.asdict(MODES[mode]).items()},
            "superpixel_scale": float(superpixel_scale),
            "seed": seed,
            "search_width": search_width,
            "min_side": min_side,
        }
        self.folder = folder / setting_key(self.setting)

    def path(self, sha: str) -> Path:
        """Where the proposals of a photo are, or would be.

        Raises:
            ValueError: if `sha` is no SHA-256 in 64 hexadecimal digits.
        """
        if not re.fullmatch("[0-9a-f]{64}", sha):
            raise ValueError(f"sha: expected 64 hexadecimal digits, got {sha!r}")
        return self.folder / sha[:2] / f"{sha}.npz"

    def boxes(self, sha: str) -> NDArray[np.float32]:
        """The proposals (N, 4) of the photo with this content, best first, at most `limit`.

        Raises:
            ValueError: one line that names the file, if it is not there or damaged.
        """
        return read_proposals(self.path(sha))[0].best(self.limit).boxes

    def lacking(self, paths: Sequence[Path], hashes: Sequence[str | None]) -> list[tuple[Path, str | None]]:
        """The photos, in order, that have no usable file here; of several with one content, the first.

        Args:
            hashes: SHA-256 of each file's bytes; None: it cannot be read (each of these lacks).
        """
        first: dict[str | Path, tuple[Path, str | None]] = {}
        for path, sha in zip(paths, hashes, strict=True):
            first.setdefault(sha or path, (path, sha))
        return [(path, sha) for path, sha in first.values() if sha is None or not self._holds(sha)]

    def make(self) -> None:
        """Make the folder, and say in it what searches it is of.

        Raises:
            OutputError: if that is impossible, as filling would be.
        """
        write_whole_beside_others(self.folder / "setting.json", json.dumps(self.setting, indent=2).encode() + b"\n")

    def fill(
        self,
        paths: Sequence[Path],
        hashes: Sequence[str | None],
        workers: int,
        on_done: Callable[[Path, str | None], object] | None = None,
    ) -> list[tuple[Path, str]]:
        """Search the photos that `lacking` names; when interrupted, call it again.

        Args:
            paths, hashes: as in `lacking`.
            workers: threads, over photos; where fewer lack, each gets workers // photos.
            on_done: called in this thread with each photo of `lacking`, in order, and why it failed, or None.
        Returns:
            The photos that could not be read or searched, each with one sentence; the others are all there.
        Raises:
            OutputError: if the store cannot be written; what is in it stays.
            ValueError: if workers is below 1.
        """
        todo = self.lacking(paths, hashes)
        if not todo:
            return []
        self.make()
        together = max(1, min(workers, len(todo)))
        failed = []
        with work_ahead(
            lambda one: self._search(*one, max(1, workers // together)), todo, workers=min(workers, together)
        ) as reasons:
            for (path, _), reason in zip(todo, reasons, strict=True):
                if reason is not None:
                    failed.append((path, reason))
                if on_done is not None:
                    on_done(path, reason)
        return failed

    def _holds(self, sha: str) -> bool:
        path = self.path(sha)
        if not path.exists():
            return False
        try:
            read_proposals(path)
        except ValueError:  # damaged: it is made anew
            return False
        return True

    def _search(self, path: Path, sha: str | None, threads: int) -> str | None:
        """Write a photo's proposals; if that is impossible because of the photo, why."""
        if sha is None:
            return "cannot be read"
        try:
            content = proposal_content(path, sha, self._propose, threads)
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"
        except (ImageError, ValueError) as error:
            return " ".join(str(error).split())
        except MemoryError:
            return "not enough memory for this image"
        except Exception as error:  # one photo never ends the search of the others; the reason is kept
            return error_line(error, "selective search")
        write_whole_beside_others(self.path(sha), content)
        return None

    def _propose(self, image: NDArray[np.uint8], threads: int) -> Proposals:
        setting = self.setting
        arguments = {name: setting[name] for name in ("superpixel_scale", "seed", "search_width", "min_side")}
        return selective_search(image, str(setting["mode"]), workers=threads, **arguments)  # type: ignore[arg-type]


def setting_key(setting: Mapping[str, object]) -> str:
    """A folder's name: what people tell settings apart by, and a hash of everything."""
    digest = hashlib.sha256(json.dumps(setting, sort_keys=True).encode()).hexdigest()
    return f"{setting['mode']}-{setting['superpixel_scale']:g}-{digest[:12]}"


def proposal_content(
    path: Path, sha: str, propose: Callable[[NDArray[np.uint8], int], Proposals], threads: int
) -> bytes:
    """The content of the proposal file of a photo.

    Raises:
        OSError, ImageError: if the photo cannot be read.
        ValueError: if its content is not what `sha` says, or it cannot be searched.
    """
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha:
        raise ValueError("changed since its hash was taken")
    image = decode_image_bytes(data)
    return proposal_bytes(propose(image, threads), (image.shape[0], image.shape[1]))
