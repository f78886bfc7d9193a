"""Proposals come back from their file as they were, and a file that is not whole is one sentence."""

from __future__ import annotations

import io
import itertools
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proposals.proposal_files import proposal_bytes, read_proposals
from proposals.proposals import Proposals

TWO = Proposals(
    np.array([[0, 0, 5, 6], [1.5, 1, 2.25, 2]], np.float32),
    np.array([0, -0.5], np.float32),
)


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def read(tmp_path: Path, content: bytes) -> tuple[Proposals, tuple[int, int] | None]:
    path = tmp_path / "a.jpg.npz"
    path.write_bytes(content)
    return read_proposals(path)


def test_a_file_by_hand(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(proposal_bytes(TWO, (6, 5)))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert set(archive.files) == {"boxes", "scores", "size"}
        assert archive["boxes"].tolist() == [[0, 0, 5, 6], [1.5, 1, 2.25, 2]]
        assert archive["scores"].tolist() == [0, -0.5]
        assert archive["size"].tolist() == [6, 5], "height, width"
        assert {archive["boxes"].dtype, archive["scores"].dtype} == {np.dtype(np.float32)}
        assert archive["size"].dtype == np.int32


@given(
    boxes=st.lists(st.tuples(*[st.floats(0, 1e6, width=32)] * 4), max_size=9),
    size=st.tuples(st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1)),
)
def test_what_is_written_is_read(
    boxes: list[tuple[float, ...]], size: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    scores = -np.arange(len(boxes), dtype=np.float32)
    written = Proposals(np.array(boxes, np.float32).reshape(-1, 4), scores)
    found, size_found = read(tmp_path_factory.mktemp("npz"), proposal_bytes(written, size))
    assert size_found == size
    np.testing.assert_array_equal(found.boxes, written.boxes, strict=True)
    np.testing.assert_array_equal(found.scores, written.scores, strict=True)


def test_equal_proposals_give_equal_bytes_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zip files hold time stamps; here they are all the same."""
    first = proposal_bytes(TWO, (6, 5))
    copies = Proposals(np.asfortranarray(TWO.boxes), np.array([0, 9, -0.5], np.float32)[::2])
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    assert proposal_bytes(copies, (6, 5)) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert proposal_bytes(TWO, (6, 4)) != first


def test_a_file_of_another_program_needs_no_size(tmp_path: Path) -> None:
    found, size = read(tmp_path, npz(boxes=TWO.boxes, scores=TWO.scores, more=np.array(["x"])))
    assert (len(found), size) == (2, None)


def test_none_and_compressed(tmp_path: Path) -> None:
    empty = Proposals(np.empty((0, 4), np.float32), np.empty(0, np.float32))
    assert len(read(tmp_path, proposal_bytes(empty, (1, 1)))[0]) == 0
    file = io.BytesIO()
    np.savez_compressed(file, boxes=TWO.boxes, scores=TWO.scores)
    assert len(read(tmp_path, file.getvalue())[0]) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"boxes": None}, "expected arrays boxes and scores, got no boxes"),
        ({"scores": None}, "expected arrays boxes and scores, got no scores"),
        ({"boxes": np.zeros((2, 5), np.float32)}, "boxes: expected float32 (N, 4), got float32 (2, 5)"),
        ({"boxes": np.zeros((2, 4))}, "boxes: expected float32 (N, 4), got float64 (2, 4)"),
        ({"boxes": np.float32(3)}, "boxes: expected float32 (N, 4), got float32 ()"),
        ({"scores": np.zeros(3, np.float32)}, "scores: expected float32 (2,), got float32 (3,)"),
        ({"scores": np.array([0, 1], np.float32)}, "scores: expected best first, got an increase"),
        ({"scores": np.array([np.nan, 0], np.float32)}, "scores: expected finite numbers, got NaN or infinity"),
        ({"scores": np.array([0, -np.inf], np.float32)}, "scores: expected finite numbers, got NaN or infinity"),
        ({"boxes": np.full((2, 4), np.nan, np.float32)}, "boxes: expected finite numbers, got NaN or infinity"),
        ({"size": np.array([5, 6])}, "size: expected int32 (2,), got int64 (2,)"),
        ({"size": np.array([5], np.int32)}, "size: expected int32 (2,), got int32 (1,)"),
        ({"size": np.array([5, 0], np.int32)}, "size: expected (height, width) of at least 1, got (5, 0)"),
        ({"boxes": np.array([None])}, "damaged, or not arrays of numbers: "),
    ],
)
def test_other_arrays_are_one_sentence(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    arrays = {"boxes": TWO.boxes, "scores": TWO.scores, **changes}
    content = npz(**{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(ValueError, match=re.escape(f"a.jpg.npz: {message}")) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)


def test_a_member_that_is_no_array(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("boxes", "text")
        archive.writestr("scores.npy", "text")
    with pytest.raises(ValueError, match=r"damaged, or not arrays|expected an array, got something else"):
        read(tmp_path, file.getvalue())


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return exec, (f"open({str(tmp_path / 'sprung')!r}, 'w')",)

    with pytest.raises(ValueError, match=r"a\.jpg\.npz: damaged, or not arrays of numbers"):
        read(tmp_path, npz(boxes=np.array([Trap()]), scores=TWO.scores))
    assert not (tmp_path / "sprung").exists()


def test_every_cut_is_one_sentence(tmp_path: Path) -> None:
    whole = proposal_bytes(TWO, (6, 5))
    for cut in range(0, len(whole), 7):
        with pytest.raises(ValueError, match=r"a\.jpg\.npz: expected an \.npz file; it is another kind, or was cut"):
            read(tmp_path, whole[:cut])


def test_every_changed_byte_is_found_or_without_effect(tmp_path: Path) -> None:
    """Zip's checksums cover the arrays; a change in what they do not cover must not change what is read."""
    whole = proposal_bytes(TWO, (6, 5))
    messages = []
    for place, flip in itertools.product(range(len(whole)), (0x01, 0x80, 0xFF)):
        damaged = bytearray(whole)
        damaged[place] ^= flip
        try:
            found, size = read(tmp_path, bytes(damaged))
        except ValueError as error:
            messages.append(str(error))
            continue
        np.testing.assert_array_equal(found.boxes, TWO.boxes)
        np.testing.assert_array_equal(found.scores, TWO.scores)
        assert size in ((6, 5), None)
    assert len(messages) > len(whole)
    for message in messages:
        assert message.startswith(f"{tmp_path / 'a.jpg.npz'}: ")
        assert "\n" not in message


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gone\.npz: cannot be read: No such file or directory"):
        read_proposals(tmp_path / "gone.npz")
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        read_proposals(tmp_path)
    with pytest.raises(ValueError, match=r"expected an \.npz file"):
        read(tmp_path, b"\x93NUMPY not a zip")


@pytest.mark.parametrize(
    ("proposals", "size", "message"),
    [
        (TWO, (0, 5), "size: expected (height, width) of at least 1, got (0, 5)"),
        (Proposals(np.full((1, 4), np.inf, np.float32), np.zeros(1, np.float32)), (1, 1), "boxes: expected finite"),
    ],
)
def test_what_could_not_be_read_is_not_written(proposals: Proposals, size: tuple[int, int], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        proposal_bytes(proposals, size)
