"""`googlenet-rcnn models`: which networks there are, what is in them, fetching and converting them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ActionSubCommands, ArgumentParser, Namespace

from tools.exit_status import ERROR, OK, UsageError
from tools.messages import complain, tell
from tools.parser import make_parser

if TYPE_CHECKING:
    from torch import nn

    from detect.input_format import InputFormat
    from detect.model_info import ModelInfo, Provenance


def add_to(parent: ActionSubCommands) -> None:
    """Add `models` and its four sub-verbs (jsonargparse wants the upper level first)."""
    parser = make_parser("List, inspect, fetch and convert networks.")
    parent.add_subcommand("models", parser, help="list, inspect, fetch and convert networks")
    verbs = parser.add_subcommands(dest="action", metavar="ACTION")
    verbs.add_subcommand(
        "list", make_parser("The known models, and which of them are on this machine."), help="known models"
    )
    verbs.add_subcommand("info", _named("What a model file says about itself."), help="describe a model")
    verbs.add_subcommand(
        "fetch", _named("Download a model into the cache folder and check it."), help="download a model"
    )
    convert = _named("Write a model as a .safetensors file that says everything detect needs.")
    convert.add_argument("--out", type=str, required=True, help="file to write, ending in .safetensors")
    convert.add_argument("--half", action="store_true", help="store 16-bit weights: half the size")
    convert.add_argument("--overwrite", action="store_true", help="replace the file if it is there")
    verbs.add_subcommand("convert", convert, help="write a model in our format")


def run(options: Namespace) -> int:
    """Run one sub-verb; returns the exit status."""
    actions = {"list": _list, "info": _info, "fetch": _fetch, "convert": _convert}
    from detect.download import DownloadError

    try:
        actions[options.action](options[options.action])
    except ValueError as error:  # of an unknown model, a damaged file
        raise UsageError(str(error)) from error
    except DownloadError as error:
        complain(str(error))
        return ERROR
    return OK


def _list(options: Namespace) -> None:
    from detect.model_zoo import MODELS, cache_folder, cached_path

    for model in MODELS.values():
        here = cached_path(model.name)
        tell(f"{model.name}  ({model.architecture}; {'at ' + str(here) if here else 'not on this machine'})")
        tell(f"    {model.description}; licence: {model.licence}")
    tell(f"\nModels are kept in {cache_folder()}; `googlenet-rcnn models fetch NAME` downloads one.")


def _info(options: Namespace) -> None:
    from detect.model_zoo import find_model_file
    from detect.multibox_file import is_multibox_file

    path = find_model_file(options.model)
    rows = _multibox_rows(path) if is_multibox_file(path) else _detector_rows(path)
    for name, value in rows.items():
        tell(f"{name:15} {value}")


def _detector_rows(path: Path) -> dict[str, str]:
    from detect.model_file import load_model

    model = load_model(path)
    info, proposals = model.info, model.info.proposals
    return {
        "file": str(path),
        "sha256": model.sha256,
        "name": info.name,
        "architecture": info.architecture,
        "parameters": _parameters(model.network),
        "input": _input(info.input),
        "classes": f"{len(info.classes)}: {', '.join(c.name for c in info.classes[:4])}, ...",
        "head": f"{info.head}, {_background(info)}",
        "regions": _regions(info),
        "box regression": info.box_regression,
        "proposals": f"{proposals.method}, {proposals.mode}, superpixels x {proposals.superpixel_scale:g}, "
        + ("all" if proposals.limit is None else f"the {proposals.limit} best"),
        **_origin(info.provenance),
    }


def _multibox_rows(path: Path) -> dict[str, str]:
    from detect.multibox_file import load_multibox

    model = load_multibox(path)
    info, head = model.info, model.info.head
    grids = f", grids of {', '.join(map(str, head.grids))} cells a side" if head.grids else ""
    return {
        "file": str(path),
        "sha256": model.sha256,
        "name": info.name,
        "architecture": f"{info.architecture} with MultiBox, for `propose --method multibox` and `both`",
        "parameters": _parameters(model.network),
        "input": f"{_input(info.input)}, squashed to {info.size} x {info.size}",
        "priors": str(info.num_priors),
        "head": f"{head.kind}, {head.channels} channels{grids}",
        "merging": "calibrated" if info.merge else "not calibrated: the lists take turns",
        **_origin(info.provenance),
    }


def _parameters(network: nn.Module) -> str:
    return f"{sum(p.numel() for p in network.parameters()):,}"


def _input(image: InputFormat) -> str:
    return f"{image.order.upper()}, minus {image.mean}, times {image.scale}"


def _origin(provenance: Provenance) -> dict[str, str]:
    return {"source": provenance.source, "data": provenance.data, "licence": provenance.licence}


def _regions(info: ModelInfo) -> str:
    ways = f"{', '.join(info.regions)}, {info.context} px of context"
    if "shared" not in info.regions:
        return ways
    return f"{ways}, short sides of images {' and '.join(map(str, info.short_sides))} px"


def _background(info: ModelInfo) -> str:
    if info.head == "zero_shot":
        return f"background logit {info.background_logit}"
    return f"background the last of {info.num_outputs} outputs"


def _fetch(options: Namespace) -> None:
    from detect.model_zoo import fetch

    tell(str(fetch(options.model)))


def _convert(options: Namespace) -> None:
    import torch

    from detect.model_file import read_model_file, save_model
    from detect.model_zoo import find_model_file

    target = Path(options.out)
    if target.suffix != ".safetensors":
        raise UsageError(f"--out: expected a file ending in .safetensors, got {target}")
    if target.exists() and not options.overwrite:
        raise UsageError(f"--out: {target} is there already; give --overwrite to replace it")
    if not target.parent.is_dir():
        raise UsageError(f"--out: no folder {target.parent}")
    info, state = read_model_file(find_model_file(options.model))
    save_model(target, info, state, dtype=torch.float16 if options.half else torch.float32)
    tell(f"{target}: {info.name}, {target.stat().st_size / 1e6:.1f} MB")


def _named(description: str) -> ArgumentParser:
    parser = make_parser(description)
    parser.add_argument("--config", action="config", help="YAML file with any of these settings")
    parser.add_argument("model", type=str, help="a name from `googlenet-rcnn models list`, or a model file")
    return parser
