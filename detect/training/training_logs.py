"""The figures of a run: a CSV file that survives interruptions, and TensorBoard's."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from detect.whole_files import output_error, write_whole

METRICS = "metrics.csv"
KEPT = "metrics.csv.kept"  # what a resumed run keeps of it, for the moment in which Lightning has deleted it
FLUSHED_EVERY = 10  # steps


def run_loggers(folder: Path, first_step: int, *, main: bool) -> list[Logger]:
    """Loggers into `folder`: metrics.csv and tensorboard/.

    A resumed run keeps the rows of the steps that it has behind it and drops later ones, which it will log again.

    Args:
        first_step: the first that will be logged.
        main: whether this process writes; others have loggers that do nothing.
    Raises:
        OutputError: if the folder cannot be written; the rows so far stay where they are.
    """
    table = CSVLogger(folder, name="", version="", flush_logs_every_n_steps=FLUSHED_EVERY)
    if main:
        _keep_rows(table, folder, first_step)
    return [table, TensorBoardLogger(folder, name="", version="tensorboard", purge_step=first_step)]


def _keep_rows(table: CSVLogger, folder: Path, first_step: int) -> None:
    """Begin the table with the rows before `first_step`, which are in a whole file at every moment."""
    try:
        found = read_metrics(folder / METRICS) or read_metrics(folder / KEPT)
        rows = [row for row in found if row["step"] < first_step]
        names = sorted({name for row in rows for name in row})
        if rows:
            write_whole(folder / KEPT, _table(rows, names))
        writer = table.experiment  # deletes what is there
        if rows:
            os.replace(folder / KEPT, folder / METRICS)
        (folder / KEPT).unlink(missing_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    writer.metrics_keys = names


def _table(rows: list[dict[str, float]], names: list[str]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, names)
    writer.writeheader()
    writer.writerows({**row, "step": int(row["step"])} for row in rows)
    return file.getvalue().encode()


def append_metrics(path: Path, step: int, figures: Mapping[str, float]) -> None:
    """Add a row, whatever columns there are so far; the file appears whole.

    Raises:
        OutputError: if it cannot be written.
    """
    try:
        rows = [*read_metrics(path), {**figures, "step": step}]
    except OSError as error:
        raise output_error(path, error) from error
    write_whole(path, _table(rows, sorted({name for row in rows for name in row})))


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The rows of a metrics.csv, each with its step and what was logged; empty where there is no file.

    A row that an interrupted run left unfinished is passed over.
    """
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [row for row in map(_numbers, csv.DictReader(file)) if "step" in row]


def _numbers(row: dict[str | None, str | list[str] | None]) -> dict[str, float]:
    if None in row or None in row.values():
        return {}
    try:
        return {str(name): float(str(value)) for name, value in row.items() if value != ""}
    except ValueError:
        return {}
