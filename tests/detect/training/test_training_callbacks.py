"""Checkpoints, orderly stops and validation in the middle of a run."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from test_checkpoints import largest_file
from tiny_training import TinyNetwork, tiny_fit, tiny_module
from torch import Tensor

from detect.training import training_callbacks
from detect.training.checkpoints import find_checkpoint, read_checkpoint
from detect.training.region_samples import TrainingBatch
from detect.training.training_logs import read_metrics
from detect.whole_files import OutputError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


@pytest.mark.parametrize(
    ("every", "steps", "kept"), [(4, 12, (8, 12)), (5, 12, (10, 12)), (100, 3, (3,)), (1, 3, (2, 3))]
)
def test_checkpoints_come_in_time_and_at_the_end(tmp_path: Path, every: int, steps: int, kept: Any) -> None:
    result = tiny_fit(tiny_module(), tmp_path, steps=steps, checkpoint_every=every)
    assert names(tmp_path) == [f"step-{step:06d}.ckpt" for step in kept]
    assert (result.step, result.finished) == (steps, True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_finishes_its_step_and_saves(tmp_path: Path, number: signal.Signals) -> None:
    def change(batch: TrainingBatch) -> TrainingBatch:
        if batch.step == 6:
            os.kill(os.getpid(), number)
        return batch

    before = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)]
    validated: list[int] = []
    said: list[str] = []
    result = tiny_fit(
        tiny_module(),
        tmp_path,
        change=change,
        validate=lambda step, _: validated.append(step) or {},
        say=said.append,
    )
    assert said == ["stopping once this step is done and saved; Ctrl-C again stops at once"]
    assert not result.finished
    assert result.step in (6, 7)  # batches are made ahead
    assert names(tmp_path)[-1] == f"step-{result.step:06d}.ckpt"
    assert validated == [0]
    assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)] == before


def test_a_second_interrupt_does_not_wait(tmp_path: Path) -> None:
    def change(batch: TrainingBatch) -> TrainingBatch:
        if batch.step == 6:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return batch

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        tiny_fit(tiny_module(), tmp_path, change=change)
    assert names(tmp_path) == ["step-000004.ckpt"]
    assert signal.getsignal(signal.SIGINT) == before


def test_a_full_disk_stops_with_a_sentence_and_the_older_checkpoint_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = training_callbacks.write_checkpoint

    def no_room_after_4(path: Path, content: Any) -> None:
        with largest_file(4096 if content["global_step"] > 4 else 10**9):
            write(path, content)

    monkeypatch.setattr(training_callbacks, "write_checkpoint", no_room_after_4)
    with pytest.raises(OutputError, match=r"cannot write .*step-000008.ckpt: .*; make room"):
        tiny_fit(tiny_module(), tmp_path)
    assert names(tmp_path) == ["step-000004.ckpt"]
    assert find_checkpoint(tmp_path / "checkpoints", {"seed": 1}).step == 4


def test_a_disk_that_is_full_elsewhere_is_a_sentence_too(tmp_path: Path) -> None:
    class Full(lightning.Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left on device; make room"):
        tiny_fit(tiny_module(), tmp_path, callbacks=[Full()])


def test_a_checkpoint_says_whose_it_is(tmp_path: Path) -> None:
    tiny_fit(tiny_module(), tmp_path, settings={"data": (Path("a"),), "rate": 0.1})
    content = read_checkpoint(tmp_path / "checkpoints" / "step-000012.ckpt")
    assert content["settings"] == {"data": ["a"], "rate": 0.1}


@pytest.mark.parametrize(
    ("every", "wanted"), [(None, [0, 12]), (0, []), (5, [0, 5, 10, 12]), (4, [0, 4, 8, 12]), (12, [0, 12])]
)
def test_validation_when_it_is_due(tmp_path: Path, every: int | None, wanted: list[int]) -> None:
    result = tiny_fit(tiny_module(), tmp_path, validate=lambda step, _: {"map": step / 100}, validate_every=every)
    assert result.validations == tuple((step, {"map": step / 100}) for step in wanted)
    rows = read_metrics(tmp_path / "logs" / "metrics.csv")
    assert [(row["step"], row["map"]) for row in rows if "map" in row] == [(step, step / 100) for step in wanted]


def test_validation_sees_the_averages_and_changes_nothing(tmp_path: Path) -> None:
    seen: list[dict[str, Tensor]] = []

    def validate(step: int, state: dict[str, Tensor]) -> dict[str, float]:
        TinyNetwork().load_state_dict(state)
        seen.append({name: value.clone() for name, value in state.items()})
        for value in state.values():
            value.zero_()
        torch.rand(7)
        return {}

    watched, alone = tiny_module(), tiny_module()
    tiny_fit(watched, tmp_path / "a", validate=validate, validate_every=3)
    tiny_fit(alone, tmp_path / "b")
    for name, value in alone.averaged_state().items():
        assert torch.equal(watched.averaged_state()[name], value)
        assert torch.equal(seen[-1][name], value)
        assert torch.equal(seen[0][name], TinyNetwork().state_dict()[name])


def test_a_validation_that_fails_stops_the_run(tmp_path: Path) -> None:
    def validate(step: int, state: dict[str, Tensor]) -> dict[str, float]:
        if step:
            raise ValueError("no ground truth")
        return {}

    with pytest.raises(ValueError, match="no ground truth"):
        tiny_fit(tiny_module(), tmp_path, validate=validate, validate_every=8)
    assert names(tmp_path) == ["step-000004.ckpt", "step-000008.ckpt"]  # saved before it validates
