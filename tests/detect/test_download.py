from __future__ import annotations

import hashlib
import http.server
import io
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from detect import download as module
from detect.download import Digest, DownloadError, download

CONTENT = bytes(range(256)) * 2000  # 512,000 bytes
SHA1 = Digest("sha1", hashlib.sha1(CONTENT).hexdigest())
SHA256 = Digest("sha256", hashlib.sha256(CONTENT).hexdigest())


@dataclass
class Server:
    """What the server sends (one answer a request, the last one again and again) and what it was asked."""

    answers: list[Callable[[http.server.BaseHTTPRequestHandler], None]] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)  # the Range header of each request
    paths: list[str] = field(default_factory=list)
    body_bytes: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/model.bin"

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        self.asked.append(request.headers.get("Range"))
        self.paths.append(request.path)
        (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(request)

    def send(self, request: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        self.body_bytes += len(body)
        request.wfile.write(body)

    def whole(self, request: http.server.BaseHTTPRequestHandler, ranges: bool = True) -> None:
        """The file, from where it is asked for: what a good server does."""
        wanted = request.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and ranges else 0
        if start >= len(CONTENT):
            return respond(request, 416, {"Content-Range": f"bytes */{len(CONTENT)}", "Content-Length": "0"})
        headers = {"Content-Length": str(len(CONTENT) - start)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        respond(request, 206 if start else 200, headers)
        return self.send(request, CONTENT[start:])

    def without_range(self, request: http.server.BaseHTTPRequestHandler) -> None:
        self.whole(request, ranges=False)

    def cut_off(self, request: http.server.BaseHTTPRequestHandler) -> None:
        """A promise of the whole file, then 200,000 bytes, then a closed connection."""
        respond(request, 200, {"Content-Length": str(len(CONTENT))})
        self.send(request, CONTENT[:200_000])

    def other(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Make this the only answer."""
        self.answers = [self.fixed(status, body, **headers)]

    def fixed(self, status: int, body: bytes = b"", **headers: str) -> Callable[..., None]:
        def answer(request: http.server.BaseHTTPRequestHandler) -> None:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            respond(request, status, {"Content-Length": str(len(body))} | named)
            self.send(request, body)

        return answer


def respond(request: http.server.BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    state = Server()
    state.answers = [state.whole]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        state.port = listening.server_address[1]
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield state
        listening.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "model.bin"


def quiet(done: int, total: int | None) -> None:
    pass


def get(server: Server, target: Path, **options) -> Path:
    settings = {"size": len(CONTENT), "digest": SHA1, "progress": quiet, "backoff": 0.0}
    return download(server.url, target, **settings | options)


def write_part(target: Path, content: bytes) -> Path:
    target.parent.mkdir(exist_ok=True)
    part = target.with_name("model.bin.part")
    part.write_bytes(content)
    return part


def names(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


@pytest.mark.parametrize("digest", [SHA1, SHA256, Digest("sha256", SHA256.hexdigest[:8]), None])
@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_whole_file(server: Server, target: Path, digest: Digest | None, size: int | None) -> None:
    assert get(server, target, digest=digest, size=size) == target
    assert target.read_bytes() == CONTENT
    assert server.asked == [None]
    assert names(target) == ["model.bin"]


def test_resumes_where_it_stopped(server: Server, target: Path) -> None:
    write_part(target, CONTENT[:300_000])
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.asked == ["bytes=300000-"]
    assert server.body_bytes == 512_000 - 300_000
    assert names(target) == ["model.bin"]


def test_connection_closed_in_mid_body_then_resumed(server: Server, target: Path) -> None:
    server.answers = [server.cut_off, server.whole]
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=200000-"]
    assert server.body_bytes == 512_000


def test_server_without_range(server: Server, target: Path) -> None:
    write_part(target, b"x" * 300_000)
    server.answers = [server.without_range]
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.asked == ["bytes=300000-"]


def test_without_a_digest_nothing_is_resumed(server: Server, target: Path) -> None:
    write_part(target, b"x" * 300_000)
    server.answers = [server.cut_off, server.whole]
    get(server, target, digest=None)
    assert target.read_bytes() == CONTENT
    assert server.asked == [None, None]


def test_part_of_another_version_is_fetched_again(server: Server, target: Path) -> None:
    write_part(target, b"x" * 300_000)
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.asked == ["bytes=300000-", None]


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_complete_part_is_only_checked(server: Server, target: Path, size: int | None) -> None:
    write_part(target, CONTENT)
    get(server, target, size=size)
    assert target.read_bytes() == CONTENT
    assert server.body_bytes == 0
    assert server.asked == ([] if size else ["bytes=512000-"])


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_part_longer_than_the_file(server: Server, target: Path, size: int | None) -> None:
    write_part(target, CONTENT + b"x")
    get(server, target, size=size)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("content_range", ["bytes 0-511999/512000", "bytes 100-99/x", "", "bytes 300001-511999/*"])
def test_wrong_content_range_starts_over(server: Server, target: Path, content_range: str) -> None:
    write_part(target, CONTENT[:300_000])
    server.answers = [server.fixed(206, CONTENT[300_000:], Content_Range=content_range), server.whole]
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.asked == ["bytes=300000-", None]


def test_always_wrong_content_range_ends(server: Server, target: Path) -> None:
    server.other(206, CONTENT, Content_Range="bytes 5-9/10")
    with pytest.raises(DownloadError, match=r"Content-Range 'bytes 5-9/10' \(4 attempts\)"):
        get(server, target)
    assert names(target) == []


def test_wrong_hash_deletes_the_part(server: Server, target: Path) -> None:
    server.other(200, bytes(512_000))
    got = hashlib.sha1(bytes(512_000)).hexdigest()
    with pytest.raises(DownloadError, match=f"expected sha1 {SHA1.hexdigest}, got {got}"):
        get(server, target)
    assert names(target) == []
    assert len(server.asked) == 1


@pytest.mark.parametrize("length", [511_999, 512_001])
def test_wrong_size_is_refused_before_the_body(server: Server, target: Path, length: int) -> None:
    server.other(200, bytes(length))
    with pytest.raises(DownloadError, match=f"expected 512000 bytes, the server offers {length}"):
        get(server, target)
    assert names(target) == []


def test_unannounced_size_is_still_checked(server: Server, target: Path) -> None:
    def endless(request: http.server.BaseHTTPRequestHandler) -> None:
        respond(request, 200, {})
        server.send(request, CONTENT + b"x")

    server.answers = [endless]
    with pytest.raises(DownloadError, match="expected 512000 bytes, the server sent more"):
        get(server, target)
    assert not target.exists()


def test_404_is_final(server: Server, target: Path) -> None:
    server.other(404)
    with pytest.raises(DownloadError, match=r"HTTP 404 Not Found\. Without a network"):
        get(server, target)
    assert len(server.asked) == 1
    assert names(target) == []


def test_busy_server_is_asked_again(server: Server, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    server.answers = [server.fixed(503), server.fixed(429), server.whole]
    get(server, target, backoff=0.5)
    assert target.read_bytes() == CONTENT
    assert waits == [0.5, 1.0]
    server.other(503)
    target.unlink()
    with pytest.raises(DownloadError, match=r"HTTP 503 Service Unavailable \(4 attempts\)"):
        get(server, target)


def test_silent_server_times_out(server: Server, target: Path) -> None:
    quit_waiting = threading.Event()

    def silent(request: http.server.BaseHTTPRequestHandler) -> None:
        respond(request, 200, {"Content-Length": "512000"})
        server.send(request, CONTENT[:1000])
        request.wfile.flush()
        quit_waiting.wait(5)

    server.answers = [silent]
    with pytest.raises(DownloadError, match=r"timed out \(2 attempts\)"):
        get(server, target, timeout=0.1, attempts=2)
    quit_waiting.set()
    assert names(target) == ["model.bin.part"]


def test_offline_message(target: Path, server: Server) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/model.bin"
        with pytest.raises(DownloadError) as caught:
            download(url, target, size=512_000, digest=SHA1, progress=quiet)
    assert str(caught.value) == (
        f"cannot download model.bin (0.5 MB) from {url}: Connection refused. Without a network: get the file "
        f"elsewhere (sha1 {SHA1.hexdigest}), and put it at {target}, or pass --model PATH"
    )
    assert names(target) == []


def test_existing_good_file_needs_no_network(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    assert get(server, target) == target
    assert server.asked == []


def test_existing_bad_file_is_replaced_or_named(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"short")
    server.other(404)
    with pytest.raises(DownloadError, match=r"the file there now is not it: expected 512000 bytes, got 5"):
        get(server, target)
    assert target.read_bytes() == b"short"
    server.answers = [server.whole]
    get(server, target)
    assert target.read_bytes() == CONTENT


def test_progress_never_goes_back(server: Server, target: Path) -> None:
    write_part(target, CONTENT[:150_000])
    server.answers = [server.cut_off, server.without_range]
    seen: list[tuple[int, int | None]] = []
    get(server, target, progress=lambda done, total: seen.append((done, total)))
    counts = [done for done, _ in seen]
    assert counts == sorted(counts)
    assert len(counts) > 3
    assert seen[-1] == (512_000, 512_000)


def test_lines_on_stderr_where_it_is_no_terminal(
    server: Server, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    get(server, target, progress=None)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "model.bin: 0.0 of 0.5 MB"
    assert lines[-1] == "model.bin: 0.5 of 0.5 MB"
    assert len(lines) <= 11


def test_a_bar_on_a_terminal(server: Server, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    get(server, target, progress=None)
    assert "model.bin" in terminal.getvalue()


def test_interrupt_keeps_the_part(server: Server, target: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        if done >= 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(server, target, progress=interrupt)
    kept = target.with_name("model.bin.part").stat().st_size
    assert 0 < kept < 512_000
    get(server, target)
    assert server.asked == [None, f"bytes={kept}-"]
    assert target.read_bytes() == CONTENT


@pytest.mark.skipif(sys.platform == "win32", reason="has no such locks")
def test_two_at_once_fetch_once(server: Server, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def slow(request: http.server.BaseHTTPRequestHandler) -> None:
        time.sleep(0.2)
        server.whole(request)

    server.answers = [slow]
    others = [threading.Thread(target=get, args=(server, target)) for _ in range(3)]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join()
    assert target.read_bytes() == CONTENT
    assert len(server.asked) == 1
    assert names(target) == ["model.bin"]
    assert f"waiting for another process that is writing {target}.part" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_is_one_line(server: Server, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        monkeypatch.setattr(module, "length", lambda part: 0)
        order = module._Order(server.url, target, None, SHA1, 1.0, 1, 0.0, None)
        message = r"cannot write .*model\.bin\.part: No space left on device$"
        with pytest.raises(DownloadError, match=message), module._disk_errors(order):
            module._append(order, io.BytesIO(CONTENT), full, None, quiet)  # type: ignore[arg-type]


def test_disk_errors(server: Server, target: Path) -> None:
    target.parent.write_text("in the way")
    with pytest.raises(DownloadError, match=r"cannot write .*model\.bin\.part: (File exists|Not a directory)"):
        get(server, target)
    target.parent.unlink()
    target.mkdir(parents=True)
    with pytest.raises(DownloadError, match="is in the way: expected a file"):
        get(server, target)


def test_a_part_that_is_a_link_is_not_followed(server: Server, target: Path, tmp_path: Path) -> None:
    target.parent.mkdir()
    (tmp_path / "precious").write_text("mine")
    target.with_name("model.bin.part").symlink_to(tmp_path / "precious")
    with pytest.raises(DownloadError, match="cannot write"):
        get(server, target)
    assert (tmp_path / "precious").read_text() == "mine"


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x", "model.bin", ""])
def test_other_schemes_are_refused(target: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="expected a http or https address"):
        download(url, target)
    assert not target.parent.exists()


def test_redirects(server: Server, target: Path) -> None:
    server.answers = [server.fixed(302, Location="/moved.bin"), server.whole]
    get(server, target)
    assert server.paths == ["/model.bin", "/moved.bin"]
    target.unlink()
    server.other(302, Location="ftp://127.0.0.1/x")
    with pytest.raises(DownloadError, match="refused a redirect from http to ftp:"):
        get(server, target)


def test_proxy_of_the_environment(server: Server, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    download("http://models.invalid/model.bin", target, digest=SHA1, progress=quiet)
    assert server.paths == ["http://models.invalid/model.bin"]
    assert target.read_bytes() == CONTENT
