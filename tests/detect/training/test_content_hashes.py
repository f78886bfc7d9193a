"""Hashes of contents, kept between runs; images in both halves refused."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from detect.training.content_hashes import content_hashes, refuse_overlap
from detect.whole_files import OutputError

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1


def test_by_hand(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").write_bytes(b"")
    large = b"x" * (2**20 + 5)
    (tmp_path / "c").write_bytes(large)
    found = content_hashes([tmp_path / one for one in ("a", "gone", "b", "c", "a")])
    assert found == [ABC, None, hashlib.sha256(b"").hexdigest(), hashlib.sha256(large).hexdigest(), ABC]
    assert content_hashes([]) == []
    assert content_hashes([tmp_path]) == [None]  # a folder


def test_the_cache_is_used_while_a_file_is_as_it_was(tmp_path: Path) -> None:
    file, cache = tmp_path / "a", tmp_path / "cache" / "hashes.json"
    file.write_bytes(b"abc")
    content_hashes([file], cache)
    data = json.loads(cache.read_bytes())
    data[str(file)][2] = "0" * 64
    cache.write_text(json.dumps(data))
    assert content_hashes([file], cache) == ["0" * 64]  # believed
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    assert content_hashes([file], cache) == [ABC]
    file.write_bytes(b"abcd")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))  # the time as before, the size not
    assert content_hashes([file], cache) != [ABC]


def test_the_cache_keeps_what_was_not_asked_for(tmp_path: Path) -> None:
    cache = tmp_path / "hashes.json"
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"abc")
        content_hashes([tmp_path / name], cache)
    assert set(json.loads(cache.read_bytes())) == {str(tmp_path / "a"), str(tmp_path / "b")}


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'{"PATH": [1]}', b'{"PATH": [3, 0, "xyz"]}'])
def test_a_damaged_cache_counts_as_empty(tmp_path: Path, content: bytes) -> None:
    file, cache = tmp_path / "a", tmp_path / "hashes.json"
    file.write_bytes(b"abc")
    cache.write_bytes(content.replace(b"PATH", str(file).encode()))
    assert content_hashes([file], cache) == [ABC]


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    with pytest.raises(OutputError, match=r"cannot write .*a/hashes\.json"):
        content_hashes([tmp_path / "a"], tmp_path / "a" / "hashes.json")


def test_a_cache_that_is_only_read(tmp_path: Path) -> None:
    file, cache = tmp_path / "a", tmp_path / "hashes.json"
    file.write_bytes(b"abc")
    assert content_hashes([file], cache, write=False) == [ABC]
    assert not cache.exists()


def test_overlap() -> None:
    refuse_overlap(["1", "2", None], ["a", "b", "c"], ["3", None], ["d", "e"])  # None is no content
    refuse_overlap([], [], [], [])
    with pytest.raises(ValueError, match=r"expected images that are not trained on, got b, x \(as a\)$"):
        refuse_overlap(["1", "2"], ["a", "b"], ["2", "1", "3"], ["b", "x", "y"])
    with pytest.raises(ValueError, match=r"got 0, 1, 2 and 2 more$"):
        refuse_overlap(list("abcde"), list("01234"), list("abcde"), list("01234"))
