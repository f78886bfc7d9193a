"""How verbs read their flags: `--help` keeps its line breaks, and an error is one line that suggests what was meant."""

from __future__ import annotations

import difflib
import re
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterable
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from tools.exit_status import UsageError


class HelpFormatter(DefaultHelpFormatter, RawDescriptionHelpFormatter):
    """jsonargparse's formatter with the description as it was written."""


class Parser(ArgumentParser):
    """A parser whose errors are one sentence."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises UsageError, where argparse prints its usage and leaves."""
        parser = getattr(ex, "subcommand_parser", None) or self
        verb = parser.prog.replace(" [options]", "")
        if missing := re.match(r"the following arguments are required: ((?:\w+\.)+)", message):  # of a sub-verb
            message = message.replace(missing[1], "")
            verb = " ".join([verb, *missing[1].split(".")]).rstrip()
        sentence = _readable(message) + _suggestion(message, _names(parser))
        raise UsageError(f"{sentence}; see `{verb} --help`") from ex


def make_parser(description: str, **options: Any) -> Parser:
    """A parser that takes flags in full only: an abbreviation would change its meaning with the next new flag."""
    return Parser(description=description, formatter_class=HelpFormatter, allow_abbrev=False, **options)


def _readable(message: str) -> str:
    """jsonargparse's message on one line, in terms of flags rather than of its Namespace."""
    text = " ".join(message.split())
    text = re.sub(r'^Parser key "([\w.]+)":', lambda match: f"--{match[1].replace('_', '-')}:", text)
    text = re.sub(r"<class '(\w+)'>", r"\1", text)
    return text.rstrip(".")


def _names(parser: Parser) -> list[str]:
    names = [option for action in parser._actions for option in action.option_strings]
    choices = [choice for action in parser._actions for choice in action.choices or ()]
    return [*names, *map(str, choices)]


def _suggestion(message: str, names: Iterable[str]) -> str:
    """ " (did you mean --min-score?)" for a name in the message that resembles a known one, or nothing."""
    plain = {name.lstrip("-").replace("_", "-"): name for name in names}
    unknown = re.search(r"unrecognized arguments: --([\w.-]+)|(?:[Oo]ption|choice:) '([\w.-]+)'", message)
    if unknown is None:
        return ""
    word = (unknown[1] or unknown[2]).replace("_", "-")
    near = difflib.get_close_matches(word, plain, n=1)
    return f" (did you mean {plain[near[0]]}?)" if near else ""
