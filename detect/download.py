"""Fetch one file over http(s): resumed where it stopped, checked against size and hash, renamed into place.

The bytes go to `NAME.part` beside the target, under an exclusive lock that the operating system drops when
its holder ends. A second process that wants the same file waits for the first, and then finds it there. On a
file system without locks two processes at once may spoil each other's part; the hash then refuses the result.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast
from urllib.parse import urlsplit

Progress = Callable[[int, int | None], None]  # bytes so far (never fewer than before), bytes in all if known

_CHUNK = 2**18
_TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}
_BROKEN = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, http.client.BadStatusLine)


class DownloadError(RuntimeError):
    """The file could not be had; the message is one line that says which, from where and why."""


class _Transient(Exception):
    """Something that may go better at the next attempt."""


class _StartOver(_Transient):
    """The server cannot continue the part that we have."""


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
        with _locked_part(_part_path(target)) as part:
            if find_fault(target, size, digest) is None:  # another process fetched it while we waited
                part.truncate(0)
                return target
            with nullcontext(progress) if progress else show_progress(target.name) as report:
                _fetch(order, part, _never_backwards(report))
            os.fsync(part.fileno())
            os.replace(_part_path(target), target)
    return target


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


def _part_path(target: Path) -> Path:
    return target.with_name(target.name + ".part")


@contextmanager
def _disk_errors(order: _Order) -> Iterator[None]:
    """Turn an OSError into one sentence; those of the network never get here."""
    try:
        yield
    except OSError as error:
        raise order.error(f"cannot write {_part_path(order.target)}: {error.strerror or error}") from error


@contextmanager
def _locked_part(path: Path) -> Iterator[BinaryIO]:
    """The part file, open and ours alone; an empty one is removed again."""
    while True:
        part = open(path, "ab", buffering=0, opener=_open_without_links)  # noqa: SIM115
        with part:
            _lock(part, path)
            if not _is_at(part, path):
                continue  # its last holder renamed or removed it while we waited
            try:
                yield part
            finally:
                if _is_at(part, path) and _length(part) == 0:
                    path.unlink()
            return


def _open_without_links(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o644)


def _lock(part: BinaryIO, path: Path) -> None:
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"waiting for another process that is writing {path}", file=sys.stderr)
        fcntl.flock(part, fcntl.LOCK_EX)
    except OSError:
        pass  # a file system without locks: see the top of this file


def _is_at(part: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(part.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _length(part: BinaryIO) -> int:
    return os.fstat(part.fileno()).st_size


def _fetch(order: _Order, part: BinaryIO, report: Progress) -> None:
    """Fill the part with the right bytes; one that turns out wrong is emptied, and so removed."""
    may_be_stale = _length(part) > 0 and order.digest is not None
    _transfer(order, part, report)
    fault = find_fault(_part_path(order.target), order.size, order.digest)
    if fault and may_be_stale:
        part.truncate(0)
        _transfer(order, part, report)
        fault = find_fault(_part_path(order.target), order.size, order.digest)
    if fault:
        part.truncate(0)
        raise order.error(fault)


def _transfer(order: _Order, part: BinaryIO, report: Progress) -> None:
    """Append to the part until the server has no more, over several connections if need be."""
    reason = ""
    for attempt in range(order.attempts):
        if attempt:
            time.sleep(order.backoff * 2 ** (attempt - 1))
        if order.digest is None or (order.size is not None and _length(part) > order.size):
            part.truncate(0)
        try:
            return _transfer_once(order, part, report)
        except _StartOver as error:
            part.truncate(0)
            reason = str(error)
        except _Transient as error:
            reason = str(error)
    raise order.error(f"{reason} ({order.attempts} attempts)", hint=True)


def _transfer_once(order: _Order, part: BinaryIO, report: Progress) -> None:
    have = _length(part)
    if have == order.size:
        return
    response = _open(order, have)
    if response is None:
        return
    with response:
        start, total = _placement(response, have)
        if order.size is not None and total not in (None, order.size):
            raise order.error(f"expected {order.size} bytes, the server offers {total}")
        part.truncate(start)
        _append(order, response, part, order.size if total is None else total, report)


def _open(order: _Order, have: int) -> http.client.HTTPResponse | None:
    """Ask for the bytes from `have` on; None if the server says that there are none."""
    headers = {"User-Agent": "googlenet-rcnn"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        request = urllib.request.Request(order.url, headers=headers)
        response = urllib.request.build_opener(_SafeRedirects).open(request, timeout=order.timeout)
        return cast(http.client.HTTPResponse, response)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:
            if order.size is None and error.headers.get("Content-Range") == f"bytes */{have}":
                return None
            raise _StartOver("the server cannot continue the part") from None
        if error.code in _TRANSIENT_STATUS:
            raise _Transient(f"HTTP {error.code} {error.reason}") from None
        raise order.error(f"HTTP {error.code} {error.reason}", hint=True) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        # No answer at all is final, so that a machine without a network hears of it at once.
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, _BROKEN) or isinstance(error, TimeoutError):
            raise _Transient(str(reason) or type(reason).__name__) from None
        raise order.error(getattr(reason, "strerror", None) or reason, hint=True) from error


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(  # type: ignore[no-untyped-def]
        self, req, fp, code, msg, headers, newurl
    ) -> urllib.request.Request | None:
        """Refuse other schemes, and to leave https for what others can read and change on the way."""
        if urlsplit(newurl).scheme not in ("https", req.type):
            raise urllib.error.URLError(f"refused a redirect from {req.type} to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _placement(response: http.client.HTTPResponse, have: int) -> tuple[int, int | None]:
    """Where in the file the body begins, and the length of the file if the server tells."""
    if response.status != 206:
        return 0, response.length
    content_range = response.headers.get("Content-Range", "none")
    match = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(?:(\d{1,18})|\*)", content_range.strip())
    if not match or int(match[1]) != have:
        raise _StartOver(f"asked for the bytes from {have} on, got Content-Range {content_range!r}")
    return have, int(match[2]) if match[2] else None


def _append(
    order: _Order, response: http.client.HTTPResponse, part: BinaryIO, total: int | None, report: Progress
) -> None:
    have = _length(part)
    report(have, total)
    while chunk := _read_some(response):
        have += len(chunk)
        if total is not None and have > total:
            raise order.error(f"expected {total} bytes, the server sent more")
        rest = memoryview(chunk)
        while rest:  # an unbuffered file on a disk that is nearly full takes less than all of it
            rest = rest[part.write(rest) :]
        report(have, total)
    if total is not None and have < total:
        raise _Transient(f"connection closed after {have} of {total} bytes")


def _read_some(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _Transient(f"connection lost: {error or type(error).__name__}") from None


def _never_backwards(report: Progress) -> Progress:
    """Hold the count when a transfer starts over, until it passes where it was."""
    highest = 0

    def forward(done: int, total: int | None) -> None:
        nonlocal highest
        highest = max(highest, done)
        report(highest, total)

    return forward


@contextmanager
def show_progress(name: str) -> Iterator[Progress]:
    """Progress on stderr: a bar on a terminal, else a line at every tenth (10 MB if the size is unknown)."""
    if not sys.stderr.isatty():
        yield _plain_lines(name)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Bar(TextColumn("{task.description}"), *columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _plain_lines(name: str) -> Progress:
    last = -1

    def report(done: int, total: int | None) -> None:
        nonlocal last
        step = max(total // 10, 1) if total else 10_000_000
        if done // step > last:
            last = done // step
            of_all = f" of {total / 1e6:.1f}" if total else ""
            print(f"{name}: {done / 1e6:.1f}{of_all} MB", file=sys.stderr, flush=True)

    return report
