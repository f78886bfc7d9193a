"""One http(s) request for the rest of a file, and what its answer means for the download."""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from typing import cast
from urllib.parse import urlsplit

_CHUNK = 2**18
_TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}
_BROKEN = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, http.client.BadStatusLine)


class Transient(Exception):
    """Something that may go better at the next attempt."""


class StartOver(Transient):
    """The server cannot continue the part that we have."""


class Refused(Exception):
    """The server, or the lack of one, has given its last word; the message says which."""


def request_from(url: str, have: int, *, size: int | None, timeout: float) -> http.client.HTTPResponse | None:
    """Ask for the bytes from `have` on.

    Args:
        size: of the whole file, if known.
        timeout: seconds without a byte.
    Returns:
        The answer, to be closed by the caller; None if the server says that there are no more bytes.
    Raises:
        Transient, StartOver, Refused: as their names say.
    """
    headers = {"User-Agent": "googlenet-rcnn"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        request = urllib.request.Request(url, headers=headers)
        response = urllib.request.build_opener(SafeRedirects).open(request, timeout=timeout)
        return cast(http.client.HTTPResponse, response)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:
            if size is None and error.headers.get("Content-Range") == f"bytes */{have}":
                return None
            raise StartOver("the server cannot continue the part") from None
        if error.code in _TRANSIENT_STATUS:
            raise Transient(f"HTTP {error.code} {error.reason}") from None
        raise Refused(f"HTTP {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        # No answer at all is final, so that a machine without a network hears of it at once.
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, _BROKEN) or isinstance(error, TimeoutError):
            raise Transient(str(reason) or type(reason).__name__) from None
        raise Refused(str(getattr(reason, "strerror", None) or reason)) from error


class SafeRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(  # type: ignore[no-untyped-def]
        self, req, fp, code, msg, headers, newurl
    ) -> urllib.request.Request | None:
        """Refuse other schemes, and to leave https for what others can read and change on the way."""
        if urlsplit(newurl).scheme not in ("https", req.type):
            raise urllib.error.URLError(f"refused a redirect from {req.type} to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def placement(response: http.client.HTTPResponse, have: int) -> tuple[int, int | None]:
    """Where in the file the body begins, and the length of the file if the server tells."""
    if response.status != 206:
        return 0, response.length
    content_range = response.headers.get("Content-Range", "none")
    match = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(?:(\d{1,18})|\*)", content_range.strip())
    if not match or int(match[1]) != have:
        raise StartOver(f"asked for the bytes from {have} on, got Content-Range {content_range!r}")
    return have, int(match[2]) if match[2] else None


def read_some(response: http.client.HTTPResponse) -> bytes:
    """The next bytes of the body; none at its end."""
    try:
        return response.read1(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise Transient(f"connection lost: {error or type(error).__name__}") from None
