"""The figures of a run survive interruptions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from test_checkpoints import largest_file

from detect.training.training_logs import append_metrics, read_metrics, run_loggers
from detect.whole_files import OutputError

pytestmark = pytest.mark.filterwarnings("ignore:Experiment logs directory")  # `fit` silences it


def log(folder: Path, first_step: int, last_step: int) -> None:
    loggers = run_loggers(folder, first_step, main=True)
    for step in range(first_step, last_step):
        for logger in loggers:
            logger.log_metrics({"loss": float(step), **({"map": 0.5} if step == 2 else {})}, step)
    for logger in loggers:
        logger.finalize("success")


def test_a_resumed_run_goes_on_where_its_checkpoint_was(tmp_path: Path) -> None:
    log(tmp_path, 0, 5)
    log(tmp_path, 3, 6)
    rows = read_metrics(tmp_path / "metrics.csv")
    assert [row["step"] for row in rows] == [0, 1, 2, 3, 4, 5]
    assert rows[2] == {"step": 2, "loss": 2, "map": 0.5}
    assert rows[1] == {"step": 1, "loss": 1}
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_rows_survive_a_disk_that_fills_up_as_a_run_is_resumed(tmp_path: Path) -> None:
    log(tmp_path, 0, 5)
    before = (tmp_path / "metrics.csv").read_bytes()
    with largest_file(8), pytest.raises(OutputError, match=r"cannot write .*metrics\.csv\.kept: .*; make room"):
        run_loggers(tmp_path, 3, main=True)
    assert (tmp_path / "metrics.csv").read_bytes() == before


def test_rows_survive_a_kill_as_a_run_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(old: Path, new: Path) -> None:
        if new.name == "metrics.csv":
            raise KeyboardInterrupt
        replace(old, new)

    log(tmp_path, 0, 5)
    replace = os.replace
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            run_loggers(tmp_path, 3, main=True)
    run_loggers(tmp_path, 3, main=True)
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.csv")] == [0, 1, 2]
    assert not (tmp_path / "metrics.csv.kept").exists()


def test_a_row_is_added_with_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    append_metrics(path, 0, {"loss": 1.5})
    append_metrics(path, 3, {"mAP": 0.25})
    assert path.read_text().split() == ["loss,mAP,step", "1.5,,0", ",0.25,3"]
    assert read_metrics(path) == [{"loss": 1.5, "step": 0}, {"mAP": 0.25, "step": 3}]


def test_a_new_run_begins_anew(tmp_path: Path) -> None:
    log(tmp_path, 0, 5)
    log(tmp_path, 0, 2)
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.csv")] == [0, 1]


def test_another_process_leaves_the_file_alone(tmp_path: Path) -> None:
    log(tmp_path, 0, 3)
    run_loggers(tmp_path, 0, main=False)
    assert len(read_metrics(tmp_path / "metrics.csv")) == 3


def test_an_unfinished_row_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("loss,map,step\n1.5,,0\n2.5,,1\n3.")
    assert read_metrics(path) == [{"loss": 1.5, "step": 0}, {"loss": 2.5, "step": 1}]
    assert read_metrics(tmp_path / "none.csv") == []
