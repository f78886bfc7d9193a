"""What a command says: results on stdout, everything else on stderr, one sentence a line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


def tell(text: str) -> None:
    """Print on stdout."""
    _print(text, sys.stdout)


def complain(sentence: str) -> None:
    """Print one line on stderr, after the program's name."""
    _print(f"googlenet-rcnn: {sentence}", sys.stderr)


def flush() -> None:
    """Hand stdout's buffer over; after a reader has gone, Python would complain about it at exit."""
    if sys.stdout is not None:
        with _until_nobody_reads(sys.stdout):
            sys.stdout.flush()


def _print(text: str, stream: TextIO | None) -> None:
    """A reader who has seen enough (head, less) is no error; a name that is not UTF-8 is shown with escapes."""
    if stream is None:  # closed by whoever started us
        return
    encoding = stream.encoding or "utf-8"
    with _until_nobody_reads(stream):
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


@contextmanager
def _until_nobody_reads(stream: TextIO) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
