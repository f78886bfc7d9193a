"""What --resume and --overwrite come to."""

from __future__ import annotations

import pytest
from jsonargparse import Namespace

from tools.parser import make_parser
from tools.run_options import add_run_options, add_source_options, run_mode


@pytest.mark.parametrize(("argv", "mode"), [([], "new"), (["--resume"], "resume"), (["--overwrite"], "overwrite")])
def test_the_mode_of_a_run(argv: list[str], mode: str) -> None:
    parser = make_parser("x")
    add_source_options(parser)
    add_run_options(parser)
    options = parser.parse_args(["photos", "--out", "out", *argv])
    assert run_mode(options) == mode
    assert (options.source, options.out, options.shard) == (["photos"], "out", None)


def test_both_are_refused() -> None:
    with pytest.raises(ValueError, match="--resume and --overwrite: expected one of them, got both"):
        run_mode(Namespace(resume=True, overwrite=True))
