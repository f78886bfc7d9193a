"""What the comparison of proposers measures, and that it prints all of them."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import proposing_time
from small_voc import write_small_voc

sys.path.append(str(Path(__file__).parents[1] / "detect"))


def test_a_quick_run(tmp_path, monkeypatch, capsys):
    from random_multibox import save_random_multibox

    model = save_random_multibox(tmp_path / "m.safetensors")
    voc = write_small_voc(tmp_path / "voc", tmp_path / "store")
    real = proposing_time.build_proposers

    def build(multibox):
        proposers = real(multibox)
        fast = proposers[proposing_time.FAST]

        def slow(image):
            time.sleep(1)
            return fast(image)

        return {**proposers, proposing_time.FAST: slow}

    monkeypatch.setattr(proposing_time, "build_proposers", build)
    arguments = [
        "time",
        "--images",
        str(voc / "JPEGImages"),
        "--multibox",
        str(model),
        "--limit",
        "2",
        "--repeats",
        "1",
    ]
    monkeypatch.setattr(sys, "argv", [*arguments, "--json", str(tmp_path / "found.json")])
    proposing_time.main()
    table = capsys.readouterr().out
    found = json.loads((tmp_path / "found.json").read_text())["results"]
    assert all(f"| {name} |" in table for name in found)
    assert set(found) == set(real(str(model)))
    assert found[proposing_time.FAST]["ratio"] == [1, 1, 1]
    assert found[proposing_time.FAST]["seconds"][0] >= 1
    both, search = (found[name]["boxes"] for name in ("selective search ×2 + MultiBox", "selective search ×2"))
    assert search < both
