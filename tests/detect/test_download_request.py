from __future__ import annotations

import urllib.error
import urllib.request
from email.message import Message
from types import SimpleNamespace

import pytest

from detect.download_request import Refused, SafeRedirects, StartOver, placement, request_from


def answer(status: int, length: int | None = None, **headers: str) -> SimpleNamespace:
    message = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return SimpleNamespace(status=status, length=length, headers=message)


@pytest.mark.parametrize(
    ("response", "have", "wanted"),
    [
        (answer(200, 512), 0, (0, 512)),
        (answer(200, 512), 300, (0, 512)),  # a server without ranges sends the whole file
        (answer(200), 300, (0, None)),
        (answer(206, 212, Content_Range="bytes 300-511/512"), 300, (300, 512)),
        (answer(206, 212, Content_Range=" bytes 300-511/* "), 300, (300, None)),
    ],
)
def test_where_the_body_belongs(response: SimpleNamespace, have: int, wanted: tuple[int, int | None]) -> None:
    assert placement(response, have) == wanted  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "content_range",
    ["bytes 0-511/512", "bytes 301-511/512", "bytes 299-511/512", "bytes x-511/512", "300-511/512", "bytes 300-511/5x"],
)
def test_a_range_that_was_not_asked_for_starts_over(content_range: str) -> None:
    response = answer(206, 212, Content_Range=content_range)
    with pytest.raises(StartOver, match=f"asked for the bytes from 300 on, got Content-Range '{content_range}'"):
        placement(response, 300)  # type: ignore[arg-type]
    with pytest.raises(StartOver, match="got Content-Range 'none'"):
        placement(answer(206, 212), 300)  # type: ignore[arg-type]


def test_https_is_not_left_for_http() -> None:
    request = urllib.request.Request("https://example.org/a")
    with pytest.raises(OSError, match="refused a redirect from https to http:"):
        SafeRedirects().redirect_request(request, None, 302, "Found", {}, "http://example.org/a")


def test_http_may_become_https() -> None:
    request = urllib.request.Request("http://example.org/a")
    new = SafeRedirects().redirect_request(request, None, 302, "Found", {}, "https://example.org/a")
    assert new is not None
    assert new.full_url == "https://example.org/a"


def test_an_address_without_sense_is_refused_for_good() -> None:
    with pytest.raises(Refused, match="no host given"):
        request_from("http://", 0, size=None, timeout=1.0)
