"""The figures of a run: a CSV file that survives interruptions, and TensorBoard's."""

from __future__ import annotations

import csv
from pathlib import Path

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

METRICS = "metrics.csv"
FLUSHED_EVERY = 10  # steps


def run_loggers(folder: Path, first_step: int, *, main: bool) -> list[Logger]:
    """Loggers into `folder`: metrics.csv and tensorboard/.

    A resumed run keeps the rows of the steps that it has behind it and drops later ones, which it will log again.

    Args:
        first_step: the first that will be logged.
        main: whether this process writes; others have loggers that do nothing.
    """
    kept = [row for row in read_metrics(folder / METRICS) if row["step"] < first_step] if main else []
    if main:
        (folder / METRICS).unlink(missing_ok=True)
    table = CSVLogger(folder, name="", version="", flush_logs_every_n_steps=FLUSHED_EVERY)
    for row in kept:
        table.experiment.log_metrics({name: value for name, value in row.items() if name != "step"}, int(row["step"]))
    if kept:
        table.save()
    return [table, TensorBoardLogger(folder, name="", version="tensorboard", purge_step=first_step)]


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
