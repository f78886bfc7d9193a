"""Exit statuses of the command line, as documented in the README."""

from __future__ import annotations

OK = 0
ERROR = 1
USAGE = 2
SOME_IMAGES_FAILED = 3


class UsageError(Exception):
    """The command or its configuration is wrong; the message is one sentence that says what to do."""
