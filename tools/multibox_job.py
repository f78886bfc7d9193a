"""What `train multibox` trains, validates, saves and reports."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.multibox_training import MultiBoxTrainingConfig
from configs.training_data import TrainingData, read_training_data
from tools.training_description import run_description
from tools.training_job import TrainingJob, with_origin

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    import torch
    from torch import Tensor

    from detect.training.training_loop import Stream
    from detect.training.training_report import Summary


class MultiBoxJob(TrainingJob):
    """MultiBox's training.

    Raises:
        ValueError, DownloadError, OutputError: what the user has to change.
    """

    outcome = ("coverage", "coverage")
    config: MultiBoxTrainingConfig
    data: TrainingData

    def __init__(self, config: MultiBoxTrainingConfig, out: Path, device: torch.device) -> None:
        from configs.multibox_parts import build_module, build_network, load_trunk, run_settings
        from detect.training.checkpoints import DATA_SUMMARY
        from detect.training.prior_boxes import normalised_objects
        from proposals.multibox_priors import prior_coverage

        self.config, self._out, self._device = config, out, device
        model = load_trunk(config)
        self.data = read_training_data(config, out)
        objects = normalised_objects(self.data.train, config.seed)
        self._info, network = build_network(config, model, objects)
        self._prior_coverage = prior_coverage(network.priors.numpy(), objects)
        settings = run_settings(config, self.data, model, self._info)
        self.settings = {**settings, DATA_SUMMARY: self.data.summary()}
        self.module = build_module(config, self._info, network, self.data)
        self.judge = self.build_judge()
        priors = {"priors": self._info.num_priors, "prior_coverage": self._prior_coverage}
        self.description = {**run_description(config, self.settings, self.data, device.type), **priors}

    def stream(self) -> Stream:
        """Batches of squashed views."""
        from configs.multibox_parts import build_stream

        return build_stream(self.config, self.data)

    def save(self, path: Path) -> None:
        """The averaged weights, and the priors."""
        from detect.multibox_file import save_multibox

        train = self.data.train
        origin = with_origin(self._info.provenance, data=train.name, images=len(train), settings=self.settings)
        name = self.config.name or self._out.resolve().name
        info = dataclasses.replace(self._info, name=name, provenance=origin)
        save_multibox(path, info, self.module.averaged_state())

    def report(self, *, metrics: Path, before: Summary | None, after: Summary | None) -> Mapping[str, Any]:
        """The curves, and the coverage before and after."""
        from detect.training.multibox_report import coverage_figures, write_coverage_report

        write_coverage_report(self._out, metrics=metrics, before=before, after=after)
        return coverage_figures(before, after)

    def last_words(self, path: Path) -> str:
        """How to propose with it."""
        return f"{path} is the model: googlenet-rcnn propose PHOTOS --method both --multibox {path}"

    def validate(self, state: dict[str, Tensor]) -> tuple[Summary, Mapping[str, float]]:
        """Propose for the held-back images, and count what is covered."""
        from detect.multibox_file import MultiBoxModel, build_multibox, network_of, rounded
        from detect.training.multibox_report import coverage_summary
        from detect.training.multibox_validation import coverage
        from proposals.multibox import MultiBoxSettings

        held_back = self.data.held_back
        assert held_back is not None
        network = network_of(self._info, rounded(state))
        proposer = build_multibox(
            MultiBoxModel(self._info, network.eval(), ""),
            device=str(self._device),
            precision=self.config.optimisation.precision,
            settings=MultiBoxSettings(batch_size=self.config.sampling.images_per_batch),
        )
        result = coverage(proposer.propose, held_back, workers=self.config.workers)
        return coverage_summary(result, self._prior_coverage), result.metrics
