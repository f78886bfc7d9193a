"""`googlenet-rcnn train classifier`: annotated images in, a detector's model file out."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ActionSubCommands, Namespace

from tools.exit_status import ERROR, OK, USAGE, UsageError
from tools.folder_runs import say_not_written
from tools.messages import complain
from tools.run_options import run_mode
from tools.train_options import build_parser, config_of


def add_to(parent: ActionSubCommands) -> None:
    """Add `train classifier`."""
    parent.add_subcommand("classifier", build_parser(), help="fine-tune a network into a detector")


def run(options: Namespace) -> int:
    """Train, or check the data; returns the exit status.

    Of several processes the first one speaks; another one does of what only it can know.
    """
    from detect.download import DownloadError
    from detect.run_folder import RunFolderError
    from detect.training.failures import TrainingFailure
    from detect.training.processes import MainProcessFailed, is_main_process
    from detect.whole_files import OutputError
    from tools.training_check import check_data
    from tools.training_run import train

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
            return check_data(config, Path(options.out)) if speaks else OK
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
