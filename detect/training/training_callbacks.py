"""What happens between two steps of a run: checkpoints, an orderly stop, validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
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
from detect.training.training_module import NetworkTraining
from detect.training.training_signals import CutShort, StopSignals
from detect.whole_files import OutputError

Validate = Callable[[int, dict[str, Tensor]], Mapping[str, float]]


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
        signals: tell that the run is to stop.
    """

    def __init__(
        self,
        *,
        folder: Path,
        every: int,
        settings: Mapping[str, Any],
        files: WholeCheckpoints,
        signals: StopSignals,
    ) -> None:
        self._folder, self._every, self._files, self._signals = folder, every, files, signals
        self._settings = plain_settings(settings)
        self._saved: int | None = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Listen for signals; what Lightning has registered rests until the end."""
        self._saved = trainer.global_step if trainer.global_step else None
        self._signals.listen()

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: Any, *_: Any) -> None:
        """Save when it is time, stop when told."""
        if trainer.world_size > 1:
            told = trainer.strategy.reduce_boolean_decision(self._signals.stopped, all=False)
            self._signals.stopped = bool(told)
        if self._signals.stopped or trainer.global_step % self._every == 0:
            self._save(trainer)
        trainer.should_stop = trainer.should_stop or self._signals.stopped

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save the end."""
        self._save(trainer)
        self._signals.listen_no_more()

    def on_exception(self, trainer: lightning.Trainer, pl_module: Any, exception: BaseException) -> None:
        """Nothing is saved: a step may be half done."""
        self._signals.listen_no_more()

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


class PeriodicValidation(lightning.Callback):
    """Validates the averaged weights on the first process, while the others wait, and logs what comes out.

    Args:
        validate: (steps done, the network's averaged state dict) → named figures.
        every: steps; None: before the first step and after the last; 0: never.
        steps: of the whole run; after the last one it always validates.
        signals: a stop ends a validation without a result.
    Attributes:
        history: (steps done, figures) of each validation of this process, in order.
    """

    def __init__(self, validate: Validate, *, every: int | None, steps: int, signals: StopSignals) -> None:
        self._validate, self._every, self._steps, self._signals = validate, every, steps, signals
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
        assert isinstance(module, NetworkTraining)
        failure: Exception | None = None
        stopped = False
        if trainer.is_global_zero:
            try:
                with self._signals.cutting_short():
                    self._record(trainer, step, module.averaged_state())
            except CutShort:
                stopped = True
            except Exception as error:
                failure = error
        sentence = None if failure is None else f"validation after step {step}: {failure}"
        told, stopped = trainer.strategy.broadcast((sentence, stopped))
        if failure is not None:
            raise failure
        if told is not None:
            raise TrainingFailure(told)
        if stopped:
            self._signals.stopped = trainer.should_stop = True

    def _record(self, trainer: lightning.Trainer, step: int, state: dict[str, Tensor]) -> None:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            found = dict(self._validate(step, state))
        self.history.append((step, found))
        for logger in trainer.loggers:
            logger.log_metrics(found, step)
            logger.save()
