"""One training step of any network: a batch becomes a loss, gradients, a change of the weights and of their average."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import lightning
import torch
import torch.distributed
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from detect.training.averaging import Average
from detect.training.failures import batch_files, not_finite, nothing_readable
from detect.training.optimiser import OptimiserSettings, optimiser
from detect.training.region_samples import BatchSample, TrainingBatch
from detect.training.schedules import schedule

Sample = TypeVar("Sample", bound=BatchSample)
Value = TypeVar("Value")
UNREADABLE = "unreadable"  # in a checkpoint


class NetworkTraining(lightning.LightningModule, Generic[Sample]):
    """A network in training, for `lightning.Trainer`, by SGD or AdamW with a schedule and Polyak averaging.

    What is learnt is a subclass's: `sum_names`, `batch_loss` and `figures_of`. The loss of a step is the sum over what
    all processes have of the batch, divided by what a full batch has: how the batch is split between processes does not
    matter, and a region counts alike in every batch. A process with an empty share takes part with a loss of 0.

    Args:
        network: on the CPU, frozen where it is not to learn.
        settings: of the optimiser.
        steps_per_epoch: mean, for the googlenet schedule.
        per_batch: regions, or whatever the loss is summed over, of a full global batch.
        average_statistics: the stored statistics of batch normalisation are averaged like the weights, for networks
            in which they change.
    Attributes:
        sum_names: of the sums of `batch_loss`.
        unit: the sum's name of what `per_batch` counts; its rate is logged.
        unreadable: (file → reason) of this process's images so far that could not be read; from a checkpoint on, of
            all processes', and those before it.
    """

    sum_names: tuple[str, ...]
    unit = "regions"

    def __init__(
        self,
        *,
        network: nn.Module,
        settings: OptimiserSettings,
        steps_per_epoch: float,
        per_batch: int,
        average_statistics: bool = False,
    ) -> None:
        super().__init__()
        self.network, self.settings, self.per_batch = network, settings, per_batch
        self._factor = schedule(settings, steps_per_epoch)
        self._average_statistics = average_statistics
        self.average = Average(settings.averaging, self._averaged())
        self.unreadable: dict[Path, str] = {}
        self._batch: TrainingBatch[Sample] | None = None
        self._figures: dict[str, float] = {}
        self._since = time.perf_counter()

    def batch_loss(self, batch: TrainingBatch[Sample]) -> tuple[Tensor | None, Tensor]:
        """This process's share of a batch → its summed loss, None where there is nothing in it, and its sums.

        The sums are float64 on the device, one for each of `sum_names`.
        """
        raise NotImplementedError

    def figures_of(self, sums: dict[str, float]) -> dict[str, float]:
        """What is logged of the sums over all processes, `unit` among it."""
        raise NotImplementedError

    def averaged_state(self) -> dict[str, Tensor]:
        """The network's state dict with its Polyak averages: what is validated and saved. Copies."""
        return self.average.over(self.network.state_dict())

    def training_step(self, batch: TrainingBatch[Sample], batch_index: int = 0) -> Tensor:
        """The loss of this process's share of a batch.

        Raises:
            TrainingFailure: if the loss is not finite, or no image of the whole batch could be read.
        """
        self._batch = batch
        self.unreadable.update(batch.unreadable)
        loss, sums = self._loss(batch)
        others = loss.detach().to(sums).view(1), sums.new_full((1,), len(batch.samples))
        # Here the host waits for the device, and once more for the gradient's norm.
        *totals, total_loss, images = self._over_processes(torch.cat([sums, *others])).tolist()
        if not math.isfinite(total_loss):
            raise not_finite("the loss", batch.step, self._files())
        if not images and batch.unreadable:
            raise nothing_readable(batch)
        figures = self.figures_of(dict(zip(self.sum_names, totals, strict=True)))
        rate = self.settings.learning_rate * self._factor(batch.step)
        self._figures = {**figures, "loss": total_loss / self.per_batch, "learning_rate": rate}
        # As a tensor: Lightning would take a number to the device, and wait, and fetch it back for its bar.
        shown = torch.tensor(self._figures["loss"])
        self.log("loss", shown, prog_bar=True, logger=False, batch_size=1)
        return loss * (self.trainer.world_size / self.per_batch)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Look at the gradient while the weights are still those before the step.

        Raises:
            TrainingFailure: if it is not finite.
        """
        assert self._batch is not None
        gradients = [parameter.grad for _, parameter in self._learning() if parameter.grad is not None]
        norm = float(torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(one) for one in gradients])))
        if not math.isfinite(norm):
            raise not_finite("the gradient", self._batch.step, self._files())
        self._figures["gradient_norm"] = norm

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Any,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """Change the weights, then their average, then tell the loggers."""
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        self.average.update(self._averaged())
        assert self._batch is not None
        seconds = time.perf_counter() - self._since
        self._figures[f"{self.unit}_per_second"] = self._figures[self.unit] / seconds
        for logger in self.loggers:
            logger.log_metrics(self._figures, self._batch.step)

    def configure_optimizers(self) -> Any:
        """The optimiser, and its schedule step by step."""
        chosen = optimiser(self.network, self.settings)
        return {"optimizer": chosen, "lr_scheduler": {"scheduler": LambdaLR(chosen, self._factor), "interval": "step"}}

    def transfer_batch_to_device(
        self, batch: TrainingBatch[Sample], device: torch.device, dataloader_idx: int
    ) -> TrainingBatch[Sample]:
        """The batch as it is: its images go to the device one by one, in the step."""
        return batch

    def on_train_start(self) -> None:
        """Averages live where the weights do."""
        self.average.to(self.device)
        self._since = time.perf_counter()

    def on_train_batch_end(self, outputs: Any, batch: TrainingBatch[Sample], batch_idx: int) -> None:
        """Start the clock of the next step; checkpoints and validation, which come before this, are no part of it."""
        self._since = time.perf_counter()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Averages belong to the state, and which images no process could read so far; every process must ask."""
        checkpoint["average"] = self.average.state_dict()
        for others in self._of_each({str(path): why for path, why in self.unreadable.items()}):
            self.unreadable.update({Path(path): why for path, why in others.items()})
        checkpoint[UNREADABLE] = {str(path): why for path, why in self.unreadable.items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from the saved averages, and from what could not be read."""
        self.average.load_state_dict(checkpoint["average"])
        known = checkpoint.get(UNREADABLE, {})  # not in those of version 0.6
        self.unreadable = {Path(path): why for path, why in known.items()}

    def _loss(self, batch: TrainingBatch[Sample]) -> tuple[Tensor, Tensor]:
        loss, sums = self.batch_loss(batch)
        if loss is None:
            nothing = torch.zeros((), device=self.device)
            loss = sum((parameter.sum() * 0 for _, parameter in self._learning()), nothing)
        return loss, sums

    def _learning(self) -> Iterator[tuple[str, nn.Parameter]]:
        return ((name, one) for name, one in self.network.named_parameters() if one.requires_grad)

    def _averaged(self) -> Iterator[tuple[str, Tensor]]:
        yield from self._learning()
        if self._average_statistics:
            yield from ((name, one) for name, one in self.network.named_buffers() if name.endswith(("_mean", "_var")))

    def _over_processes(self, sums: Tensor) -> Tensor:
        return self.trainer.strategy.reduce(sums, reduce_op="sum")

    def _files(self) -> list[Path]:
        """Of the global batch; every process must ask."""
        assert self._batch is not None
        return [file for one in self._of_each(batch_files(self._batch)) for file in one]

    def _of_each(self, value: Value) -> list[Value]:
        """What every process has, in their order; every process must ask."""
        of_each: list[Any] = [value] * self.trainer.world_size
        if self.trainer.world_size > 1:
            torch.distributed.all_gather_object(of_each, value)
        return of_each
