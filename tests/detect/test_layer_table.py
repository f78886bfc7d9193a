"""GoogLeNet's Table 1, counted; and the same for the others."""

from __future__ import annotations

import pytest
import torch

from detect.accounting import account
from detect.backbones.registry import BACKBONES
from detect.googlenet import TABLE_1
from detect.layer_table import Row, table_rows

# As printed: type, patch size and stride, output size, depth, params in K, ops in M.
PRINTED = """
convolution     7×7/2 112 64   1 2.7  34
max_pool        3×3/2 56  64   0 -    -
convolution     3×3/1 56  192  2 112  360
max_pool        3×3/2 28  192  0 -    -
inception_(3a)  -     28  256  2 159  128
inception_(3b)  -     28  480  2 380  304
max_pool        3×3/2 14  480  0 -    -
inception_(4a)  -     14  512  2 364  73
inception_(4b)  -     14  512  2 437  88
inception_(4c)  -     14  512  2 463  100
inception_(4d)  -     14  528  2 580  119
inception_(4e)  -     14  832  2 840  170
max_pool        3×3/2 7   832  0 -    -
inception_(5a)  -     7   832  2 1072 54
inception_(5b)  -     7   1024 2 1388 71
avg_pool        -     1   1024 0 -    -
dropout         -     1   1024 0 -    -
linear          -     1   1000 1 1000 1
softmax         -     1   1000 0 -    -
"""
# Printed numbers that are not those of the printed filters, and what these give. 463 K of 4c are not the 100 M beside
# them; 1072 K and 54 M of 5a go together. 2.7 K and 34 M of the first row are the known misprint.
OFF = {("convolution", "7×7/2"): (9.2, 118), ("inception (4c)", ""): (498, 100), ("inception (5a)", ""): (1018, 51)}


def rows_of(name: str) -> list[Row]:
    kind = BACKBONES[name]
    with torch.device("meta"):
        network = kind().eval()
    return table_rows(network, account(network, (kind.input_side, kind.input_side)))


def test_table_1_row_by_row() -> None:
    rows = rows_of("googlenet")
    printed = [line.split() for line in PRINTED.splitlines() if line]
    assert len(rows) == len(printed)
    for row, (kind, window, side, channels, depth, params, ops) in zip(rows, printed, strict=True):
        assert (row.kind, row.window, row.depth) == (kind.replace("_", " "), window.strip("-"), int(depth))
        assert row.output == (int(channels), int(side), int(side))
        if params == "-":
            assert (row.weights, row.multiply_adds) == (0, 0)
            continue
        thousands, millions = OFF.get((row.kind, row.window), (float(params), float(ops)))
        assert row.weights / 1024 == pytest.approx(thousands, rel=0.023), "the paper is 2.3 % off at most"
        assert row.multiply_adds / 1e6 == pytest.approx(millions, abs=0.7)


def test_the_rows_that_are_exact_say_what_the_units_are() -> None:
    """Weights without biases in units of 1024: 112, 159 and 1000 K."""
    rows = {f"{row.kind} {row.window}": row for row in rows_of("googlenet")}
    exact = ("convolution 3×3/1", "inception (3a) ", "linear ")
    assert [rows[name].weights // 1024 for name in exact] == [112, 159, 1000]
    assert rows["linear "].others == 1000


@pytest.mark.parametrize("name", ["googlenet", "googlenet_bn"])
def test_widths_are_table_1s_columns(name: str) -> None:
    rows = {row.kind: row for row in rows_of(name) if row.kind.startswith("inception")}
    for module, widths in TABLE_1.items():
        assert rows[f"inception ({module})"].widths == (
            *(widths.conv1x1, widths.reduce3x3, widths.conv3x3),
            *(widths.reduce5x5, widths.conv5x5, widths.pool_proj),
        )


@pytest.mark.parametrize("name", BACKBONES)
def test_rows_add_up(name: str) -> None:
    kind = BACKBONES[name]
    with torch.device("meta"):
        network = kind().eval()
    found = account(network, (kind.input_side, kind.input_side))
    rows = table_rows(network, found)
    assert sum(row.weights for row in rows) == found.weights
    assert sum(row.others for row in rows) == found.others
    assert sum(row.multiply_adds for row in rows) == found.multiply_adds
    assert sum(row.depth for row in rows) == found.depth


def test_kinds_of_the_others() -> None:
    kinds = [row.kind for row in rows_of("inception_v2")]
    assert kinds.count("convolution") == 6
    assert [kind for kind in kinds if "(" in kind] == [
        *("inception (5a)", "inception (5b)", "inception (5c)", "reduction (6a)"),
        *(f"inception (6{letter})" for letter in "bcdef"),
        *("reduction (7a)", "inception (7b)", "inception (7c)"),
    ]
    nin = rows_of("nin")
    assert [(row.kind, row.window, row.depth) for row in nin[::2]][:3] == [
        ("mlpconv", "11×11/4", 3),
        ("mlpconv", "5×5/1", 3),
        ("mlpconv", "3×3/1", 3),
    ]
    assert [row.output for row in nin if row.kind == "max pool"] == [(96, 27, 27), (256, 13, 13), (384, 6, 6)]
