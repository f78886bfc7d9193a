"""What `train backbone` trains, validates, saves and reports."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.backbone_data import BackboneData, read_backbone_data
from configs.backbone_training import BackboneTrainingConfig
from tools.training_description import run_description
from tools.training_job import TrainingJob, with_origin

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    import torch
    from torch import Tensor

    from detect.training.training_loop import Stream
    from detect.training.training_report import Summary


class BackboneJob(TrainingJob):
    """A classification network's training.

    Raises:
        ValueError, DownloadError, OutputError: what the user has to change.
    """

    outcome = ("top-1 accuracy", "top1")
    config: BackboneTrainingConfig
    data: BackboneData

    def __init__(self, config: BackboneTrainingConfig, out: Path, device: torch.device) -> None:
        from configs.backbone_parts import build_module, build_start, load_model_to_start, run_settings
        from detect.training.checkpoints import DATA_SUMMARY

        self.config, self._out, self._device = config, out, device
        model = load_model_to_start(config)
        self.data = read_backbone_data(config, out)
        self._info, network = build_start(config, model, self.data)
        self.settings = {**run_settings(config, self.data, model, network), DATA_SUMMARY: self.data.summary()}
        self.module = build_module(config, self._info, network, self.data)
        self.judge = self.build_judge()
        self.description = run_description(config, self.settings, self.data, device.type)

    def stream(self) -> Stream:
        """Batches of views of images."""
        from configs.backbone_parts import build_stream

        return build_stream(self.config, self.data)

    def save(self, path: Path) -> None:
        """The averaged weights in full precision, as training may go on from them; no auxiliary classifiers."""
        from detect.model_file import save_model

        train = self.data.train
        origin = with_origin(self._info.provenance, data=train.name, images=len(train), settings=self.settings)
        info = dataclasses.replace(self._info, name=self.config.name or self._out.resolve().name, provenance=origin)
        save_model(path, info, self.module.averaged_state())

    def report(self, *, metrics: Path, before: Summary | None, after: Summary | None) -> Mapping[str, Any]:
        """The curves, and the accuracy of each class before and after."""
        from detect.training.backbone_report import backbone_figures, write_backbone_report

        train = self.data.train
        write_backbone_report(
            self._out,
            metrics=metrics,
            classes=train.classes,
            trained=train.counts().tolist(),
            before=before,
            after=after,
        )
        return backbone_figures(before, after)

    def last_words(self, path: Path) -> str:
        """How to measure it."""
        size = "" if self.config.size == 224 else f" --size {self.config.size}"
        return f"{path} is the network: googlenet-rcnn evaluate classification --model {path}{size} --images TREE"

    def validate(self, state: dict[str, Tensor]) -> tuple[Summary, Mapping[str, float]]:
        """Classify the held-back images."""
        from detect.training.backbone_validation import validate_backbone, validation_figures
        from detect.training.validation import model_of

        assert self.data.held_back is not None
        summary = validate_backbone(
            model_of(self._info, state),
            self.data.held_back,
            size=self.config.size,
            device=str(self._device),
            precision=self.config.optimisation.precision,
            workers=self.config.workers,
        )
        return summary, validation_figures(summary)
