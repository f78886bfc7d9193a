"""Progress of training: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from typing import Any, TextIO

import lightning
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tools.progress import SECONDS_BETWEEN_LINES


class StepProgress(lightning.Callback):
    """Shows steps done, loss, speed and time left on stderr.

    Args:
        steps: of the whole run.
        per_batch: regions, or whatever is learnt from, of a batch, for the speed.
        unit: what these are.
        stream: stderr unless told otherwise.
    """

    def __init__(self, steps: int, per_batch: int, unit: str = "regions", *, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr or io.StringIO()  # stderr is None where it was closed
        self._steps, self._per_batch, self._unit = steps, per_batch, unit
        self._first = self._done = 0
        self._loss = float("nan")
        self._started = self._last_line = time.monotonic()
        self._bar: Progress | None = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begin; a first validation, which comes before, is no part of the speed."""
        self._first = self._done = trainer.global_step
        self._started = self._last_line = time.monotonic()
        if self.stream.isatty():
            self._bar = Progress(
                TextColumn("training"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[state]}"),
                TimeRemainingColumn(compact=True, elapsed_when_finished=True),
                console=Console(file=self.stream),
                speed_estimate_period=300,
            )
            self._task = self._bar.add_task("", total=self._steps, completed=self._first, state="")
            self._bar.start()

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, *_: Any) -> None:
        """One more step is done."""
        self._done = trainer.global_step
        self._loss = float(trainer.progress_bar_metrics.get("loss", self._loss))
        if self._bar:
            self._bar.update(self._task, completed=self._done, state=self._state())
        elif self._done == self._steps or time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            with contextlib.suppress(OSError):  # nobody reads stderr any more: the run goes on
                print(self.line(), file=self.stream, flush=True)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Leave the terminal as it was."""
        self._stop()

    def on_exception(self, trainer: lightning.Trainer, pl_module: Any, exception: BaseException) -> None:
        """Leave the terminal as it was."""
        self._stop()

    def line(self) -> str:
        """The state in words: `120/700 steps, loss 1.482, 31.2 regions/s, 39:40 left`."""
        parts = [f"{self._done}/{self._steps} steps", self._state()]
        if self._done < self._steps:
            left = round((self._steps - self._done) / max(self._rate(), 1e-9))
            parts.append(f"{left // 60}:{left % 60:02d} left")
        return ", ".join(parts)

    def _state(self) -> str:
        return f"loss {self._loss:.3f}, {self._rate() * self._per_batch:.1f} {self._unit}/s"

    def _rate(self) -> float:
        """Steps a second in this session."""
        return (self._done - self._first) / max(time.monotonic() - self._started, 1e-9)

    def _stop(self) -> None:
        if self._bar:
            self._bar.stop()
            self._bar = None
