"""The flags that every verb over folders of images has: what it reads, where it writes, which part, and how again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

if TYPE_CHECKING:
    from detect.run_folder import Mode


def add_source_options(parser: ArgumentParser) -> None:
    """Add --config, SOURCE... and --out."""
    parser.add_argument("--config", action="config", help="YAML file with any of these settings")
    parser.add_argument("source", nargs="+", type=str, help="image files, folders, globs, or a .txt list of paths")
    parser.add_argument("--out", type=str, required=True, help="folder for the results")


def add_run_options(parser: ArgumentParser) -> None:
    """Add --resume, --overwrite and --shard."""
    parser.add_argument("--resume", action="store_true", help="continue the run in OUT, or start one")
    parser.add_argument("--overwrite", action="store_true", help="delete the run in OUT first")
    parser.add_argument("--shard", type=str | None, default=None, help="i/n: the i-th of n parts of the images, from 1")


def run_mode(options: Namespace) -> Mode:
    """What to do with a run that is in --out already.

    Raises:
        ValueError: for --resume and --overwrite together.
    """
    if options.resume and options.overwrite:
        raise ValueError("--resume and --overwrite: expected one of them, got both")
    if options.resume:
        return "resume"
    return "overwrite" if options.overwrite else "new"
