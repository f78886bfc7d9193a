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

    from detect.backbones.backbone import Backbone
    from detect.input_format import InputFormat
    from detect.model_info import ModelInfo, Provenance


INFO = """What a model file says about itself, or what its layers cost.

  googlenet-rcnn models info det200
  googlenet-rcnn models info googlenet --layers          GoogLeNet's Table 1, counted
  googlenet-rcnn models info inception_v3 --per-layer --side 224"""


def add_to(parent: ActionSubCommands) -> None:
    """Add `models` and its four sub-verbs (jsonargparse wants the upper level first)."""
    parser = make_parser("List, inspect, fetch and convert networks.")
    parent.add_subcommand("models", parser, help="list, inspect, fetch and convert networks")
    verbs = parser.add_subcommands(dest="action", metavar="ACTION")
    verbs.add_subcommand(
        "list", make_parser("The known models, and which of them are on this machine."), help="known models"
    )
    info = _named(INFO, "or of an architecture, such as inception_v2, which needs no weights")
    tables = info.add_mutually_exclusive_group()
    tables.add_argument(
        "--layers", action="store_true", help="the table of its layers, in the form of GoogLeNet's Table 1"
    )
    tables.add_argument("--per-layer", action="store_true", help="every single layer")
    info.add_argument(
        "--side", type=int | None, default=None, help="pixels of the square that is counted for; null: as published"
    )
    verbs.add_subcommand("info", info, help="describe a model, count its layers")
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
    if options.layers or options.per_layer:
        _tell_layers(options)
        return
    for name, value in _rows(options.model).items():
        tell(f"{name:15} {value}")


def _tell_layers(options: Namespace) -> None:
    from tools.layer_tables import layer_list, layer_table

    network = _network(options.model)
    side = network.input_side if options.side is None else options.side
    network.check_size(side, side)
    for line in (layer_table if options.layers else layer_list)(network, side):
        tell(line)


def _network(name: str) -> Backbone:
    """The network of a model, or an architecture's without numbers in its weights."""
    import torch

    from detect.backbones.registry import BACKBONES
    from detect.model_file import load_model

    if not _is_architecture(name):
        return load_model(_find(name)).network
    with torch.device("meta"):
        return BACKBONES[name]()


def _is_architecture(name: str) -> bool:
    from detect.backbones.registry import BACKBONES

    return name in BACKBONES and not Path(name).is_file()


def _find(name: str) -> Path:
    from detect.backbones.registry import BACKBONES
    from detect.model_zoo import UnknownModelError, find_model_file

    try:
        return find_model_file(name)
    except UnknownModelError as error:
        raise UnknownModelError(f"{error}; architectures: {', '.join(BACKBONES)}") from error


def _rows(name: str) -> dict[str, str]:
    from detect.multibox_file import is_multibox_file

    if _is_architecture(name):
        return _architecture_rows(name)
    path = _find(name)
    return _multibox_rows(path) if is_multibox_file(path) else _detector_rows(path)


def _architecture_rows(name: str) -> dict[str, str]:
    network = _network(name)
    grid = network.grid
    return {
        "architecture": name,
        "parameters": f"{_parameters(network)}, with 1000 classes",
        "input": f"{_input(network.input_format)}; published for {network.input_side} x {network.input_side} pixels, "
        f"at least {network.least_side}",
        "stages": f"{', '.join(network.stages)} (--optimisation.frozen)",
        "map": f"{grid.cells} x {grid.cells} x {network.map_channels} of a region of 224 x 224 pixels",
        "features": str(network.num_features),
        "auxiliary": ", ".join(network.auxiliary_channels) or "none",
    }


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
        "box regression": info.box_regression + (", and how well boxes fit" if info.fit else ""),
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


def _named(description: str, more: str = "") -> ArgumentParser:
    parser = make_parser(description)
    parser.add_argument("--config", action="config", help="YAML file with any of these settings")
    named = "a name from `googlenet-rcnn models list`, or a model file"
    parser.add_argument("model", type=str, help=f"{named}; {more}" if more else named)
    return parser
