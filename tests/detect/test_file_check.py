from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from detect.file_check import Digest, find_fault

# FIPS 180-2, appendices A.1 and B.1: the SHA-1 and SHA-256 of "abc".
SHA1_OF_ABC = "a9993e364706816aba3e25717850c26c9cd0d89d"
SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def abc(tmp_path: Path) -> Path:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    return path


@pytest.mark.parametrize("size", [3, None])
@pytest.mark.parametrize(
    "digest",
    [None, Digest("sha1", SHA1_OF_ABC), Digest("sha256", SHA256_OF_ABC), Digest("sha256", SHA256_OF_ABC[:8])],
)
def test_a_faultless_file(abc: Path, size: int | None, digest: Digest | None) -> None:
    assert find_fault(abc, size, digest) is None
    assert abc.read_bytes() == b"abc"


def test_each_fault_in_a_few_words(abc: Path, tmp_path: Path) -> None:
    assert find_fault(tmp_path / "none", None, None) == "No such file or directory"
    assert find_fault(tmp_path, None, None) == "expected a file"
    assert find_fault(abc, 4, Digest("sha1", SHA1_OF_ABC)) == "expected 4 bytes, got 3"
    wrong = Digest("sha1", "00000000")
    assert find_fault(abc, 3, wrong) == f"expected sha1 00000000, got {SHA1_OF_ABC}"
    assert find_fault(abc, None, Digest("sha256", SHA1_OF_ABC)) is not None, "the other algorithm"


def test_a_short_digest_is_a_beginning_not_any_part(abc: Path) -> None:
    assert find_fault(abc, 3, Digest("sha1", SHA1_OF_ABC[:8])) is None
    assert find_fault(abc, 3, Digest("sha1", SHA1_OF_ABC[-8:])) is not None


def test_a_file_of_several_blocks(tmp_path: Path) -> None:
    path = tmp_path / "million"
    path.write_bytes(b"a" * 1_000_000)  # FIPS 180-2, appendix A.3
    assert find_fault(path, 1_000_000, Digest("sha1", "34aa973cd4c4daa4f61eeb2bdbad27316534016f")) is None


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(abc: Path) -> None:
    abc.chmod(0)
    assert find_fault(abc, 3, Digest("sha1", SHA1_OF_ABC)) == "Permission denied"


@pytest.mark.parametrize("hexdigest", ["", "1378be2", "1378BE20", "0" * 65, "sha1-abc"])
def test_bad_digest(hexdigest: str) -> None:
    with pytest.raises(ValueError, match=re.escape("hexdigest: expected 8 to 64 lower-case hex digits")):
        Digest("sha256", hexdigest)
