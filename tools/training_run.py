"""A training run from its data to its model file and report, whatever it trains."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from configs.training_data import DATA
from tools.exit_status import ERROR, OK, SOME_IMAGES_FAILED
from tools.messages import complain, tell
from tools.training_description import in_words, write_problems
from tools.training_job import TrainingJob
from tools.training_judge import BEFORE, NotComparable

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    import torch

    from detect.run_folder import Mode
    from detect.training.training_folder import TrainingFolder
    from detect.training.training_loop import FitResult
    from detect.training.training_report import Summary

Build = Callable[["torch.device", bool], TrainingJob]


def train(build: Build, device: str, out: Path, mode: Mode, *, verb: str) -> int:
    """Train and report; returns the exit status.

    Further processes of the same run, which Lightning or `torchrun` start with the same command, write nothing, and
    read what the first one has written.

    Args:
        build: the device, and whether this is the process that writes → what is trained. It runs on the first process
            before it does on others.
        device: auto, cpu or cuda.
        verb: of `run.json`.
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
            folder = TrainingFolder(out, mode, verb=verb) if is_main_process() else None
            run = _Run(build, device, out, folder, fresh=mode != "resume")
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

    def __init__(self, build: Build, device: str, out: Path, folder: TrainingFolder | None, *, fresh: bool) -> None:
        from detect.devices import resolve_device
        from detect.freed_memory import keep_freed_memory
        from detect.training.checkpoints import FoundCheckpoint, find_checkpoint

        self.out, self.folder = out, folder
        self.started = time.monotonic()
        self.device = resolve_device(device)
        if self.device.type == "cpu":
            keep_freed_memory()
        if folder:
            folder.mark_data()
        self.job = build(self.device, folder is not None)
        self.config = self.job.config
        self.found = FoundCheckpoint(None, 0) if fresh else find_checkpoint(out / "checkpoints", self.job.settings)
        self.unread: list[tuple[Path, str]] = []
        self._check()

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
        processes, images = process_count(config.devices), config.images_per_batch
        if images % processes:
            raise ValueError(f"sampling.images_per_batch: expected a multiple of {processes} processes, got {images}")
        if self.device.type == "cuda" and not started_together() and config.devices > torch.cuda.device_count():
            raise ValueError(f"devices: expected at most {torch.cuda.device_count()} GPUs, got {config.devices}")
        self.job.module.configure_optimizers()
        self.job.check()

    def start(self) -> None:
        """The first writes of a run, an overwritten one's deletion among them; then the job's preparations."""
        from detect.training.checkpoints import remove_damaged
        from detect.whole_files import write_whole

        if not self.folder:
            return
        for note in self.found.notes:
            complain(note)
        if self.found.step:
            complain(f"going on after step {self.found.step}")
        else:
            for line in in_words(self.job.data):
                complain(line)
        self.folder.start(self.job.description)
        remove_damaged(self.found)
        write_whole(self.out / "config.yaml", self.job.config_text())
        write_problems(self.out / DATA, self.job.data.problems)
        self.unread = self.job.prepare()

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
        from detect.training.training_loop import fit
        from tools.training_progress import StepProgress

        config, rates, module = self.config, self.config.optimisation, self.job.module
        return fit(
            module,
            self.job.stream(),
            steps=rates.steps,
            out=self.out,
            settings=self.job.settings,
            checkpoint_every=config.checkpoint_every,
            device=self.device,
            devices=config.devices,
            precision=rates.precision,
            clip=rates.clip,
            validate=self.job.judge,
            validate_every=config.validate_every,
            resume_from=self.found if self.found.path else None,
            callbacks=[StepProgress(rates.steps, module.per_batch, module.unit)] if self.folder else [],
            say=complain,
        )

    def _finish(self, folder: TrainingFolder) -> int:
        """The model file first, then what is said of it."""
        from detect.training.training_logs import METRICS

        metrics = self.out / "logs" / METRICS
        self.job.save(folder.model_path)
        after = self._after(metrics)
        before = self._before()
        figures = self.job.report(metrics=metrics, before=before, after=after)
        unread = self._write_unreadable(after)
        folder.describe(
            {
                **self.job.description,
                "figures": dict(figures),
                "seconds_of_last_session": round(time.monotonic() - self.started, 1),
                "unreadable_images": unread,
                "status": "finished",
            }
        )
        if after is not None:
            words, key = self.job.outcome
            tell(
                f"{words} on {after['num_images']} held-back images: "
                f"{_shown(before, key)} before, {_shown(after, key)} after"
            )
        tell(self.job.last_words(folder.model_path))
        if unread:
            complain(f"{unread} images could not be read; {self.out / 'unreadable.txt'} says why")
        return SOME_IMAGES_FAILED if unread else OK

    def _after(self, metrics: Path) -> Summary | None:
        """What the last validation said; a run that is resumed after its last step has had none in this session."""
        from detect.training.training_logs import append_metrics

        judge = self.job.judge
        if judge is None:
            return None
        if judge.last is None:
            steps = self.config.optimisation.steps
            append_metrics(metrics, steps, judge(steps, self.job.module.averaged_state()))
        return judge.last

    def _before(self) -> Summary | None:
        """What was measured before the first step, if it compares with what is measured now."""
        if self.job.judge is None:
            return None
        try:
            return self.job.judge.before()
        except NotComparable:
            (self.out / BEFORE).unlink(missing_ok=True)
            complain("validation has other images or settings than at the first step: no figures from before")
            return None

    def _write_unreadable(self, after: Summary | None) -> int:
        """`unreadable.txt`, where an image could not be read, held-back ones included; returns how many."""
        from detect.whole_files import write_whole

        unread = {str(path): why for path, why in (*self.unread, *self.job.module.unreadable.items())}
        lines = [f"{path}: {why}" for path, why in unread.items()]
        known = tuple(f"{path}: " for path in unread)
        lines += [line for line in unreadable_lines(after) if not line.startswith(known)]
        if lines:
            text = "".join(f"{line}\n" for line in sorted(lines))
            write_whole(self.out / "unreadable.txt", text.encode("utf-8", "surrogateescape"))
        return len(lines)


def unreadable_lines(summary: Summary | None) -> list[str]:
    """What a validation could not read, "file: reason" each."""
    found = [] if summary is None else summary.get("unreadable", [])
    return [one if isinstance(one, str) else f"{one['image']}: {one['error']}" for one in found]


def _shown(summary: Summary | None, key: str) -> str:
    value = None if summary is None else summary[key]
    return "not known" if value is None else f"{value:.3f}"
