"""A tiny run as a program, for tests that need processes of their own: `tiny_run.py OUT --steps N …`."""

from __future__ import annotations

import argparse
import os
import signal
from dataclasses import replace
from pathlib import Path

import torch
from tiny_training import TinySettings, tiny_module, tiny_stream, tiny_upload

from detect.training.checkpoints import find_checkpoint
from detect.training.region_samples import RegionBatch, TrainingBatch
from detect.training.training_loop import fit


def main() -> None:
    """Train, resuming what is there; leave the averaged weights in OUT/average.pt."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--signal", type=int, help="sent to itself when the batch of --signal-step is made")
    parser.add_argument("--signal-step", type=int, default=-1)
    parser.add_argument("--nan-step", type=int, default=-1)
    parser.add_argument("--nan-slot", type=int, default=-1)
    parser.add_argument("--missing-step", type=int, default=-1, help="each process cannot read its first image")
    given = parser.parse_args()
    torch.set_num_threads(1)

    def change(batch: TrainingBatch) -> TrainingBatch:
        if batch.step == given.signal_step:
            os.kill(os.getpid(), signal.Signals(given.signal))
        if batch.step == given.missing_step:
            first, *others = batch.samples
            return replace(batch, samples=tuple(others), unreadable=((first.path, "truncated"),))
        return batch

    def upload(batch: TrainingBatch, *, device: torch.device) -> RegionBatch:
        regions = tiny_upload(batch, device=device)
        amiss = batch.step == given.nan_step and given.nan_slot in [sample.slot for sample in batch.samples]
        return replace(regions, regions=regions.regions * torch.nan) if amiss else regions

    settings = {"optimisation": {"steps": given.steps}}
    module = tiny_module(TinySettings(steps=given.steps), upload=upload)
    result = fit(
        module,
        tiny_stream(given.steps, change),
        steps=given.steps,
        out=given.out,
        settings=settings,
        checkpoint_every=given.every,
        device=torch.device("cpu"),
        devices=given.devices,
        precision="fp32",
        clip=10.0,
        resume_from=find_checkpoint(given.out / "checkpoints", settings),
    )
    if result.is_main:
        unreadable = {str(path): why for path, why in module.unreadable.items()}
        state = {"weights": module.state_dict(), "average": module.averaged_state(), "unreadable": unreadable}
        torch.save(state, given.out / "result.pt")
        print(f"step {result.step} finished {result.finished}")


if __name__ == "__main__":
    main()
