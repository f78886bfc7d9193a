from __future__ import annotations

import pytest

from detect.score_page.visible_text import visible


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("café <b> & \"x\" 'y'", "café <b> & \"x\" 'y'"),  # escaping is the page's business
        ("a\nb\tc\0\x7f", "a␊b␉c␀␡"),
        ("\udce9 \ud83d", "� �"),
        ("\u202eabc\u2066", "�abc�"),
        ("\x85\u2028\ufffe", "���"),
        ("😀", "😀"),
        ("", ""),
    ],
)
def test_what_is_shown(name: str, shown: str) -> None:
    assert visible(name) == shown
    assert visible(name).encode().decode() == shown
