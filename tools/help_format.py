"""How `--help` reads: descriptions keep their line breaks, defaults are shown."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from typing import Any

from jsonargparse import ArgumentParser, DefaultHelpFormatter


class HelpFormatter(DefaultHelpFormatter, RawDescriptionHelpFormatter):
    """jsonargparse's formatter with the description as it was written."""


def make_parser(description: str, **options: Any) -> ArgumentParser:
    """A parser whose `--help` keeps the description's lines."""
    return ArgumentParser(description=description, formatter_class=HelpFormatter, **options)
