"""`googlenet-rcnn VERB`: the command line, one file per verb."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from jsonargparse import ArgumentParser

from tools import detect, models
from tools.exit_status import ERROR, OK, USAGE, UsageError
from tools.help_format import make_parser

DESCRIPTION = """R-CNN-style object detection after GoogLeNet's winning ILSVRC 2014 entry.

  googlenet-rcnn detect PHOTOS --out OUT      named, scored boxes for a folder of photos
  googlenet-rcnn models list                  the networks that detect can use

`googlenet-rcnn VERB --help` explains each verb."""


def build_parser() -> ArgumentParser:
    """The parser of all verbs."""
    parser = make_parser(DESCRIPTION, prog="googlenet-rcnn", version=_version())
    verbs = parser.add_subcommands(dest="verb", metavar="VERB")
    detect.add_to(verbs)
    models.add_to(verbs)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status.

    0: done; 3: finished, some images failed; 2: usage or configuration; 1: anything else. Errors that a user can
    cause are one line on stderr.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser()
    if not arguments:
        parser.print_help()
        return USAGE
    options = parser.parse_args(arguments)
    run = {"detect": detect.run, "models": models.run}[options.verb]
    try:
        return run(options[options.verb])
    except UsageError as error:
        return _complain(str(error), USAGE)
    except KeyboardInterrupt:
        return _complain("interrupted", ERROR)
    except BrokenPipeError:  # the reader of our output (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        if os.environ.get("GOOGLENET_RCNN_DEBUG"):
            raise
        return _complain(f"{_sentence(error)} (GOOGLENET_RCNN_DEBUG=1 shows where)", ERROR)


def _complain(sentence: str, status: int) -> int:
    print(f"googlenet-rcnn: {sentence}", file=sys.stderr)
    return status


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, OSError | ValueError) and text else f"{type(error).__name__}: {text}"


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("googlenet-rcnn")
    except PackageNotFoundError:
        return "unknown"
