"""Fetch one file over http(s): resumed where it stopped, checked against size and hash, renamed into place.

The bytes go to `NAME.part` beside the target, under a lock: a second process that wants the same file waits for the
first, and then finds it there.
"""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from detect.download_progress import Progress, never_backwards, show_progress
from detect.download_request import Refused, StartOver, Transient, placement, read_some, request_from
from detect.file_check import Digest, find_fault
from detect.part_file import length, locked_part, part_path

__all__ = ["Digest", "DownloadError", "Progress", "download", "find_fault"]


class DownloadError(RuntimeError):
    """The file could not be had; the message is one line that says which, from where and why."""


@dataclass(frozen=True)
class _Order:
    """One file wanted: the settings that every step of a download needs."""

    url: str
    target: Path
    size: int | None
    digest: Digest | None
    timeout: float
    attempts: int
    backoff: float
    old_fault: str | None  # of the file that is at the target already

    def error(self, reason: object, hint: bool = False) -> DownloadError:
        size = f" ({self.size / 1e6:.1f} MB)" if self.size is not None else ""
        message = f"cannot download {self.target.name}{size} from {self.url}: {' '.join(str(reason).split())}"
        if hint:
            known_by = f" ({self.digest})" if self.digest else ""
            message += f". Without a network: get the file elsewhere{known_by}, and put it at {self.target},"
            message += " or pass --model PATH"
            message += f" (the file there now is not it: {self.old_fault})" if self.old_fault else ""
        return DownloadError(message)


def download(
    url: str,
    target: str | os.PathLike[str],
    *,
    size: int | None = None,
    digest: Digest | None = None,
    progress: Progress | None = None,
    timeout: float = 30.0,
    attempts: int = 4,
    backoff: float = 1.0,
) -> Path:
    """Make sure that `target` holds the file published at `url`.

    A target that already has the size and hash is used without the network; one that has not is replaced once
    the right bytes are here. A part left by an interrupted run is continued if there is a digest to catch a
    mixture of two versions, and fetched again from the start if it does turn out to be one.

    Args:
        url: http or https; proxies are taken from the environment, redirects to other schemes refused.
        target: where the file goes; missing folders are made, and nothing is written outside its folder.
        size: in bytes, if known.
        progress: called as bytes arrive; by default stderr shows a bar, or plain lines if it is no terminal.
        timeout: seconds without a byte before an attempt fails.
        attempts: how often to try in all when the connection breaks or the server is busy.
        backoff: seconds before the second attempt; doubles each time.
    Returns:
        The target.
    Raises:
        DownloadError: if the file could not be had. The part is kept, unless its hash or size is wrong.
    """
    target = Path(target)
    fault = find_fault(target, size, digest)
    if fault is None:
        return target
    old_fault = fault if target.exists() else None
    order = _Order(url, target, size, digest, timeout, attempts, backoff, old_fault)
    if urlsplit(url).scheme not in ("http", "https"):
        raise order.error("expected a http or https address")
    if target.exists() and not target.is_file():
        raise order.error(f"{target} is in the way: expected a file")
    with _disk_errors(order):
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked_part(part_path(target)) as part:
            if find_fault(target, size, digest) is None:  # another process fetched it while we waited
                part.truncate(0)
                return target
            with nullcontext(progress) if progress else show_progress(target.name) as report:
                _fetch(order, part, never_backwards(report))
            os.fsync(part.fileno())
            os.replace(part_path(target), target)
    return target


@contextmanager
def _disk_errors(order: _Order) -> Iterator[None]:
    """Turn an OSError into one sentence; those of the network never get here."""
    try:
        yield
    except OSError as error:
        raise order.error(f"cannot write {part_path(order.target)}: {error.strerror or error}") from error


def _fetch(order: _Order, part: BinaryIO, report: Progress) -> None:
    """Fill the part with the right bytes; one that turns out wrong is emptied, and so removed."""
    may_be_stale = length(part) > 0 and order.digest is not None
    _transfer(order, part, report)
    fault = find_fault(part_path(order.target), order.size, order.digest)
    if fault and may_be_stale:
        part.truncate(0)
        _transfer(order, part, report)
        fault = find_fault(part_path(order.target), order.size, order.digest)
    if fault:
        part.truncate(0)
        raise order.error(fault)


def _transfer(order: _Order, part: BinaryIO, report: Progress) -> None:
    """Append to the part until the server has no more, over several connections if need be."""
    reason = ""
    for attempt in range(order.attempts):
        if attempt:
            time.sleep(order.backoff * 2 ** (attempt - 1))
        if order.digest is None or (order.size is not None and length(part) > order.size):
            part.truncate(0)
        try:
            return _transfer_once(order, part, report)
        except StartOver as error:
            part.truncate(0)
            reason = str(error)
        except Transient as error:
            reason = str(error)
        except Refused as error:
            raise order.error(error, hint=True) from error
    raise order.error(f"{reason} ({order.attempts} attempts)", hint=True)


def _transfer_once(order: _Order, part: BinaryIO, report: Progress) -> None:
    have = length(part)
    if have == order.size:
        return
    response = request_from(order.url, have, size=order.size, timeout=order.timeout)
    if response is None:
        return
    with response:
        start, total = placement(response, have)
        if order.size is not None and total not in (None, order.size):
            raise order.error(f"expected {order.size} bytes, the server offers {total}")
        part.truncate(start)
        _append(order, response, part, order.size if total is None else total, report)


def _append(
    order: _Order, response: http.client.HTTPResponse, part: BinaryIO, total: int | None, report: Progress
) -> None:
    have = length(part)
    report(have, total)
    while chunk := read_some(response):
        have += len(chunk)
        if total is not None and have > total:
            raise order.error(f"expected {total} bytes, the server sent more")
        rest = memoryview(chunk)
        while rest:  # an unbuffered file on a disk that is nearly full takes less than all of it
            rest = rest[part.write(rest) :]
        report(have, total)
    if total is not None and have < total:
        raise Transient(f"connection closed after {have} of {total} bytes")
