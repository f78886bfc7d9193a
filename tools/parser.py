"""How verbs read their flags: `--help` keeps its line breaks, and an error is one line that suggests what was meant."""

from __future__ import annotations

import difflib
import os
import re
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import (  # type: ignore[attr-defined]  # its __all__ is put together when it is imported
    ActionConfigFile,
    ArgumentParser,
    DefaultHelpFormatter,
)

from tools.exit_status import UsageError


class HelpFormatter(DefaultHelpFormatter, RawDescriptionHelpFormatter):
    """jsonargparse's formatter with the description as it was written."""


class ConfigFile(ActionConfigFile):
    """`--config FILE`, whose errors name the file."""

    @staticmethod
    def apply_config(parser: Any, cfg: Any, dest: str, value: Any) -> None:
        """Take the settings of a YAML file.

        Raises:
            TypeError: jsonargparse's kind: if the file is no YAML, or has a setting that the parser has not.
        """
        if os.path.isfile(value):
            _check_file(parser, Path(value))
        ActionConfigFile.apply_config(parser, cfg, dest, value)


class Parser(ArgumentParser):
    """A parser whose errors are one sentence."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._repeatable: set[str] = set()
        super().__init__(*args, **options)

    def add_argument(self, *names: Any, **options: Any) -> Any:
        """argparse's; `action="config"` is a `ConfigFile`."""
        if options.get("action") == "config":
            options["action"] = ConfigFile
        return super().add_argument(*names, **options)

    def add_repeatable(self, name: str, **options: Any) -> Any:
        """An argument whose type is one value or a list of them; the flag given again adds to what it gave before.

        Given once, it replaces what is in a configuration before it, as other flags do.
        """
        self._repeatable.add(name)
        return self.add_argument(name, **options)

    def parse_args(self, args: Sequence[str] | None = None, *others: Any, **options: Any) -> Any:  # type: ignore[override]
        """jsonargparse's, with flags that may be given again."""
        given = sys.argv[1:] if args is None else args
        return super().parse_args(repeats_as_additions(given, self._repeatable), *others, **options)

    def accept_dashes(self) -> None:
        """Let `--data-root` be `--data_root`, for all flags so far; `--help` shows the second."""
        for name, action in list(self._option_string_actions.items()):
            self._option_string_actions.setdefault(name.replace("_", "-"), action)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises UsageError, where argparse prints its usage and leaves."""
        parser = getattr(ex, "subcommand_parser", None) or self
        verb = parser.prog.replace(" [options]", "")
        if missing := re.match(r"the following arguments are required: ((?:\w+\.)+)", message):  # of a sub-verb
            message = message.replace(missing[1], "")
            verb = " ".join([verb, *missing[1].split(".")]).rstrip()
        sentence = _readable(message) + _place(message, parser) + _suggestion(message, _names(parser))
        raise UsageError(f"{sentence}; see `{verb} --help`") from ex


def repeats_as_additions(args: Sequence[str], repeatable: Collection[str]) -> list[str]:
    """`--model A --model=B` as jsonargparse says it: `--model A --model+=B`.

    What comes after a `--config` replaces what that file says, and after `--` nothing is a flag.
    """
    result: list[str] = []
    seen: set[str] = set()
    for position, argument in enumerate(args):
        flag, equals, value = argument.partition("=")
        if argument == "--":
            return [*result, *args[position:]]
        if flag == "--config":
            seen.clear()
        again = flag in seen
        if flag in repeatable:
            seen.add(flag)
        result.append(f"{flag}+{equals}{value}" if again else argument)
    return result


def make_parser(description: str, **options: Any) -> Parser:
    """A parser that takes flags in full only: an abbreviation would change its meaning with the next new flag."""
    return Parser(description=description, formatter_class=HelpFormatter, allow_abbrev=False, **options)


def _readable(message: str) -> str:
    """jsonargparse's message on one line, in terms of flags rather than of its Namespace."""
    text = " ".join(message.split())
    text = re.sub(r'^Parser key "([\w.]+)":', lambda match: f"--{match[1].replace('_', '-')}:", text)
    text = re.sub(r"<class '(\w+)'>", r"\1", text)
    text = re.sub(r"(Expected a str\. Got value: )(-?[\d.]+)$", r'\1\2 (in quotes it is one: "\2")', text)
    return text.rstrip(".")


def _check_file(parser: Parser, file: Path) -> None:
    import yaml

    try:
        content = yaml.safe_load(file.read_text("utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"
        raise TypeError(f"Problems parsing config {file}{where}: {getattr(error, 'problem', None) or error}") from error
    except (OSError, UnicodeError) as error:
        raise TypeError(f"{file}: cannot be read: {error}") from error
    known = {action.dest for action in parser._actions if not action.dest.endswith(".help")}
    groups = {one for one in known if any(other.startswith(f"{one}.") for other in known)}
    for name in _keys(content) if isinstance(content, dict) else ():
        if name not in known and not any(name.startswith(f"{one}.") for one in known - groups):
            raise TypeError(f"{file} does not accept option '{name}'")


def _keys(content: Mapping[Any, Any], above: str = "") -> Iterator[str]:
    """`optimisation.steps` of {"optimisation": {"steps": 3}}."""
    for key, value in content.items():
        if isinstance(value, dict) and value:
            yield from _keys(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def _names(parser: Parser) -> list[str]:
    names = [option for action in parser._actions for option in action.option_strings]
    choices = [choice for action in parser._actions for choice in action.choices or ()]
    return [*names, *map(str, choices)]


def _place(message: str, parser: Parser) -> str:
    """Where several arguments without a flag are taken, that argparse takes them from one place only; or nothing."""
    several = any(not action.option_strings and action.nargs in ("+", "*") for action in parser._actions)
    misplaced = re.search(r"unrecognized arguments: [^-]", message)
    return " (expected beside the others, with no flag between them)" if several and misplaced else ""


def _suggestion(message: str, names: Iterable[str]) -> str:
    """ " (did you mean --min-score?)" for a name in the message that resembles a known one, or nothing."""
    plain = {name.lstrip("-").replace("_", "-"): name for name in names}
    unknown = re.search(r"unrecognized arguments: --([\w.-]+)|(?:[Oo]ption|choice:) '([\w.-]+)'", message)
    if unknown is None:
        return ""
    word = (unknown[1] or unknown[2]).replace("_", "-")
    near = difflib.get_close_matches(word, plain, n=1)
    return f" (did you mean {plain[near[0]]}?)" if near else ""
