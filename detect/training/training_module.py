"""One training step: a batch of images becomes regions on the device, logits, losses, and a change of the weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import lightning
import torch
import torch.distributed
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from detect.training.averaging import Average
from detect.training.failures import batch_files, not_finite, nothing_readable
from detect.training.network_pass import step_seed
from detect.training.objective import SUMS, Objective, Outputs
from detect.training.optimiser import OptimiserSettings, optimiser
from detect.training.region_samples import RegionBatch, TrainingBatch
from detect.training.schedules import schedule


class Upload(Protocol):
    """`detect.training.region_upload.upload` with its settings bound."""

    def __call__(self, batch: TrainingBatch, *, device: torch.device) -> RegionBatch: ...


class NetworkPass(Protocol):
    """`detect.training.network_pass.training_outputs` with its settings bound."""

    def __call__(
        self, network: Any, images: Tensor, *, slots: Tensor, generator_seed: int, total_slots: int
    ) -> Outputs: ...


class RegionTraining(lightning.LightningModule):
    """A network in training, for `lightning.Trainer`, by SGD with a schedule and Polyak averaging.

    The loss of a step is the sum over the regions of all processes, divided by the regions that a full batch has:
    how the batch is split between processes does not matter, and a region counts alike in every batch. A process
    without regions takes part with a loss of 0.

    Args:
        network: any, as long as `network_pass` takes it; on the CPU, frozen where it is not to learn.
        network_pass: regions → logits, auxiliary logits, box deltas.
        upload: a batch of images → its regions on the device.
        objective: outputs and regions → loss.
        settings: of the optimiser.
        steps_per_epoch: mean, for the googlenet schedule.
        regions_per_batch: of a full global batch.
        seed: of dropout.
    Attributes:
        unreadable: (file → reason) of this process's images so far that could not be read.
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        network_pass: NetworkPass,
        upload: Upload,
        objective: Objective,
        settings: OptimiserSettings,
        steps_per_epoch: float,
        regions_per_batch: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.network, self.objective, self.settings = network, objective, settings
        self._network_pass, self._upload = network_pass, upload
        self._regions_per_batch, self._seed = regions_per_batch, seed
        self._factor = schedule(settings, steps_per_epoch)
        self.average = Average(settings.averaging, self._learning())
        self.unreadable: dict[Path, str] = {}
        self._batch: TrainingBatch | None = None
        self._figures: dict[str, float] = {}
        self._since = time.perf_counter()

    def averaged_state(self) -> dict[str, Tensor]:
        """The network's state dict with its Polyak averages: what is validated and saved. Copies."""
        return self.average.over(self.network.state_dict())

    def training_step(self, batch: TrainingBatch, batch_index: int = 0) -> Tensor:
        """The loss of this process's share of a batch.

        Raises:
            TrainingFailure: if the loss is not finite, or no image of the whole batch could be read.
        """
        self._batch = batch
        self.unreadable.update(batch.unreadable)
        loss, sums = self._loss(batch)
        others = sums.new_tensor([loss.detach(), len(batch.samples)])
        *totals, total_loss, images = self._over_processes(torch.cat([sums, others])).tolist()
        if not math.isfinite(total_loss):
            raise not_finite("the loss", batch.step, self._files())
        if not images and batch.unreadable:
            raise nothing_readable(batch)
        self._figures = self._summary(dict(zip(SUMS, totals, strict=True)), total_loss, batch.step)
        self.log("loss", self._figures["loss"], prog_bar=True, logger=False, batch_size=1)
        return loss * (self.trainer.world_size / self._regions_per_batch)

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
        self.average.update(self._learning())
        assert self._batch is not None
        seconds = time.perf_counter() - self._since
        self._figures["regions_per_second"] = self._figures["regions"] / seconds
        for logger in self.loggers:
            logger.log_metrics(self._figures, self._batch.step)

    def configure_optimizers(self) -> Any:
        """SGD, and its schedule step by step."""
        sgd = optimiser(self.network, self.settings)
        return {"optimizer": sgd, "lr_scheduler": {"scheduler": LambdaLR(sgd, self._factor), "interval": "step"}}

    def transfer_batch_to_device(
        self, batch: TrainingBatch, device: torch.device, dataloader_idx: int
    ) -> TrainingBatch:
        """The batch as it is: its images go to the device one by one, in the step."""
        return batch

    def on_train_start(self) -> None:
        """Averages live where the weights do."""
        self.average.to(self.device)
        self._since = time.perf_counter()

    def on_train_batch_end(self, outputs: Any, batch: TrainingBatch, batch_idx: int) -> None:
        """Start the clock of the next step; checkpoints and validation, which come before this, are no part of it."""
        self._since = time.perf_counter()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Averages belong to the state."""
        checkpoint["average"] = self.average.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from the saved averages."""
        self.average.load_state_dict(checkpoint["average"])

    def _loss(self, batch: TrainingBatch) -> tuple[Tensor, Tensor]:
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            regions = self._upload(batch, device=self.device)
        if not len(regions.targets):
            nothing = sum(
                (parameter.sum() * 0 for _, parameter in self._learning()), torch.zeros((), device=self.device)
            )
            return nothing, torch.zeros(len(SUMS), dtype=torch.float64, device=self.device)
        outputs = self._network_pass(
            self.network,
            regions.regions,
            slots=regions.slots,
            generator_seed=step_seed(self._seed, batch.step),
            total_slots=self._regions_per_batch,
        )
        loss, sums = self.objective(outputs, regions)
        return loss, sums

    def _learning(self) -> Iterator[tuple[str, nn.Parameter]]:
        return ((name, one) for name, one in self.network.named_parameters() if one.requires_grad)

    def _over_processes(self, sums: Tensor) -> Tensor:
        return self.trainer.strategy.reduce(sums, reduce_op="sum")

    def _files(self) -> list[Path]:
        """Of the global batch; every process must ask."""
        assert self._batch is not None
        files = batch_files(self._batch)
        if self.trainer.world_size == 1:
            return files
        of_each: list[Any] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(of_each, files)
        return [file for one in of_each for file in one]

    def _summary(self, sums: dict[str, float], loss: float, step: int) -> dict[str, float]:
        """What is logged: losses over the nominal regions, the accuracy where there is foreground, the rate."""
        figures = {name: sums[name] / self._regions_per_batch for name in SUMS[:3]}
        figures |= {"loss": loss / self._regions_per_batch, "regions": sums["regions"]}
        if sums["foreground"]:
            figures["foreground_accuracy"] = sums["right"] / sums["foreground"]
        return figures | {"learning_rate": self.settings.learning_rate * self._factor(step)}
