"""The blacklist's file."""

from __future__ import annotations

from pathlib import Path

import pytest
from scoring_cases import Case

from detect.scoring import read_blacklist

TRUTH = Case([7, 3]).truth()  # accordion, airplane, ant


def test_pairs_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "blacklist.txt"
    path.write_text("3 n02691156\n\n 7\tn02672831 \r\n99 n02672831\n")  # 99 is not scored
    assert read_blacklist(path, TRUTH).tolist() == [[1, 1], [0, 0]]
    path.write_text("")
    assert read_blacklist(path, TRUTH).shape == (0, 2)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("3", "line 2: expected 'INDEX WNID', got '3'"),
        ("n02691156 3", "line 2: expected 'INDEX WNID'"),
        ("3 n02691156 n02672831", "line 2: expected 'INDEX WNID'"),
        ("-3 n02691156", "line 2: expected 'INDEX WNID'"),
        ("3 n99999999", "line 2: the ground truth has no class 'n99999999'"),
    ],
)
def test_bad_lines(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "blacklist.txt"
    path.write_text(f"3 n02691156\n{line}\n")
    with pytest.raises(ValueError, match=f"--blacklist: {path}, {message}"):
        read_blacklist(path, TRUTH)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--blacklist: cannot read .*none.txt: No such file"):
        read_blacklist(tmp_path / "none.txt", TRUTH)
