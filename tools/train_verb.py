"""What the sub-verbs of `train` have in common: which sentence and exit status an error becomes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from jsonargparse import Namespace

from tools.exit_status import ERROR, OK, USAGE, UsageError
from tools.folder_runs import say_not_written
from tools.messages import complain
from tools.run_options import run_mode

if TYPE_CHECKING:  # it takes seconds to import; `--help` must not
    from detect.run_folder import Mode

Config = TypeVar("Config")


def run_training_verb(
    options: Namespace,
    *,
    verb: str,
    config_of: Callable[[Namespace], Config],
    train: Callable[[Config, Path, Mode], int],
    check: Callable[[Config, Path], int],
) -> int:
    """Train, or check the data; returns the exit status.

    Of several processes the first one speaks; another one does of what only it can know.

    Args:
        verb: for `run.json`.
        config_of: raises ValueError where a setting is out of range.
        check: looks at the data alone, see `check_data`.
    """
    from detect.download import DownloadError
    from detect.run_folder import RunFolderError
    from detect.training.failures import TrainingFailure
    from detect.training.processes import MainProcessFailed, is_main_process
    from detect.whole_files import OutputError
    from tools.training_check import check_data

    speaks = is_main_process()
    try:
        mode = run_mode(options)
        if not options.out:
            raise ValueError("--out: expected a folder, got nothing")
        config = config_of(options)
    except ValueError as error:
        if not speaks:
            return USAGE
        raise UsageError(str(error)) from error
    try:
        if options.check_data:
            return check_data(config, Path(options.out), verb=verb, check=check) if speaks else OK
        return train(config, Path(options.out), mode)
    except MainProcessFailed:
        return ERROR
    except TrainingFailure as error:  # which every process has
        if speaks:
            complain(str(error))
        return ERROR
    except DownloadError as error:
        complain(str(error))
        return ERROR
    except OutputError as error:  # of the process that writes; it tells the others
        if speaks:
            say_not_written(error)
        return ERROR
    except (ValueError, RunFolderError) as error:
        raise UsageError(str(error)) from error
