"""That the limits are printed and written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import limits
import pytest


def test_a_quick_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["limits", "--regions", "10", "20", "--seconds", "0", "--squares", "64"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--json", str(tmp_path / "found.json")])
    limits.main()
    printed = capsys.readouterr().out
    one = json.loads((tmp_path / "found.json").read_text())["by_threads"][0]
    assert one["threads"] == 1
    assert set(one["flops"]) == {"fp32", "bf16"}
    assert len(one["tail"]) == 4
    for name, seconds in one["limits"].items():
        assert f"| {name} |" in printed
        assert all(value > 0 or (name.startswith("warp") and stage == "map") for stage, value in seconds.items())
    twice = [one["limits"][f"warp, bf16, {count} regions"]["classify"] for count in (10, 20)]
    assert twice[1] == pytest.approx(2 * twice[0], rel=0.2)
    assert "| shared: classify | 20 | 4.91 |" in printed
