"""A model between two runs of one chain of training, by their weights (Wortsman et al., Model soups, 2022).

Such runs lie in one valley: between them is a network that has more of what each knew than either. It is what a run
saves with `start_share`, of runs that did not begin with one another. All else is the first model's: its description,
and heads for boxes that the other lacks.

    python benchmarks/mixed_weights.py --model NEW.safetensors --other OLD.safetensors --out MIXED.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

from torch import Tensor

from detect.model_file import Model, load_model, save_model
from detect.model_zoo import find_model_file
from detect.training.averaging import with_start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="name or file")
    parser.add_argument("--other", required=True, help="name or file")
    parser.add_argument("--share", type=float, default=0.5, help="of the other, in [0, 1]")
    parser.add_argument("--out", type=Path, required=True, help="file to write, in float32; there must be none")
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"--out: {options.out} is there already")
    try:
        model, other = (load_model(find_model_file(name)) for name in (options.model, options.other))
        state = mixed(model, other, options.share)
    except ValueError as error:
        parser.error(str(error))
    save_model(options.out, model.info, state)


def mixed(model: Model, other: Model, share: float) -> dict[str, Tensor]:
    """The model's state dict, float32, with a share of the other's in all layers that both have.

    Raises:
        ValueError: if the share is not in [0, 1], the networks are of two architectures or of other classes, or the
            other lacks more than heads for boxes, or has a layer of another shape.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: expected a number in [0, 1], got {share}")
    if (model.info.architecture, model.info.classes) != (other.info.architecture, other.info.classes):
        raise ValueError(f"expected networks of one architecture and the same classes, got {other.info.name} too")
    own, old = model.network.state_dict(), other.network.state_dict()
    for name, value in own.items():
        if name not in old and not name.startswith(("box_regressor.", "region_fit.")):
            raise ValueError(f"{name}: expected it in both, got it in one")
        if name in old and old[name].shape != value.shape:
            raise ValueError(f"{name}: expected {tuple(value.shape)}, got {tuple(old[name].shape)}")
    between = with_start({name: value.float() for name, value in own.items() if name in old}, old, share)
    return {name: between.get(name, value) for name, value in own.items()}


if __name__ == "__main__":
    main()
