"""Printing what the layers of a network cost: the table of `models info NAME --layers`, the list of `--per-layer`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    from detect.accounting import Account, Layer
    from detect.backbones.backbone import Backbone
    from detect.layer_table import Row

TABLE_1 = ("#1×1", "#3×3 reduce", "#3×3", "#5×5 reduce", "#5×5", "pool proj")
_PLACES = {6: (0, 1, 2, 3, 4, 5), 2: (1, 2)}  # of so many convolutions, the columns of TABLE_1
NOTES = {
    "googlenet": """GoogLeNet's Table 1 counts weights without biases, in units of 1024; its rows add up to 6.8 M, and
1.5 G multiply-adds. Its first row, 2.7 K and 34 M, is a known misprint: 7 x 7 x 3 x 64 are 9,408 weights and 118 M.""",
    "googlenet_bn": "In torchvision's form the convolutions under #5×5 are 3×3.",
}


def layer_table(network: Backbone, side: int) -> list[str]:
    """Lines in the form of Table 1: all its columns for GoogLeNet, the number of convolutions in their place else."""
    from detect.accounting import account
    from detect.layer_table import table_rows
    from detect.multibox_trunk import TRUNKS

    found = account(network, (side, side))
    rows = table_rows(network, found)
    as_published = network.name in TRUNKS
    middle = TABLE_1 if as_published else ("convolutions",)
    header = ("type", "patch/stride", "output size", "depth", *middle, "params", "ops")
    cells = [_cells(row, _widths(row) if as_published else (str(len(row.widths) or ""),)) for row in rows]
    return [*aligned([header, *cells]), "", *totals(found, side), *NOTES.get(network.name, "").splitlines()]


def layer_list(network: Backbone, side: int) -> list[str]:
    """Lines for every layer, and the totals."""
    from detect.accounting import account

    found = account(network, (side, side))
    header = ("layer", "type", "patch/stride", "output size", "depth", "weights", "biases etc.", "ops")
    return [*aligned([header, *map(_of_layer, found.layers)]), "", *totals(found, side)]


def totals(found: Account, side: int) -> list[str]:
    """What it all comes to."""
    return [
        f"{found.depth} layers deep with parameters, {found.depth_with_pools} with pools; "
        f"{found.weights + found.others:,} parameters, {found.weights:,} of them weights",
        f"{found.multiply_adds / 1e9:.3f} G multiply-adds for {side} x {side} pixels: "
        "one for each use of a weight, none for biases, normalisation and pools",
    ]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as they need to be; the first two to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = (
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return lines


def _cells(row: Row, middle: Sequence[str]) -> tuple[str, ...]:
    weights = f"{row.weights:,}" if row.weights else ""
    return (row.kind, row.window, _size(row.output), str(row.depth), *middle, weights, _millions(row.multiply_adds))


def _widths(row: Row) -> tuple[str, ...]:
    """The columns of Table 1 that a row fills."""
    cells = [""] * len(TABLE_1)
    for column, width in zip(_PLACES.get(len(row.widths), ()), row.widths, strict=False):
        cells[column] = str(width)
    return tuple(cells)


def _of_layer(layer: Layer) -> tuple[str, ...]:
    window = "" if layer.kernel is None else f"{layer.kernel[0]}×{layer.kernel[1]}/{layer.stride}"
    numbers = (f"{number:,}" if number else "" for number in (layer.weights, layer.others))
    ops = _millions(layer.multiply_adds)
    return (layer.name, layer.kind, window, _size(layer.output), str(layer.depth), *numbers, ops)


def _size(output: tuple[int, int, int]) -> str:
    channels, height, width = output
    return f"{height}×{width}×{channels}"


def _millions(multiply_adds: int) -> str:
    return f"{multiply_adds / 1e6:,.1f} M" if multiply_adds else ""
