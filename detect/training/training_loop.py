"""A training run from its first step, or the one it was interrupted at, to its last, by Lightning's Trainer."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.strategies import DDPStrategy, Strategy

from detect.devices import resolve_precision
from detect.training.checkpoints import FoundCheckpoint
from detect.training.processes import is_main_process
from detect.training.region_samples import TrainingBatch
from detect.training.training_callbacks import Checkpoints, PeriodicValidation, Validate, WholeCheckpoints
from detect.training.training_logs import run_loggers
from detect.training.training_module import NetworkTraining
from detect.training.training_signals import StopSignals
from detect.whole_files import output_error

Stream = Callable[[int, int, int], AbstractContextManager[Iterator[TrainingBatch[Any]]]]
PATIENCE = timedelta(hours=12)  # of processes that wait while the first one validates


@dataclass(frozen=True)
class FitResult:
    """How a run ended.

    Attributes:
        step: steps done, all in all.
        finished: False: it was told to stop, and can be resumed.
        validations: (steps done, figures) of this process's validations in this run.
        is_main: whether this is the process that writes files.
    """

    step: int
    finished: bool
    validations: tuple[tuple[int, dict[str, float]], ...]
    is_main: bool


def fit(
    module: NetworkTraining[Any],
    stream: Stream,
    *,
    steps: int,
    out: Path,
    settings: Mapping[str, Any],
    checkpoint_every: int,
    device: torch.device,
    devices: int = 1,
    precision: str = "auto",
    clip: float | None = None,
    validate: Validate | None = None,
    validate_every: int | None = None,
    resume_from: FoundCheckpoint | None = None,
    callbacks: Sequence[lightning.Callback] = (),
    progress: bool = False,
    say: Callable[[str], None] | None = None,
) -> FitResult:
    """Train, and leave the weights in `module`.

    Several processes: this one starts the others by running its own command again, unless `torchrun` started them
    all. Each takes its share of every batch.

    Args:
        stream: (first step, process number, number of processes) → this process's batches up to the last step.
        steps: of the whole run, those before an interruption included.
        out: folder; gets checkpoints/ and logs/.
        settings: of the run, kept in each checkpoint (`checkpoints.find_checkpoint` compares them).
        devices: processes on this machine; under `torchrun` its own number counts.
        precision: auto, fp32 or bf16 (autocast; the weights stay float32).
        clip: largest norm of the gradient.
        validate, validate_every: see `PeriodicValidation`.
        resume_from: as `find_checkpoint` found it.
        say: hears, on the main process, that the run was told to stop (SIGTERM or Ctrl-C). It then finishes its step;
            a second Ctrl-C leaves at once. A validation under way is not finished.
    Raises:
        KeyboardInterrupt: after a second Ctrl-C, or one before training has begun.
        ValueError: if the run to resume has more steps behind it than `steps`, or the stream ends too early.
        TrainingFailure: if a loss or gradient is not finite.
        OutputError: if a checkpoint cannot be written, or the disk is full.
    """
    first_step = resume_from.step if resume_from else 0
    if first_step > steps:
        raise ValueError(f"steps: expected at least the {first_step} that the checkpoint has behind it, got {steps}")
    files = WholeCheckpoints()
    signals = StopSignals(say if is_main_process() else None)
    saving = Checkpoints(
        folder=out / "checkpoints",
        every=checkpoint_every,
        settings=settings,
        files=files,
        signals=signals,
    )
    validation = None
    if validate is not None:
        validation = PeriodicValidation(validate, every=validate_every, steps=steps, signals=signals)
    bars = [_StepsBar(steps)] if progress else []
    with _quiet():
        trainer = lightning.Trainer(
            **_hardware(device, devices, precision),
            max_steps=steps,
            max_epochs=-1,
            gradient_clip_val=clip,
            logger=run_loggers(out / "logs", first_step, main=is_main_process()),
            callbacks=[saving, *([validation] if validation else []), *bars, *callbacks],
            plugins=[files],
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=progress,
            use_distributed_sampler=False,
            default_root_dir=out,
        )
        loader = _Loader(stream, trainer, steps)
        path = resume_from.path if resume_from else None
        try:
            trainer.fit(module, train_dataloaders=loader, ckpt_path=path)
        except SystemExit as error:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from error
        except OSError as error:
            failure = output_error(out, error)
            raise (failure if failure.disk_full else error) from error
        finally:
            loader.close()
    history = tuple(validation.history) if validation else ()
    return FitResult(trainer.global_step, not signals.stopped, history, trainer.is_global_zero)


class _Loader:
    """The stream as Lightning wants it: iterable, from the step that the trainer is at."""

    def __init__(self, stream: Stream, trainer: lightning.Trainer, steps: int) -> None:
        self._stream, self._trainer, self._steps = stream, trainer, steps
        self._open: list[Any] = []

    def __iter__(self) -> Iterator[TrainingBatch[Any]]:
        batches = self._batches()
        self._open.append(batches)
        return batches

    def close(self) -> None:
        """Leave the stream's context, however training ended."""
        for one in self._open:
            one.close()

    def _batches(self) -> Iterator[TrainingBatch[Any]]:
        trainer, step = self._trainer, self._trainer.global_step
        with self._stream(step, trainer.global_rank, trainer.world_size) as batches:
            for batch in batches:
                yield batch
                step += 1
        if step < self._steps:  # Lightning would begin it anew for ever
            raise ValueError(f"stream: expected batches up to step {self._steps}, got none for step {step}")


class _StepsBar(TQDMProgressBar):
    """Progress over the steps of the whole run."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._steps = steps

    @property
    def total_train_batches(self) -> int:
        """Of the bar; the loader itself has no length."""
        return self._steps


def _hardware(device: torch.device, devices: int, precision: str) -> dict[str, Any]:
    started, nodes = os.environ.get("LOCAL_WORLD_SIZE"), os.environ.get("GROUP_WORLD_SIZE", "1")
    count = int(started) if started else devices
    strategy: str | Strategy = "auto"
    if count * int(nodes) > 1:
        backend = "gloo" if device.type == "cpu" else "nccl"
        strategy = DDPStrategy(process_group_backend=backend, broadcast_buffers=False, timeout=PATIENCE)
    chosen: list[int] | int = [device.index] if device.index is not None and count == 1 else count
    return {
        "accelerator": "cpu" if device.type == "cpu" else "gpu",
        "devices": count if device.type == "cpu" else chosen,
        "num_nodes": int(nodes) if started else 1,
        "strategy": strategy,
        "precision": "bf16-mixed" if resolve_precision(precision, device) == torch.bfloat16 else "32-true",
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Errors still come through; tips, lists of hardware and advice on loaders do not."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    before = [one.level for one in loggers]
    try:
        for one in loggers:
            one.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\.")
            yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)
