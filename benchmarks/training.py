"""Regions a second through the whole training loop against a plain one, in one run on the CPU; what the loop costs.

Four ways to train the same network on the same regions, which alternate:

- plain: a DataLoader with two workers that opens, crops and resizes each region with PIL; float32, NCHW, torch's own
  local response normalisation.
- plain_loader: the same loader, but the network as we run it: bfloat16 (where the CPU multiplies it), channels_last,
  our local response normalisation.
- ours: `training_loop.fit` with everything that a run does: decoding and sampling ahead, warping, losses, clipping,
  averaging, logs.
- network: the forward and backward pass alone, of a batch that is there already, as in ours. Its share of the time of
  `ours` is the fraction that the loop spends on the network's own work.

All have the same stages frozen, the same heads and losses, and mirror half of their regions; none distorts colours
(`--photometric` lets only ours do it). The first and the last step of each are left out: workers start in one, a
checkpoint is written in the other.

    python benchmarks/training.py --data voc=FOLDER --store proposals --frozen none,3b --json training.json
"""

from __future__ import annotations

import argparse
import copy
import functools
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from measuring import environment, quartiles, spread, write_json
from PIL import Image
from plain_training import PlainRegions, gradients_of, plain_regions, train_plainly
from torch import nn
from training_data import add_data_options, read_data

from configs.training import HeadConfig, OptimisationConfig
from configs.training_regions import SamplingConfig
from detect.devices import resolve_precision
from detect.model_file import load_model
from detect.model_info import ProposalSetting
from detect.model_zoo import find_model_file
from detect.region_warp import RegionWarper, WarpSettings
from detect.training.batch_plan import BatchPlan
from detect.training.batch_stream import batches
from detect.training.network_pass import freeze, training_outputs
from detect.training.network_start import start_network
from detect.training.objective import Objective
from detect.training.planned_stream import Share
from detect.training.region_samples import TrainingBatch
from detect.training.region_training import RegionTraining
from detect.training.region_upload import upload
from detect.training.training_loop import fit

METHODS = ("plain", "plain_loader", "ours", "network")
CPU = torch.device("cpu")


class Contest:
    """The network, its regions, and the four ways."""

    def __init__(self, options: argparse.Namespace, frozen: str) -> None:
        self.options, self.frozen = options, frozen
        self.data = options.read
        self.head = HeadConfig(kind=options.head, auxiliary=0.3 if options.auxiliary else 0.0)
        self.sampling = SamplingConfig(
            images_per_batch=options.images,
            foreground=2 * options.images,
            background=6 * options.images,
            photometric=options.photometric,
        )
        self.steps = options.steps + 2
        self.settings = OptimisationConfig(steps=self.steps, frozen=frozen)
        self.bfloat16 = resolve_precision("auto", CPU) == torch.bfloat16
        model = load_model(find_model_file(options.model))
        self.info, self.network = start_network(
            model,
            self.data.train.classes,
            head=self.head.kind,
            start="classes",
            background_logit=self.head.background_logit,
            auxiliary=options.auxiliary,
            box_regression=self.head.box_regression,
            seed=0,
            name="benchmark",
            context=16,
            proposals=ProposalSetting(mode=options.mode),
        )
        freeze(self.network, frozen)
        self.warp = WarpSettings(context=self.info.context)
        self.plan = BatchPlan(self.data.train.weights, options.images, 0)
        with self.stream(0) as found:
            drawn = list(found)
        self.plain = plain_regions([one for batch in drawn for one in batch.samples], self.info.input, self.warp)
        self.upload = functools.partial(
            upload, input_format=self.info.input, warp=self.warp, regions_per_image=self.sampling.regions_per_image
        )
        self.resident = self.upload(drawn[0], device=CPU)

    @property
    def batch(self) -> int:
        return self.sampling.foreground + self.sampling.background

    def stream(self, first: int, rank: int = 0, world: int = 1) -> Any:
        return batches(
            self.data.train,
            self.data.boxes_of(self.data.train),
            self.plan,
            self.sampling,
            Share(first, self.steps, rank, world),
            seed=0,
        )

    def objective(self) -> Objective:
        return Objective(
            allowed=self.data.train.allowed,
            classes=self.info.classes,
            num_outputs=self.info.num_outputs,
            per_class=self.head.box_regression == "per_class",
            auxiliary=self.head.auxiliary,
            box_weight=self.head.box_weight,
        )

    def fresh(self, *, as_one_writes_it: bool = False) -> Any:
        """The network at its start."""
        network = copy.deepcopy(self.network)
        if as_one_writes_it:
            network = network.to(memory_format=torch.contiguous_format)
            network.norm = nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0)
        return network

    def regions_a_second(self, method: str) -> float:
        steps = getattr(self, f"_{method}")()[1:-1]
        seconds, regions = (sum(values) for values in zip(*steps, strict=True))
        return regions / seconds

    def _plain(self) -> list[tuple[float, int]]:
        return self._train_plainly(self.fresh(as_one_writes_it=True), bfloat16=False)

    def _plain_loader(self) -> list[tuple[float, int]]:
        return self._train_plainly(self.fresh(), bfloat16=self.bfloat16)

    def _train_plainly(self, network: Any, *, bfloat16: bool) -> list[tuple[float, int]]:
        how = {"batch": self.batch, "workers": 2, "bfloat16": bfloat16}
        return train_plainly(network, self.plain, self.objective(), self.head, self.settings, **how)

    def _ours(self) -> list[tuple[float, int]]:
        dropout = {"dropout": self.head.dropout, "auxiliary_dropout": self.head.auxiliary_dropout}
        module = RegionTraining(
            network=self.fresh(),
            network_pass=functools.partial(training_outputs, frozen=self.frozen, **dropout),
            upload=self.upload,
            objective=self.objective(),
            settings=self.settings,
            steps_per_epoch=self.plan.steps_per_epoch,
            regions_per_batch=self.batch,
            seed=0,
        )
        clock = Clock()
        with tempfile.TemporaryDirectory() as out:
            fit(
                module,
                self.stream,
                steps=self.steps,
                out=Path(out),
                settings={},
                checkpoint_every=self.steps,
                device=CPU,
                clip=self.settings.clip,
                callbacks=[clock],
            )
        return clock.steps

    def _network(self) -> list[tuple[float, int]]:
        network, objective, steps = self.fresh(), self.objective(), []
        for _ in range(self.steps):
            since = time.perf_counter()
            gradients_of(network, self.resident, objective, self.head, self.settings, self.bfloat16)
            network.zero_grad(set_to_none=True)
            steps.append((time.perf_counter() - since, len(self.resident.targets)))
        return steps

    def check_agreement(self) -> None:
        """Before timing: both warps cut the same regions, and both networks lose the same on them."""
        path, box = self.plain.regions[0][:2]
        image = Image.open(path).convert("RGB")
        ours = RegionWarper(np.array(image), self.info.input, settings=self.warp).regions(box[None])[0]
        cut = PlainRegions([(path, box, 0, box, False, False)], self.info.input, self.warp)[0][0]
        assert (ours - cut).abs().mean() < 12, "the two warps cut different regions"
        losses = [
            gradients_of(network, self.resident, self.objective(), self.head, self.settings, bfloat16)
            for network, bfloat16 in ((self.fresh(as_one_writes_it=True), False), (self.fresh(), self.bfloat16))
        ]
        assert abs(losses[0] - losses[1]) < 0.05 * losses[0], f"the two networks lose {losses}"


class Clock(lightning.Callback):
    """Seconds and regions of each step, from the end of one to the end of the next."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, int]] = []

    def on_train_start(self, trainer: Any, module: Any) -> None:
        self._since = time.perf_counter()

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: TrainingBatch, index: int) -> None:
        now = time.perf_counter()
        self.steps.append((now - self._since, sum(len(one.regions) for one in batch.samples)))
        self._since = now


def measure(options: argparse.Namespace, frozen: str) -> dict[str, Any]:
    contest = Contest(options, frozen)
    contest.check_agreement()
    rates: dict[str, list[float]] = {method: [] for method in METHODS}
    for number in range(options.rounds):
        for method in sorted(METHODS, key=METHODS.index, reverse=number % 2 == 1):  # who goes first alternates
            rates[method].append(contest.regions_a_second(method))
            print(f"frozen {frozen}, round {number + 1}, {method}: {rates[method][-1]:.1f} regions/s", file=sys.stderr)
    return summary(rates)


def summary(rates: dict[str, list[float]]) -> dict[str, Any]:
    """Quartiles of the rates, and of the ratios of each round."""
    found = {name: np.array(values) for name, values in rates.items()}
    return {
        "regions_per_second": {name: quartiles(values) for name, values in found.items()},
        "ours / plain": quartiles(found["ours"] / found["plain"]),
        "ours / plain_loader": quartiles(found["ours"] / found["plain_loader"]),
        "fraction of the loop that is the network": quartiles(found["ours"] / found["network"]),
        "rounds": rates,
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_options(parser)
    parser.set_defaults(train_images=200, val_images=1)
    parser.add_argument("--model", default="bvlc_googlenet", help="name or file of a GoogLeNet")
    parser.add_argument("--head", default="marginal", choices=("marginal", "softmax"))
    parser.add_argument("--auxiliary", action="store_true", help="with auxiliary classifiers")
    parser.add_argument(
        "--frozen", default="none,3b", help="comma-separated, none or stages of the network: conv1, ..."
    )
    parser.add_argument("--images", type=int, default=8, help="a batch; each gives 8 regions")
    parser.add_argument("--photometric", type=float, default=0.0, help="not 0: ours distorts colours")
    parser.add_argument("--steps", type=int, default=4, help="timed, of each way and round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the results here")
    return parser.parse_args()


def main() -> None:
    options = parse()
    options.read = read_data(options)
    results = {frozen: measure(options, frozen) for frozen in options.frozen.split(",")}
    for frozen, result in results.items():
        rounds = result["rounds"]
        rates = ", ".join(f"{name} {spread(values)}" for name, values in rounds.items())
        print(f"frozen {frozen}: regions/s: {rates}")
        for name in ("ours / plain", "ours / plain_loader", "fraction of the loop that is the network"):
            print(f"    {name}: {result[name][1]:.2f} ({result[name][0]:.2f}-{result[name][2]:.2f})")
    settings = {name: str(value) for name, value in vars(options).items() if name != "read"}
    write_json(options.json, {**environment(torch.get_num_threads()), "settings": settings, "results": results})


if __name__ == "__main__":
    main()
