"""A training run from its data to its model file and report."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.training import ClassifierTrainingConfig
from configs.training_data import DATA, TrainingData, read_training_data
from tools.exit_status import ERROR, OK, SOME_IMAGES_FAILED
from tools.folder_runs import MOST_WORKERS, usable_cores
from tools.messages import complain, tell
from tools.progress import ImageProgress
from tools.run_description import commit
from tools.training_description import config_yaml, data_summary, in_words, run_description, write_problems
from tools.training_judge import BEFORE, Judge, NotComparable

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    from detect.model_info import ModelInfo
    from detect.run_folder import Mode
    from detect.training.training_folder import TrainingFolder
    from detect.training.training_loop import FitResult
    from detect.training.training_report import Summary


def train(config: ClassifierTrainingConfig, out: Path, mode: Mode) -> int:
    """Train and report; returns the exit status.

    Further processes of the same run, which Lightning or `torchrun` start with the same command, write nothing, and
    read what the first one has written.

    Raises:
        ValueError, RunFolderError: what the user has to change; a run that is to be overwritten is still there.
        DownloadError, TrainingFailure, OutputError: what stopped the run.
        MainProcessFailed: in another process than the first, which has said why.
    """
    from detect.training.processes import is_main_process, main_process_first
    from detect.training.training_folder import TrainingFolder

    run, folder = None, None
    try:
        with main_process_first():
            folder = TrainingFolder(out, mode) if is_main_process() else None
            run = _Run(config, out, folder, fresh=mode != "resume")
            run.start()
        return run.fit()
    except KeyboardInterrupt:
        if run is None and is_main_process():
            raise
        return run.interrupted() if run else ERROR
    finally:
        if folder:
            folder.close()


class _Run:
    """One process of a run: all its parts, built and found to fit together; a run there is still as it was.

    Args:
        folder: of the process that writes; None in the others.
        fresh: start from the first step, whatever checkpoints there are.
    """

    def __init__(
        self, config: ClassifierTrainingConfig, out: Path, folder: TrainingFolder | None, *, fresh: bool
    ) -> None:
        from configs.training_parts import build_module, build_start, build_store, load_start, run_settings
        from detect.devices import resolve_device
        from detect.training.checkpoints import DATA_SUMMARY, FoundCheckpoint, find_checkpoint
        from detect.training.freed_memory import keep_freed_memory

        self.config, self.out, self.folder = config, out, folder
        self.started = time.monotonic()
        self.device = resolve_device(config.device)
        if self.device.type == "cpu":
            keep_freed_memory()
        if folder:
            folder.mark_data()
        model = load_start(config)
        self.data: TrainingData = read_training_data(config, out)
        self.settings = {**run_settings(config, self.data, model), DATA_SUMMARY: data_summary(self.data)}
        self.found = FoundCheckpoint(None, 0) if fresh else find_checkpoint(out / "checkpoints", self.settings)
        self.info, network = build_start(config, model, self.data)
        start = (network.classifier.weight.detach().clone(), network.classifier.bias.detach().clone())
        self.store = build_store(config, out)
        self.module = build_module(config, self.info, network, self.data)
        self.judge = Judge(
            config=config,
            data=self.data,
            info=self.info,
            start=start,
            store=self.store,
            device=self.device,
            out=out,
        )
        self.lacking = self._lacking() if folder else []
        self.unread: list[tuple[Path, str]] = []
        self._check()

    def _lacking(self) -> list[tuple[Path, str | None]]:
        """The images without proposals."""
        parts = [self.data.train] if self.data.held_back is None else [self.data.train, self.data.held_back]
        paths = [path for part in parts for path in part.images]
        return self.store.lacking(paths, [self.data.hashes[path] for path in paths])

    def _check(self) -> None:
        """Whatever would stop the run at its start does so here, before anything of another run is deleted."""
        import torch

        from detect.training.processes import process_count, started_together

        config, steps = self.config, self.config.optimisation.steps
        if self.found.step > steps:
            raise ValueError(
                f"optimisation.steps: expected at least the {self.found.step} that {self.found.path} has behind it, "
                f"got {steps}"
            )
        processes, images = process_count(config.devices), config.sampling.images_per_batch
        if images % processes:
            raise ValueError(f"sampling.images_per_batch: expected a multiple of {processes} processes, got {images}")
        if self.device.type == "cuda" and not started_together() and config.devices > torch.cuda.device_count():
            raise ValueError(f"devices: expected at most {torch.cuda.device_count()} GPUs, got {config.devices}")
        self.module.configure_optimizers()
        if self.lacking:
            self.store.make()

    def start(self) -> None:
        """The first writes of a run, an overwritten one's deletion among them; then the proposals."""
        from detect.training.checkpoints import remove_damaged
        from detect.whole_files import write_whole

        if not self.folder:
            return
        for note in self.found.notes:
            complain(note)
        if self.found.step:
            complain(f"going on after step {self.found.step}")
        else:
            for line in in_words(self.data):
                complain(line)
        self.folder.start(self._description())
        remove_damaged(self.found)
        write_whole(self.out / "config.yaml", config_yaml(self.config))
        write_problems(self.out / DATA, self.data.problems)
        self._propose()

    def _propose(self) -> None:
        if not self.lacking:
            return
        paths, hashes = zip(*self.lacking, strict=True)
        with ImageProgress(len(paths), doing="proposing") as progress:
            self.unread = self.store.fill(
                paths,
                hashes,
                min(MOST_WORKERS, usable_cores()),
                lambda path, reason: progress.advance(failed=reason is not None),
            )

    def fit(self) -> int:
        """Train, and report; returns the exit status."""
        result = self._fit()
        if not self.folder:
            return OK
        return self._finish(self.folder) if result.finished else self.interrupted(result.step)

    def interrupted(self, step: int | None = None) -> int:
        """Say how far the run came; None: as far as its newest checkpoint."""
        from detect.training.checkpoints import newest_step

        if self.folder:
            step = newest_step(self.folder.checkpoints) if step is None else step
            complain(f"interrupted after {step} of {self.config.optimisation.steps} steps; go on with --resume")
        return ERROR

    def _fit(self) -> FitResult:
        from configs.training_parts import build_stream
        from detect.training.training_loop import fit
        from tools.training_progress import StepProgress

        config, rates = self.config, self.config.optimisation
        regions = config.sampling.foreground + config.sampling.background
        return fit(
            self.module,
            build_stream(config, self.data, self.store),
            steps=rates.steps,
            out=self.out,
            settings=self.settings,
            checkpoint_every=config.checkpoint_every,
            device=self.device,
            devices=config.devices,
            precision=rates.precision,
            clip=rates.clip,
            validate=self.judge if self.judge.is_wanted else None,
            validate_every=config.validation.every,
            resume_from=self.found if self.found.path else None,
            callbacks=[StepProgress(rates.steps, regions)] if self.folder else [],
            say=complain,
        )

    def _finish(self, folder: TrainingFolder) -> int:
        """The model file first, then what is said of it."""
        import torch

        from detect.model_file import save_model
        from detect.training.training_logs import METRICS
        from detect.training.training_report import figures, objects_per_class, write_report

        metrics = self.out / "logs" / METRICS
        save_model(
            folder.model_path, self._with_origin(self.info), self.judge.state_of(self.module), dtype=torch.float16
        )
        after = self._after(metrics)
        before = self._before()
        trained = objects_per_class(self.data.train).tolist()
        write_report(self.out, metrics=metrics, before=before, after=after, trained=trained)
        unread = self._write_unreadable()
        score = figures(before, after)
        folder.describe(
            {
                **self._description(),
                "figures": score,
                "seconds_of_last_session": round(time.monotonic() - self.started, 1),
                "unreadable_images": unread,
                "status": "finished",
            }
        )
        if after is not None:
            tell(f"mAP on {score['num_images']} held-back images: {_shown(before)} before, {_shown(after)} after")
        tell(f"{folder.model_path} is the detector: googlenet-rcnn detect PHOTOS --model {folder.model_path}")
        if unread:
            complain(f"{unread} images could not be read; {self.out / 'unreadable.txt'} says why")
        return SOME_IMAGES_FAILED if unread else OK

    def _after(self, metrics: Path) -> Summary | None:
        """What the last validation said; a run that is resumed after its last step has had none in this session."""
        from detect.training.training_logs import append_metrics

        if self.judge.is_wanted and self.judge.last is None:
            steps = self.config.optimisation.steps
            append_metrics(metrics, steps, self.judge(steps, self.module.averaged_state()))
        return self.judge.last

    def _before(self) -> Summary | None:
        """What was measured before the first step, if it compares with what is measured now."""
        if not self.judge.is_wanted:
            return None
        try:
            return self.judge.before()
        except NotComparable:
            (self.out / BEFORE).unlink(missing_ok=True)
            complain("validation has other images or another limit than at the first step: no figures from before")
            return None

    def _write_unreadable(self) -> int:
        """`unreadable.txt`, where an image could not be read; returns how many."""
        from detect.whole_files import write_whole

        unread = {str(path): why for path, why in (*self.unread, *self.module.unreadable.items())}
        if unread:
            lines = "".join(f"{path}: {why}\n" for path, why in sorted(unread.items()))
            write_whole(self.out / "unreadable.txt", lines.encode("utf-8", "surrogateescape"))
        return len(unread)

    def _description(self) -> dict[str, Any]:
        return run_description(self.config, self.settings, self.data, self.device.type)

    def _with_origin(self, info: ModelInfo) -> ModelInfo:
        """The description with what it was trained on, and by which code."""
        name = self.data.train.name.encode("utf-8", "backslashreplace").decode()
        data = f"{len(self.data.train)} images of {name}"
        before = info.provenance.data
        origin = dataclasses.replace(
            info.provenance,
            data=f"{before}; fine-tuned on {data}" if before else data,
            config=json.dumps(self.settings, sort_keys=True),
            commit=commit() or "",
        )
        return dataclasses.replace(info, name=self.config.name or self.out.resolve().name, provenance=origin)


def _shown(summary: Summary | None) -> str:
    value = None if summary is None else summary["mAP"]
    return "not known" if value is None else f"{value:.3f}"
