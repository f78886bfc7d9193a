"""Names from the outside, made fit to be shown."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NOT_TEXT = re.compile(r"[\x80-\x9f\u2028\u2029\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff]")
_DIRECTION = re.compile(r"[\u202a-\u202e\u2066-\u2069]")  # they would turn the text behind the name around


def visible(name: str) -> str:
    """The same text, with a sign in place of what has none: a newline becomes ␊, a byte of no character �.

    It says nothing about markup: escaping is for whoever puts the text into a page.
    """
    name = _CONTROL.sub(lambda match: chr(0x2421 if match[0] == "\x7f" else 0x2400 + ord(match[0])), name)
    return _DIRECTION.sub("�", _NOT_TEXT.sub("�", name))
