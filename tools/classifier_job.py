"""What `train classifier` trains, validates, saves and reports."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.training import ClassifierTrainingConfig
from configs.training_data import TrainingData, read_training_data
from tools.folder_runs import MOST_WORKERS, usable_cores
from tools.progress import ImageProgress
from tools.training_description import run_description
from tools.training_job import TrainingJob, with_origin

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    import torch
    from torch import Tensor

    from detect.model_info import ModelInfo
    from detect.training.training_loop import Stream
    from detect.training.training_report import Summary


class ClassifierJob(TrainingJob):
    """A region classifier's training.

    Args:
        writes: whether this process writes files.
    Raises:
        ValueError, DownloadError, OutputError: what the user has to change.
    """

    outcome = ("mAP", "mAP")
    config: ClassifierTrainingConfig
    data: TrainingData

    def __init__(self, config: ClassifierTrainingConfig, out: Path, device: torch.device, *, writes: bool) -> None:
        from configs.backbone_choice import load_start
        from configs.training_parts import (
            build_module,
            build_start,
            build_store,
            load_teacher,
            run_settings,
        )
        from detect.training.checkpoints import DATA_SUMMARY

        self.config, self._out, self._device = config, out, device
        model = load_start(config)
        teacher = load_teacher(config, model)
        self.data = read_training_data(config, out)
        self.settings = {**run_settings(config, self.data, model, teacher), DATA_SUMMARY: self.data.summary()}
        self._info, network = build_start(config, model, self.data)
        self._start = {name: value.detach().clone() for name, value in network.state_dict().items()}
        self._store = build_store(config, out)
        self.module = build_module(config, self._info, network, self.data, teacher)
        kindred = {"kindred": True} if config.detection.kindred else {}
        self.judge = self.build_judge(limit=config.validation.limit, **kindred)
        self.description = run_description(config, self.settings, self.data, device.type)
        self._lacking = self._without_proposals() if writes else []

    def check(self) -> None:
        """The store must be there before proposals go into it."""
        if self._lacking:
            self._store.make()

    def prepare(self) -> list[tuple[Path, str]]:
        """Propose for the images that have no proposals yet."""
        if not self._lacking:
            return []
        paths, hashes = zip(*self._lacking, strict=True)
        with ImageProgress(len(paths), doing="proposing") as progress:
            return self._store.fill(
                paths,
                hashes,
                min(MOST_WORKERS, usable_cores()),
                lambda path, reason: progress.advance(failed=reason is not None),
            )

    def stream(self) -> Stream:
        """Batches of images with the regions that are learnt from."""
        from configs.training_parts import build_stream

        return build_stream(self.config, self.data, self._store)

    def save(self, path: Path) -> None:
        """The averaged weights, with the share of those at the start, and with what is carried over."""
        import torch

        from detect.model_file import save_model

        info = self._with_origin(self._detecting(self._info))
        save_model(path, info, self._carried(self.module.averaged_state()), dtype=torch.float16)

    def report(self, *, metrics: Path, before: Summary | None, after: Summary | None) -> Mapping[str, Any]:
        """The curves, and the classes before and after."""
        from detect.training.training_report import figures, objects_per_class, write_report

        trained = objects_per_class(self.data.train).tolist()
        write_report(self._out, metrics=metrics, before=before, after=after, trained=trained)
        return figures(before, after)

    def last_words(self, path: Path) -> str:
        """How to detect with it."""
        return f"{path} is the detector: googlenet-rcnn detect PHOTOS --model {path}"

    def validate(self, state: dict[str, Tensor]) -> tuple[Summary, Mapping[str, float]]:
        """Detect on the held-back images, and score."""
        from detect.training.training_report import validation_summary
        from detect.training.validation import model_of, validate

        held_back = self.data.held_back
        assert held_back is not None
        hashes = self.data.hashes_of(held_back)
        result = validate(
            model_of(self._detecting(self._info), self._carried(state)),
            held_back,
            lambda index: self._store.boxes(hashes[index]),
            limit=self.config.validation.limit,
            device=str(self._device),
            precision=self.config.optimisation.precision,
            workers=self.config.workers,
        )
        return validation_summary(result), result.metrics

    def _carried(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        from configs.training_parts import carried_over

        start, here = ({name: value.to(self._device) for name, value in one.items()} for one in (self._start, state))
        return carried_over(self.config, self._info, self.data, start, here)

    def _without_proposals(self) -> list[tuple[Path, str | None]]:
        parts = [self.data.train] if self.data.held_back is None else [self.data.train, self.data.held_back]
        paths = [path for part in parts for path in part.images]
        return self._store.lacking(paths, [self.data.hashes[path] for path in paths])

    def _detecting(self, info: ModelInfo) -> ModelInfo:
        """The description of what is validated and saved."""
        from detect.training.class_maps_cls import with_kindred

        return dataclasses.replace(info, classes=with_kindred(info.classes)) if self.config.detection.kindred else info

    def _with_origin(self, info: ModelInfo) -> ModelInfo:
        """The description with what it was trained on, and by which code."""
        train = self.data.train
        settings = without_places(self.settings)
        if self.config.start_share:
            settings["start_share"] = self.config.start_share
        origin = with_origin(info.provenance, data=train.name, images=len(train), settings=settings)
        return dataclasses.replace(info, name=self.config.name or self._out.resolve().name, provenance=origin)


def without_places(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a model's file, which travels, says of its training: nothing of where proposals were kept."""
    proposals = {name: value for name, value in settings["proposals"].items() if name != "store"}
    return {**settings, "proposals": proposals}
