"""A model whose weights are the weighted mean of several runs' that began with one another (Wortsman et al. 2022).

Runs of one chain of training lie in one valley: between them is a network that has more of what each knew than any of
them. Everything else is the first model's: its description, and heads for boxes that not all have.

    python benchmarks/mixed_weights.py --out MIXED.safetensors --model NEW.safetensors 0.5 --model OLD.safetensors 0.5
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from detect.model_file import Model, load_model, save_model
from detect.model_zoo import find_model_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="file to write; there must be none")
    parser.add_argument(
        "--model",
        nargs=2,
        action="append",
        required=True,
        metavar=("MODEL", "WEIGHT"),
        help="name or file, and its weight; at least two, whose weights are divided by their sum",
    )
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"--out: {options.out} is there already")
    try:
        weights = [float(weight) for _, weight in options.model]
        models = [load_model(find_model_file(name)) for name, _ in options.model]
        state = mixed(models, weights)
    except ValueError as error:
        parser.error(str(error))
    save_model(options.out, models[0].info, state)
    print(f"{options.out}: {len(models)} models, {sum(tensor.numel() for tensor in state.values()):,} weights")


def mixed(models: Sequence[Model], weights: Sequence[float]) -> dict[str, Tensor]:
    """The state dict, float32 where it is of numbers that can be between others.

    Raises:
        ValueError: if there are fewer than two models, a weight is not above 0, they are of several architectures or
            classes, or what one of them has of the first's layers is of another shape.
    """
    if len(models) < 2 or not all(0 < weight < float("inf") for weight in weights):
        raise ValueError("expected at least two models, with finite weights above 0")
    first = models[0].info
    for model in models[1:]:
        if (model.info.architecture, model.info.classes) != (first.architecture, first.classes):
            raise ValueError(f"expected networks of one architecture and the same classes, got {model.info.name} too")
    states = [model.network.state_dict() for model in models]
    return {name: _mean(name, states, weights) for name in states[0]}


def _mean(name: str, states: Sequence[Mapping[str, Tensor]], weights: Sequence[float]) -> Tensor:
    first = states[0][name]
    if not first.is_floating_point() or not all(name in state for state in states):
        return first
    total = torch.zeros_like(first, dtype=torch.float32)
    for state, weight in zip(states, weights, strict=True):
        if state[name].shape != first.shape:
            raise ValueError(f"{name}: expected {tuple(first.shape)}, got {tuple(state[name].shape)}")
        total += state[name].float() * (weight / sum(weights))
    return total


if __name__ == "__main__":
    main()
