"""Killed at any step and resumed is the same as never killed, bit for bit; two processes are as one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_training import TinySettings, tiny_fit, tiny_module
from torch import Tensor

from detect.training.checkpoints import find_checkpoint
from detect.training.region_samples import TrainingBatch
from detect.training.region_training import RegionTraining
from detect.training.training_logs import read_metrics
from detect.training.training_loop import fit

PROGRAM = Path(__file__).with_name("tiny_run.py")


class Killed(Exception):
    """As sudden as a kill: nothing is saved."""


def killed_at(step: int) -> Any:
    """For `tiny_fit(change=)`."""

    def change(batch: TrainingBatch) -> TrainingBatch:
        if batch.step == step:
            raise Killed
        return batch

    return change


def weights(module: RegionTraining) -> dict[str, Tensor]:
    """Everything that a run leaves: weights and averages."""
    averaged = {f"average of {name}": value for name, value in module.averaged_state().items()}
    return {name: value.clone() for name, value in module.network.state_dict().items()} | averaged


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(other[name], value), name


def untimed(folder: Path) -> list[dict[str, float]]:
    rows = read_metrics(folder / "logs" / "metrics.csv")
    return [{name: value for name, value in row.items() if name != "regions_per_second"} for row in rows]


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
@pytest.mark.parametrize(("every", "killed"), [(1, (1, 2, 5, 11)), (4, (3, 6, 9, 11)), (5, (11,))])
def test_killed_at_any_step_and_resumed_it_ends_with_the_same_weights(
    tmp_path: Path, every: int, killed: tuple[int, ...], optimiser: str
) -> None:
    settings = TinySettings(optimiser=optimiser)
    whole = tiny_module(settings)
    tiny_fit(whole, tmp_path / "whole", checkpoint_every=every)
    for step in killed:
        again = tiny_module(settings)
        with pytest.raises(Killed):
            tiny_fit(again, tmp_path / "parts", checkpoint_every=every, resume=True, change=killed_at(step))
    resumed = tiny_module(settings)
    result = tiny_fit(resumed, tmp_path / "parts", checkpoint_every=every, resume=True)
    assert (result.step, result.finished) == (12, True)
    assert_same(weights(whole), weights(resumed))
    assert untimed(tmp_path / "whole") == untimed(tmp_path / "parts")


def test_stopped_and_resumed(tmp_path: Path) -> None:
    def change(batch: TrainingBatch) -> TrainingBatch:
        if batch.step == 6:
            os.kill(os.getpid(), signal.SIGTERM)
        return batch

    whole, resumed = tiny_module(), tiny_module()
    tiny_fit(whole, tmp_path / "whole")
    assert not tiny_fit(tiny_module(), tmp_path / "parts", change=change).finished
    assert tiny_fit(resumed, tmp_path / "parts", resume=True).finished
    assert_same(weights(whole), weights(resumed))


def test_a_truncated_checkpoint_costs_its_steps_and_nothing_else(tmp_path: Path) -> None:
    whole, resumed = tiny_module(), tiny_module()
    tiny_fit(whole, tmp_path)
    last = tmp_path / "checkpoints" / "step-000012.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    assert tiny_fit(resumed, tmp_path, resume=True).step == 12
    assert_same(weights(whole), weights(resumed))


def test_a_finished_run_has_nothing_left_to_do(tmp_path: Path) -> None:
    module, again = tiny_module(), tiny_module()
    tiny_fit(module, tmp_path)
    rows = untimed(tmp_path)
    assert tiny_fit(again, tmp_path, resume=True).step == 12
    assert_same(weights(module), weights(again))
    assert untimed(tmp_path) == rows
    with pytest.raises(ValueError, match="steps: expected at least the 12 that the checkpoint has behind it, got 8"):
        tiny_fit(tiny_module(), tmp_path, steps=8, resume=True)


@pytest.mark.parametrize("first", [3, 8])
def test_a_finished_run_can_go_on_to_more_steps(tmp_path: Path, first: int) -> None:
    whole, resumed = tiny_module(), tiny_module()
    tiny_fit(whole, tmp_path / "whole")
    assert tiny_fit(tiny_module(), tmp_path / "parts", steps=first).finished
    assert tiny_fit(resumed, tmp_path / "parts", resume=True).step == 12
    assert_same(weights(whole), weights(resumed))
    assert untimed(tmp_path / "whole") == untimed(tmp_path / "parts")


def test_a_resumed_run_validates_as_the_whole_one(tmp_path: Path) -> None:
    def validate(step: int, state: dict[str, Tensor]) -> dict[str, float]:
        return {"sum": float(sum(value.sum() for value in state.values()))}

    tiny_fit(tiny_module(), tmp_path / "whole", validate=validate, validate_every=4)
    with pytest.raises(Killed):
        tiny_fit(tiny_module(), tmp_path / "parts", change=killed_at(7), validate=validate, validate_every=4)
    tiny_fit(tiny_module(), tmp_path / "parts", resume=True, validate=validate, validate_every=4)
    assert untimed(tmp_path / "whole") == untimed(tmp_path / "parts")


def test_the_streams_context_is_left_however_training_ends(tmp_path: Path) -> None:
    events: list[str] = []

    class Stream:
        def __init__(self, first_step: int, rank: int, world: int) -> None:
            events.append(f"step {first_step}, {rank} of {world}")

        def __enter__(self) -> Any:
            raise Killed

        def __exit__(self, *_: object) -> None:
            events.append("left")

    class Sound(Stream):
        def __enter__(self) -> Any:
            return iter(())

    given: dict[str, Any] = {"settings": {}, "checkpoint_every": 4, "device": torch.device("cpu"), "out": tmp_path}
    with pytest.raises(Killed):
        fit(tiny_module(), Stream, steps=12, **given)
    with pytest.raises(ValueError, match="stream: expected batches up to step 12, got none for step 0"):
        fit(tiny_module(), Sound, steps=12, **given)
    assert events == ["step 0, 0 of 1", "step 0, 0 of 1", "left"]


def test_with_a_progress_bar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_fit(tiny_module(), tmp_path, progress=True)
    shown = capsys.readouterr()
    assert "12/12" in shown.out + shown.err
    assert "loss=" in shown.out + shown.err


def test_without_one_it_is_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_fit(tiny_module(), tmp_path)
    shown = capsys.readouterr()
    assert shown.out + shown.err == ""


def run(out: Path, *options: str, launcher: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *launcher, str(PROGRAM), str(out), *options]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=environment | {"OMP_NUM_THREADS": "1"}
    )


@pytest.mark.slow
def test_a_process_that_is_killed_and_started_again(tmp_path: Path) -> None:
    killed = run(tmp_path / "parts", "--signal", str(int(signal.SIGKILL)), "--signal-step", "7")
    assert killed.returncode == -signal.SIGKILL
    assert find_checkpoint(tmp_path / "parts" / "checkpoints", {"optimisation": {"steps": 12}}).step == 4
    assert run(tmp_path / "parts").stdout == "step 12 finished True\n"
    whole = tiny_module()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the process: another number sums in another order
    try:
        tiny_fit(whole, tmp_path / "whole")
    finally:
        torch.set_num_threads(threads)
    result = torch.load(tmp_path / "parts" / "result.pt")
    average = {f"average of {name}": value for name, value in result["average"].items()}
    network = {name.removeprefix("network."): value for name, value in result["weights"].items()}
    assert_same(weights(whole), network | average)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "options"),
    [
        ((), ("--devices", "2")),
        (("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"), ()),
    ],
)
def test_two_processes_have_the_loss_curve_of_one(tmp_path: Path, launcher: Any, options: Any) -> None:
    steps = 50
    result = run(tmp_path / "two", "--steps", str(steps), *options, launcher=launcher)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count(f"step {steps} finished True\n") == 1
    module = tiny_module(TinySettings(steps=steps))
    tiny_fit(module, tmp_path / "one", steps=steps)
    one, two = untimed(tmp_path / "one"), untimed(tmp_path / "two")
    assert len(one) == len(two) == steps
    for row, other in zip(one, two, strict=True):
        assert other == pytest.approx(row, abs=1e-4)
    # they see different images, and count them all
    assert {row["regions"] for row in two} == {12}


@pytest.mark.slow
def test_what_one_process_sees_stops_both(tmp_path: Path) -> None:
    failed = run(tmp_path, "--devices", "2", "--nan-step", "5", "--nan-slot", "3")
    assert failed.returncode == 1
    assert "the loss of step 5 is not finite; the batch's files: step5_slot0.jpg, step5_slot1.jpg" in failed.stderr
    stopped = run(tmp_path, "--devices", "2", "--signal", str(int(signal.SIGTERM)), "--signal-step", "7")
    assert stopped.stdout in ("step 7 finished False\n", "step 8 finished False\n")


@pytest.mark.slow
def test_what_any_process_could_not_read_is_known_to_the_first(tmp_path: Path) -> None:
    done = run(tmp_path, "--devices", "2", "--missing-step", "5")
    assert done.returncode == 0, done.stderr
    unreadable = torch.load(tmp_path / "result.pt")["unreadable"]
    assert unreadable == {"step5_slot0.jpg": "truncated", "step5_slot2.jpg": "truncated"}
