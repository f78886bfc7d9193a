"""`googlenet-rcnn train classifier`: annotated images in, a detector's model file out."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ActionSubCommands, Namespace

from tools.exit_status import ERROR, UsageError
from tools.folder_runs import say_not_written
from tools.messages import complain
from tools.run_options import run_mode
from tools.train_options import build_parser, config_of


def add_to(parent: ActionSubCommands) -> None:
    """Add `train classifier`."""
    parent.add_subcommand("classifier", build_parser(), help="fine-tune a network into a detector")


def run(options: Namespace) -> int:
    """Train, or check the data; returns the exit status."""
    from detect.download import DownloadError
    from detect.run_folder import RunFolderError
    from detect.training.failures import TrainingFailure
    from detect.whole_files import OutputError
    from tools.training_check import check_data
    from tools.training_run import train

    try:
        mode = run_mode(options)
        if not options.out:
            raise ValueError("--out: expected a folder, got nothing")
        config = config_of(options)
        if options.check_data:
            return check_data(config, Path(options.out))
        return train(config, Path(options.out), mode)
    except (DownloadError, TrainingFailure) as error:
        complain(str(error))
        return ERROR
    except OutputError as error:
        say_not_written(error)
        return ERROR
    except (ValueError, RunFolderError) as error:
        raise UsageError(str(error)) from error
