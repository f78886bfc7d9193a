"""`googlenet-rcnn models info NAME --layers` and `--per-layer`."""

from __future__ import annotations

from pathlib import Path

import pytest

from detect.backbones.registry import BACKBONES
from tools.cli import main
from tools.layer_tables import aligned


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["models", "info", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_googlenets_table(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, "googlenet", "--layers")
    assert lines[0].split("  ")[0] == "type"
    assert "#3×3 reduce" in lines[0]
    row = next(line for line in lines if line.startswith("inception (4a)"))
    assert row.split()[2:] == ["14×14×512", "2", "192", "96", "208", "16", "48", "64", "375,552", "73.6", "M"]
    second = next(line for line in lines if line.startswith("convolution     3×3/1"))
    assert second.split()[1:] == ["3×3/1", "56×56×192", "2", "64", "192", "114,688", "359.7", "M"]
    text = "\n".join(lines)
    assert "22 layers deep with parameters, 27 with pools; 6,998,552 parameters, 6,990,272 of them weights" in text
    assert "1.583 G multiply-adds for 224 x 224 pixels" in text
    assert "2.7 K and 34 M, is a known misprint" in text


def test_the_same_of_a_model_file(capsys: pytest.CaptureFixture[str], random_model: Path) -> None:
    assert told(capsys, str(random_model), "--layers") == told(capsys, "googlenet", "--layers")


@pytest.mark.parametrize("name", BACKBONES)
def test_every_architecture_by_its_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    side = BACKBONES[name].input_side
    for way in ("--layers", "--per-layer"):
        text = "\n".join(told(capsys, name, way))
        assert f"G multiply-adds for {side} x {side} pixels" in text
        assert "G multiply-adds for 128 x 128 pixels" in "\n".join(told(capsys, name, way, "--side", "128"))
    about = "\n".join(told(capsys, name))
    assert f"architecture    {name}" in about
    assert BACKBONES[name].stages[-1] in about


def test_every_layer(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, "nin", "--per-layer")
    assert lines[1].split() == ["mlpconv1.0", "convolution", "11×11/4", "54×54×96", "1", "34,848", "96", "101.6", "M"]
    assert [line.split()[0] for line in lines[1:18]].count("pool") == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nin", "--layers", "--side", "20"), "images: expected at least 39 x 39 pixels for nin, got 20 x 20"),
        (
            ("inception_v9", "--layers"),
            "architectures: googlenet, googlenet_naive, googlenet_bn, nin, inception_v2, inception_v3",
        ),
        (("nin", "--layers", "--per-layer"), "not allowed with argument"),
        (("multibox", "--layers"), "expected a detector, got a MultiBox model"),
    ],
)
def test_what_is_refused(arguments: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "info", *arguments]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_columns_are_as_wide_as_they_need_to_be() -> None:
    assert aligned([("a", "b", "c"), ("aa", "", "123")]) == ["a   b    c", "aa     123"]
