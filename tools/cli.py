"""`googlenet-rcnn VERB`: the command line, one file per verb."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from tools import detect, evaluate, models, propose, train
from tools.exit_status import ERROR, USAGE, UsageError
from tools.messages import complain, flush
from tools.parser import Parser, make_parser
from tools.stop_signals import ignore_stop_signals, interrupt_on_sigterm

DESCRIPTION = """R-CNN-style object detection after GoogLeNet's winning ILSVRC 2014 entry.

  googlenet-rcnn detect PHOTOS --out OUT      named, scored boxes for a folder of photos
  googlenet-rcnn propose PHOTOS --out OUT     boxes where an object might be, for each photo
  googlenet-rcnn evaluate detections          mAP by the rules of ILSVRC, VOC or COCO, and why
  googlenet-rcnn evaluate proposals           how many objects such boxes cover, given ground truth
  googlenet-rcnn evaluate classification      top-1 and top-5 accuracy of networks, by 1, 10 or 144 crops
  googlenet-rcnn train classifier             a detector from annotated photos
  googlenet-rcnn train multibox               learned proposals, to be added to selective search
  googlenet-rcnn train backbone               a classification network, for a detector to start from
  googlenet-rcnn models list                  the networks that detect can use

`googlenet-rcnn VERB --help` explains each verb."""


VERBS = {"detect": detect, "propose": propose, "train": train, "evaluate": evaluate, "models": models}


def build_parser() -> Parser:
    """The parser of all verbs."""
    parser = make_parser(DESCRIPTION, prog="googlenet-rcnn", version=_version())
    verbs = parser.add_subcommands(dest="verb", metavar="VERB")
    for verb in VERBS.values():
        verb.add_to(verbs)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status.

    0: done; 3: finished, some images failed; 2: usage or configuration; 1: anything else. Errors that a user can
    cause are one line on stderr. GOOGLENET_RCNN_DEBUG=1 in the environment lets other errors through.

    Raises:
        SystemExit: with 0, for --help, --version and --print_config.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except UsageError as error:
        complain(str(error))
        return USAGE
    except KeyboardInterrupt:
        complain("interrupted")
        return ERROR
    except Exception as error:
        if os.environ.get("GOOGLENET_RCNN_DEBUG"):
            raise
        complain(f"{_sentence(error)} (GOOGLENET_RCNN_DEBUG=1 shows where)")
        return ERROR
    finally:
        flush()


def program() -> NoReturn:
    """`main` as a process of its own, which ends with its status.

    Leaving an interpreter that has torch in it takes a while. A signal that comes then finds the work done, and does
    not make a killed command of a finished one.
    """
    interrupt_on_sigterm()
    status = main()
    ignore_stop_signals()
    sys.exit(status)


def _run(arguments: list[str]) -> int:
    parser = build_parser()
    if not arguments:
        parser.print_help(sys.stderr)
        return USAGE
    options = parser.parse_args(arguments)
    verb: str = options.verb
    status: int = VERBS[verb].run(options[verb])
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
