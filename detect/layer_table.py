"""A network's layers as a table in the form of GoogLeNet's Table 1: a row for each convolution, pool and module."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from detect.accounting import Account, Layer
from detect.backbones.backbone import Backbone


@dataclass(frozen=True)
class Row:
    """Layers that make up one row.

    Attributes:
        kind: "convolution", "inception (3a)", "reduction (6a)", "mlpconv (1)", "max pool", ...
        window: kernel and stride as in "7×7/2"; empty for modules of several kernels.
        output: (channels, height, width).
        depth: layers with parameters that the longest way through the network gains here.
        widths: channels of its convolutions, in the order of their work; in an Inception module of GoogLeNet that is
            Table 1's: #1×1, #3×3 reduce, #3×3, #5×5 reduce, #5×5, pool proj.
        weights: without biases, as in Table 1.
        others: biases, and scales and shifts of batch normalisation.
    """

    kind: str
    window: str
    output: tuple[int, int, int]
    depth: int
    widths: tuple[int, ...]
    weights: int
    others: int
    multiply_adds: int


def table_rows(network: Backbone, found: Account) -> list[Row]:
    """The rows of a network's table, in the order of its layers.

    Layers of a stage of the stem are a row, as are those of a module of the tail; a pool, dropout and the classifier
    each have one, and softmax, which the network leaves to its head, the last. Normalisation alone has none.

    Args:
        found: the account of this network, or of one of its architecture.
    """
    of_stage = _units_of_stages(network)
    layers = [layer for layer in found.layers if layer.kind != "response norm"]
    rows: list[Row] = []
    depth = 0
    for unit, group in groupby(layers, key=lambda layer: _unit_of(layer, of_stage)):
        row = _row(unit, list(group), found, depth, of_stage)
        depth += row.depth
        rows.append(row)
    return [*rows, Row("softmax", "", rows[-1].output, 0, (), 0, 0, 0)]


def _units_of_stages(network: Backbone) -> dict[str, str]:
    """Name of each module that is a stage, or a part of one → the stage."""
    stages = {id(module): stage for stage in network.stages for module in network.stage_modules(stage)}
    return {name: stages[id(module)] for name, module in network.named_modules() if id(module) in stages}


def _unit_of(layer: Layer, of_stage: dict[str, str]) -> str:
    """What row a layer belongs to: a stage, a module of the tail, or the layer's own name."""
    parts = layer.name.split(".")
    for end in range(len(parts), 0, -1):
        stage = of_stage.get(".".join(parts[:end]))
        if stage is not None:
            return stage
    return ".".join(parts[: 2 if parts[0] == "network" else 1])


def _row(unit: str, layers: Sequence[Layer], found: Account, depth_before: int, of_stage: dict[str, str]) -> Row:
    convolutions = [layer for layer in layers if layer.kind == "convolution"]
    modules = [name for name, stage in of_stage.items() if stage == unit] or [unit]
    return Row(
        kind=_kind(unit, layers, convolutions),
        window=_window(layers, convolutions),
        output=found.outputs[modules[-1]] if convolutions else layers[-1].output,  # one pool may serve several rows
        depth=max(0, max(layer.depth for layer in layers) - depth_before),
        widths=tuple(layer.output[0] for layer in convolutions),
        weights=sum(layer.weights for layer in layers),
        others=sum(layer.others for layer in layers),
        multiply_adds=sum(layer.multiply_adds for layer in layers),
    )


def _kind(unit: str, layers: Sequence[Layer], convolutions: Sequence[Layer]) -> str:
    if not convolutions:
        return layers[0].kind
    module = re.search(r"(\d[a-z])$", unit)
    if module and len(convolutions) > 1:
        halved = any(layer.stride > 1 for layer in convolutions)
        return f"{'reduction' if halved else 'inception'} ({module[1]})"
    return "mlpconv" if unit.startswith("mlpconv") else "convolution"


def _window(layers: Sequence[Layer], convolutions: Sequence[Layer]) -> str:
    """Of a module with several, if one of its convolutions alone is larger than 1×1, that one's."""
    shown = [layer for layer in convolutions if layer.kernel != (1, 1)] or list(convolutions) or list(layers)
    if len(shown) > 1 or shown[0].kernel is None:
        return ""
    height, width = shown[0].kernel
    return f"{height}×{width}/{shown[0].stride}"
