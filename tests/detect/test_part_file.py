from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from detect.part_file import length, locked_part, part_path

needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="has no such locks")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return part_path(tmp_path / "model.bin")


def test_its_name(path: Path) -> None:
    assert path.name == "model.bin.part"


def test_what_was_written_stays_and_is_continued(path: Path) -> None:
    for words, length_before in ((b"one", 0), (b"two", 3)):
        with locked_part(path) as part:
            assert length(part) == length_before
            part.write(words)
    assert path.read_bytes() == b"onetwo"


def test_an_empty_one_is_removed(path: Path) -> None:
    with locked_part(path):
        assert path.exists()
    assert not path.exists()
    path.write_bytes(b"wrong")
    with locked_part(path) as part:
        part.truncate(0)
    assert not path.exists()


def test_it_stays_after_an_error_and_the_lock_goes(path: Path) -> None:
    def interrupted() -> None:
        with locked_part(path) as part:
            part.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"half"
    with locked_part(path) as part:
        assert length(part) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be renamed there")
def test_one_that_was_renamed_into_place_is_left_alone(path: Path) -> None:
    target = path.with_name("model.bin")
    with locked_part(path):  # empty, and yet not removed under its new name
        path.rename(target)
    assert target.exists()


@needs_locks
def test_the_second_waits_and_then_finds_a_new_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = path.with_name("model.bin")
    found: list[int] = []

    def second() -> None:
        with locked_part(path) as part:
            found.append(length(part))

    thread = threading.Thread(target=second)
    with locked_part(path) as part:
        part.write(b"whole")
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        assert found == []
        path.rename(target)  # what the second has open is no longer the part
    thread.join(10)
    assert found == [0]
    assert target.read_bytes() == b"whole"
    assert f"waiting for another process that is writing {path}" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="has no O_NOFOLLOW")
def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    path.symlink_to(precious)
    with pytest.raises(OSError, match="symbolic link"), locked_part(path):
        pass
    assert precious.read_text() == "mine"
