"""A training run from its data to its model file and report."""

from __future__ import annotations

import dataclasses
import json
import platform
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.training import ClassifierTrainingConfig
from configs.training_data import TrainingData, read_training_data
from tools.exit_status import ERROR, OK, SOME_IMAGES_FAILED
from tools.folder_runs import MOST_WORKERS, usable_cores
from tools.messages import complain, tell
from tools.progress import ImageProgress
from tools.run_description import commit, versions

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    from torch import Tensor

    from detect.model_file import Model
    from detect.model_info import ModelInfo
    from detect.run_folder import Mode
    from detect.training.proposal_store import ProposalStore
    from detect.training.training_folder import TrainingFolder
    from detect.training.training_loop import FitResult
    from detect.training.training_module import RegionTraining
    from detect.training.training_report import Summary

BEFORE = "before.json"


def train(config: ClassifierTrainingConfig, out: Path, mode: Mode) -> int:
    """Train and report; returns the exit status.

    Further processes of the same run, which Lightning or `torchrun` start with the same command, write nothing.

    Raises:
        ValueError, RunFolderError: what the user has to change.
        DownloadError, TrainingFailure, OutputError: what stopped the run.
    """
    from detect.training.processes import is_main_process
    from detect.training.training_folder import TrainingFolder

    with TrainingFolder(out, mode) if is_main_process() else nullcontext() as folder:
        return _Run(config, out, folder, fresh=mode != "resume").run()


class _Run:
    """One process of a run.

    Args:
        folder: of the process that writes; None in the others.
        fresh: start from the first step, whatever checkpoints there are.
    """

    def __init__(
        self, config: ClassifierTrainingConfig, out: Path, folder: TrainingFolder | None, *, fresh: bool
    ) -> None:
        from configs.training_parts import load_start, run_settings
        from detect.devices import resolve_device
        from detect.training.checkpoints import FoundCheckpoint, find_checkpoint

        self.config, self.out, self.folder = config, out, folder
        self.device = resolve_device(config.device)
        self.model: Model | None = load_start(config)
        self.data: TrainingData = read_training_data(config, out)
        self.settings = run_settings(config, self.data, self.model)
        self.found = FoundCheckpoint(None, 0) if fresh else find_checkpoint(out / "checkpoints", self.settings)
        self.unread: list[tuple[Path, str]] = []
        self.started = time.monotonic()

    def run(self) -> int:
        """Everything; returns the exit status."""
        from configs.training_parts import build_module, build_start, build_store
        from detect.training.freed_memory import keep_freed_memory

        if self.device.type == "cpu":
            keep_freed_memory()
        info, network = build_start(self.config, self.model, self.data)
        start = (network.classifier.weight.detach().clone(), network.classifier.bias.detach().clone())
        if self.folder:
            self._start()
        store = build_store(self.config, self.out)
        self._propose(store)
        module = build_module(self.config, info, network, self.data)
        judge = _Judge(self, info, start, store)
        result = self._fit(module, store, judge)
        if not self.folder:
            return OK
        if not result.finished:
            complain(f"interrupted after {result.step} of {self.config.optimisation.steps} steps; go on with --resume")
            return ERROR
        return self._finish(module, judge, info)

    def _start(self) -> None:
        import yaml

        from detect.whole_files import write_whole

        assert self.folder is not None
        for note in self.found.notes:
            complain(note)
        if self.found.step:
            complain(f"going on after step {self.found.step}")
        else:
            for line in _summary(self.data):
                complain(line)
        self.folder.start(self._description())
        config = yaml.safe_dump(json.loads(json.dumps(dataclasses.asdict(self.config))), sort_keys=False)
        write_whole(self.out / "config.yaml", config.encode())

    def _description(self) -> dict[str, Any]:
        return {
            "config": dataclasses.asdict(self.config),
            "settings": self.settings,
            "commit": commit(),
            "versions": {**versions(), **versions(("lightning",))},
            "python": platform.python_version(),
            "processor": platform.processor() or platform.machine(),
            "device": self.device.type,
            "data": _counts(self.data),
        }

    def _propose(self, store: ProposalStore) -> None:
        """Fill the store with what it lacks."""
        parts = [self.data.train] if self.data.held_back is None else [self.data.train, self.data.held_back]
        paths = [path for part in parts for path in part.images]
        hashes = [self.data.hashes[path] for path in paths]
        lacking = store.lacking(paths, hashes)
        if not lacking:
            return
        with ImageProgress(len(lacking), doing="proposing") as progress:
            self.unread = store.fill(
                paths,
                hashes,
                min(MOST_WORKERS, usable_cores()),
                lambda path, reason: progress.advance(failed=reason is not None),
            )

    def _fit(self, module: RegionTraining, store: ProposalStore, judge: _Judge) -> FitResult:
        from configs.training_parts import build_stream
        from detect.training.training_loop import fit
        from tools.training_progress import StepProgress

        config, rates = self.config, self.config.optimisation
        regions = config.sampling.foreground + config.sampling.background
        return fit(
            module,
            build_stream(config, self.data, store),
            steps=rates.steps,
            out=self.out,
            settings=self.settings,
            checkpoint_every=config.checkpoint_every,
            device=self.device,
            devices=config.devices,
            precision=rates.precision,
            clip=rates.clip,
            validate=None if self.data.held_back is None or config.validation.every == 0 else judge,
            validate_every=config.validation.every,
            resume_from=self.found if self.found.path else None,
            callbacks=[StepProgress(rates.steps, regions)] if self.folder else [],
        )

    def _finish(self, module: RegionTraining, judge: _Judge, info: ModelInfo) -> int:
        """The model file first, then what is said of it."""
        import torch

        from detect.model_file import save_model
        from detect.training.training_logs import METRICS
        from detect.training.training_report import figures, objects_per_class, write_report
        from detect.whole_files import write_whole

        assert self.folder is not None
        save_model(self.folder.model_path, self._with_origin(info), judge.state_of(module), dtype=torch.float16)
        before, after = _read_summary(self.out / BEFORE), judge.last
        write_report(
            self.out,
            metrics=self.out / "logs" / METRICS,
            before=before,
            after=after,
            trained=objects_per_class(self.data.train).tolist(),
        )
        unread = {str(path): why for path, why in (*self.unread, *module.unreadable.items())}
        if unread:
            lines = "".join(f"{path}: {why}\n" for path, why in sorted(unread.items()))
            write_whole(self.out / "unreadable.txt", lines.encode())
        score = figures(before, after)
        seconds = round(time.monotonic() - self.started, 1)
        description = {**self._description(), "figures": score, "seconds_of_last_session": seconds}
        self.folder.describe({**description, "unreadable_images": len(unread), "status": "finished"})
        if after is not None:
            tell(f"mAP on {score['num_images']} held-back images: {_shown(before)} before, {_shown(after)} after")
        tell(f"{self.folder.model_path} is the detector: googlenet-rcnn detect PHOTOS --model {self.folder.model_path}")
        if unread:
            complain(f"{len(unread)} images could not be read; {self.out / 'unreadable.txt'} says why")
        return SOME_IMAGES_FAILED if unread else OK

    def _with_origin(self, info: ModelInfo) -> ModelInfo:
        """The description with what it was trained on, and by which code."""
        data = f"{len(self.data.train)} images of {self.data.train.name}"
        before = info.provenance.data
        origin = dataclasses.replace(
            info.provenance,
            data=f"{before}; fine-tuned on {data}" if before else data,
            config=json.dumps(self.settings, sort_keys=True),
            commit=commit() or "",
        )
        return dataclasses.replace(info, name=self.config.name or self.out.resolve().name, provenance=origin)


class _Judge:
    """Validates weights in training as they would be saved.

    Attributes:
        last: the last validation's summary; None before the first.
    """

    def __init__(self, run: _Run, info: ModelInfo, start: tuple[Tensor, Tensor], store: ProposalStore) -> None:
        self._run, self._info, self._start, self._store = run, info, start, store
        self.last: Summary | None = None

    def __call__(self, step: int, state: dict[str, Tensor]) -> Mapping[str, float]:
        """Detect on the held-back images; the first result is kept as what was before."""
        from detect.training.training_report import validation_summary
        from detect.training.validation import model_of, validate
        from detect.whole_files import write_whole

        run = self._run
        held_back = run.data.held_back
        assert held_back is not None
        hashes = run.data.hashes_of(held_back)
        result = validate(
            model_of(self._info, self._carried(state)),
            held_back,
            lambda index: self._store.boxes(hashes[index]),
            limit=run.config.validation.limit,
            device=str(run.device),
            precision=run.config.optimisation.precision,
            workers=run.config.workers,
        )
        self.last = validation_summary(result)
        if step == 0:
            write_whole(run.out / BEFORE, json.dumps(self.last, indent=2).encode() + b"\n")
        return result.metrics

    def state_of(self, module: RegionTraining) -> dict[str, Tensor]:
        """The averaged weights, with what is carried over: what is saved."""
        return self._carried(module.averaged_state())

    def _carried(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        from configs.training_parts import carried_over

        run = self._run
        start = (self._start[0].to(run.device), self._start[1].to(run.device))
        return carried_over(run.config, self._info, run.data, start, state)


def _summary(data: TrainingData) -> list[str]:
    counts = _counts(data)
    lines = [
        f"{counts['images']} images to train on, {counts['objects']} objects, {counts['classes_with_boxes']} of "
        f"{len(data.train.classes)} classes have boxes; {counts['held_back_images']} images held back"
    ]
    if data.problems:
        lines.append(f"{len(data.problems)} problems with the data; --check-data lists them")
    return lines


def _counts(data: TrainingData) -> dict[str, Any]:
    from detect.training.data_check import data_report

    report = data_report(data.train, data.problems)
    return {
        "name": report.name,
        "images": report.images,
        "objects": report.objects,
        "ambiguous": report.ambiguous,
        "outside": report.outside,
        "ignored": report.ignored,
        "classes_with_boxes": report.classes_with_boxes,
        "held_back_images": 0 if data.held_back is None else len(data.held_back),
        "problems": report.problems,
    }


def _read_summary(path: Path) -> Summary | None:
    """What an earlier session of this run measured before the first step."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _shown(summary: Summary | None) -> str:
    value = None if summary is None else summary["mAP"]
    return "not known" if value is None else f"{value:.3f}"
