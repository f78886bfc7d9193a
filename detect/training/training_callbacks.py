"""What happens between two steps of a run: checkpoints, an orderly stop, validation."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
import torch
from lightning.pytorch.plugins.io import CheckpointIO
from torch import Tensor

from detect.training.checkpoints import (
    SETTINGS,
    checkpoint_path,
    plain_settings,
    read_checkpoint,
    remove_old,
    write_checkpoint,
)
from detect.training.failures import TrainingFailure
from detect.training.training_module import RegionTraining
from detect.whole_files import OutputError

Validate = Callable[[int, dict[str, Tensor]], Mapping[str, float]]
STOPPING = (signal.SIGINT, signal.SIGTERM)


class WholeCheckpoints(CheckpointIO):
    """How Lightning writes and reads checkpoints: whole ones.

    A failed write is kept in `failure`: the process that writes must tell the others before it raises.
    """

    failure: OutputError | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write it, or keep the failure."""
        try:
            write_checkpoint(Path(path), checkpoint)
        except OutputError as error:
            self.failure = error

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read it on the CPU."""
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Delete it."""
        Path(path).unlink(missing_ok=True)


class Checkpoints(lightning.Callback):
    """Saves every so many steps, at the end, and when the run is told to stop by SIGTERM or Ctrl-C.

    Told to stop, training finishes its step, saves and leaves the loop in order; a second Ctrl-C does not wait.

    Args:
        folder: for the checkpoints; the last two are kept.
        every: steps.
        settings: of the run, kept in each checkpoint.
        files: the writer that the trainer was given.
        say: hears, once, that the run was told to stop.
    Attributes:
        stopped: whether the run was told to stop.
    """

    def __init__(
        self,
        *,
        folder: Path,
        every: int,
        settings: Mapping[str, Any],
        files: WholeCheckpoints,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._folder, self._every, self._files, self._say = folder, every, files, say
        self._settings = plain_settings(settings)
        self._saved: int | None = None
        self._handlers: dict[signal.Signals, Any] = {}
        self.stopped = False

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Listen for signals; what Lightning has registered rests until the end."""
        self._saved = trainer.global_step if trainer.global_step else None
        if threading.current_thread() is threading.main_thread():
            self._handlers = {one: signal.signal(one, self._stop) for one in STOPPING}

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: Any, *_: Any) -> None:
        """Save when it is time, stop when told."""
        if trainer.world_size > 1:
            self.stopped = bool(trainer.strategy.reduce_boolean_decision(self.stopped, all=False))
        if self.stopped or trainer.global_step % self._every == 0:
            self._save(trainer)
        trainer.should_stop = trainer.should_stop or self.stopped

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save the end."""
        self._save(trainer)
        self._listen_no_more()

    def on_exception(self, trainer: lightning.Trainer, pl_module: Any, exception: BaseException) -> None:
        """Nothing is saved: a step may be half done."""
        self._listen_no_more()

    def on_save_checkpoint(self, trainer: lightning.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Say whose checkpoint it is."""
        checkpoint[SETTINGS] = self._settings

    def _save(self, trainer: lightning.Trainer) -> None:
        step = trainer.global_step
        if step == self._saved:
            return
        for logger in trainer.loggers:
            logger.save()
        trainer.save_checkpoint(checkpoint_path(self._folder, step))
        failure = self._files.failure
        told = trainer.strategy.broadcast(None if failure is None else str(failure))
        if told is not None:
            raise failure or OutputError(told)
        if trainer.is_global_zero:
            remove_old(self._folder)
        self._saved = step

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.stopped and number == signal.SIGINT:
            raise KeyboardInterrupt
        if self._say is not None and not self.stopped:
            self._say("stopping once this step is done and saved; Ctrl-C again stops at once")
        self.stopped = True

    def _listen_no_more(self) -> None:
        for one, handler in self._handlers.items():
            signal.signal(one, handler)
        self._handlers = {}


class PeriodicValidation(lightning.Callback):
    """Validates the averaged weights on the first process, while the others wait, and logs what comes out.

    Args:
        validate: (steps done, the network's averaged state dict) → named figures.
        every: steps; None: before the first step and after the last; 0: never.
        steps: of the whole run; after the last one it always validates.
    Attributes:
        history: (steps done, figures) of each validation of this process, in order.
    """

    def __init__(self, validate: Validate, *, every: int | None, steps: int) -> None:
        self._validate, self._every, self._steps = validate, every, steps
        self.history: list[tuple[int, dict[str, float]]] = []

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Before the first step; a resumed run repeats the validation of the step it starts from."""
        self._when_due(trainer, pl_module)

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: Any) -> None:
        """After a step, unless the run has been told to stop."""
        if not trainer.should_stop:
            self._when_due(trainer, pl_module)

    def _when_due(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        step = trainer.global_step
        periodic = bool(self._every) and step % (self._every or 1) == 0
        if self._every == 0 or not (periodic or step in (0, self._steps)):
            return
        assert isinstance(module, RegionTraining)
        failure: Exception | None = None
        if trainer.is_global_zero:
            try:
                self._record(trainer, step, module.averaged_state())
            except Exception as error:
                failure = error
        told = trainer.strategy.broadcast(None if failure is None else f"validation after step {step}: {failure}")
        if failure is not None:
            raise failure
        if told is not None:
            raise TrainingFailure(told)

    def _record(self, trainer: lightning.Trainer, step: int, state: dict[str, Tensor]) -> None:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            found = dict(self._validate(step, state))
        self.history.append((step, found))
        for logger in trainer.loggers:
            logger.log_metrics(found, step)
            logger.save()
