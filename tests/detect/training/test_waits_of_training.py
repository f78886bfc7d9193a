"""What a training step has the host wait for on a GPU (docs/decisions/0019-waits-on-a-gpu.md), counted without one."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from gpu_waits import gpu_waits, on_fake_gpu
from shared_samples import SETTINGS, picture
from tiny_training import OUTPUTS, TinyOutputs, tiny_objective
from torch import Tensor, nn

from detect.googlenet import GoogLeNet
from detect.input_format import BVLC_INPUT
from detect.region_warp import WarpSettings
from detect.training.network_pass import training_outputs
from detect.training.objective import SUMS, Objective
from detect.training.region_samples import Distortion, RegionBatch, TrainingBatch
from detect.training.region_upload import upload
from detect.training.shared_pass import shared_outputs
from detect.training.shared_upload import upload_shared
from detect.training.training_module import NetworkTraining

GPU = torch.device("cuda")
DROPOUT = {"generator_seed": 5, "total_slots": 16, "dropout": 0.4}
SAMPLES = (picture(0, 5, mirrored=True), picture(1, 8, distortion=Distortion(1.2, 0.9, 1.1, 0.02)))


def network() -> GoogLeNet:
    with torch.device(GPU):
        return GoogLeNet(6, auxiliary=True).train()


def test_uploads_wait_for_nothing() -> None:
    batch, how = TrainingBatch(0, 0, SAMPLES), {"input_format": BVLC_INPUT, "device": GPU, "regions_per_image": 8}
    assert gpu_waits(lambda: upload(batch, warp=WarpSettings(size=32, context=4), **how)) == []  # type: ignore[arg-type]
    assert gpu_waits(lambda: upload_shared(batch, settings=SETTINGS, **how)) == []  # type: ignore[arg-type]


def test_a_pass_with_dropout_waits_for_nothing() -> None:
    def run(network: GoogLeNet) -> None:
        images = torch.zeros(2, 3, 224, 224, device=GPU)
        options: dict[str, Any] = {"frozen": "conv2", "auxiliary_dropout": 0.7, **DROPOUT}
        training_outputs(network, images, slots=torch.arange(2), **options)

    assert gpu_waits(run, network) == []


@pytest.mark.parametrize("samples", [SAMPLES, ()])
def test_a_pass_over_shared_regions_waits_for_nothing(samples: tuple[Any, ...]) -> None:
    def given() -> tuple[GoogLeNet, RegionBatch]:
        batch = TrainingBatch(0, 0, samples)
        how: dict[str, Any] = {"input_format": BVLC_INPUT, "device": GPU, "regions_per_image": 8}
        return network(), upload_shared(batch, settings=SETTINGS, **how)

    def run(both: tuple[GoogLeNet, RegionBatch]) -> None:
        shared_outputs(both[0], both[1].regions, frozen="none", slots=both[1].slots, **DROPOUT)  # type: ignore[arg-type]

    assert gpu_waits(run, given) == []


@pytest.mark.parametrize("per_class", [False, True])
def test_the_objective_waits_for_nothing(per_class: bool) -> None:
    def given() -> Objective:
        objective = tiny_objective(auxiliary=0.3, box_weight=2.0, per_class=per_class)
        on_fake_gpu(objective)
        return objective

    def run(objective: Objective) -> None:
        logits = torch.zeros(3, OUTPUTS, device=GPU, requires_grad=True)
        deltas = torch.zeros(3, 8 if per_class else 4, device=GPU, requires_grad=True)
        batch = RegionBatch(
            regions=torch.zeros(3, 3, 6, 6, device=GPU),
            targets=torch.zeros(3, dtype=torch.int64, device=GPU),
            deltas=torch.zeros(3, 4, device=GPU),
            regress=torch.zeros(3, dtype=torch.bool, device=GPU),
            near=torch.zeros(3, dtype=torch.bool, device=GPU),
            slots=torch.arange(3),
        )
        objective(TinyOutputs(logits, (logits,), deltas, logits[:, 0], deltas[:, :4]), batch)

    assert gpu_waits(run, given) == []


class OneNumber(NetworkTraining[Any]):
    """A network of one number on the GPU, outside of Lightning's loop."""

    sum_names = SUMS
    trainer = SimpleNamespace(world_size=1)  # type: ignore[assignment]

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.network = nn.Linear(1, 1, device=GPU)
        self.settings = SimpleNamespace(learning_rate=1.0)  # type: ignore[assignment]
        self._factor, self.per_batch, self.unreadable, self._figures = (lambda step: 1.0), 4, {}, {}
        self.logged: list[Tensor] = []

    def _loss(self, batch: TrainingBatch[Any]) -> tuple[Tensor, Tensor]:
        sums = torch.zeros(len(SUMS), dtype=torch.float64, device=GPU)
        return self.network(torch.zeros(1, 1, device=GPU)).sum(), sums

    def _over_processes(self, sums: Tensor) -> Tensor:
        return sums

    def _learning(self) -> Iterator[tuple[str, nn.Parameter]]:
        return self.network.named_parameters()

    def figures_of(self, sums: dict[str, float]) -> dict[str, float]:
        return {}

    def log(self, name: str, value: Any, **_: Any) -> None:
        self.logged.append(value)


def test_a_step_waits_for_its_loss_and_for_the_norm_of_its_gradient() -> None:
    training: list[OneNumber] = []

    def given() -> OneNumber:
        training.append(OneNumber())
        return training[0]

    def run(module: OneNumber) -> None:
        module.training_step(TrainingBatch(0, 0, SAMPLES))

    # `tolist`, one copy, of the sums, the loss and the number of images
    assert gpu_waits(run, given) == ["_local_scalar_dense"] * (len(SUMS) + 2)
    (shown,) = training[0].logged
    assert shown.device.type == "cpu"

    def norm(module: OneNumber) -> None:
        module.on_before_optimizer_step(None)  # type: ignore[arg-type]

    def after_a_step() -> OneNumber:
        module = OneNumber()
        module.training_step(TrainingBatch(0, 0, SAMPLES))
        for _, parameter in module._learning():
            parameter.grad = torch.zeros_like(parameter)
        return module

    assert gpu_waits(norm, after_a_step) == ["_local_scalar_dense"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_torch_sees_no_wait_in_a_pass_and_its_gradient() -> None:
    learner, objective = network(), tiny_objective(auxiliary=0.3).to(GPU)
    learner.classifier, options = nn.Linear(1024, OUTPUTS, device=GPU), {"frozen": "conv2", **DROPOUT}

    def learn() -> None:
        how: dict[str, Any] = {"input_format": BVLC_INPUT, "device": GPU, "regions_per_image": 8}
        batch = upload_shared(TrainingBatch(0, 0, SAMPLES), settings=SETTINGS, **how)
        outputs = shared_outputs(learner, batch.regions, slots=batch.slots, **options)  # type: ignore[arg-type]
        batch.targets.zero_()
        objective(outputs, batch)[0].backward()

    learn()  # what is loaded at its first use may wait
    torch.cuda.set_sync_debug_mode("error")
    try:
        learn()
    finally:
        torch.cuda.set_sync_debug_mode("default")
