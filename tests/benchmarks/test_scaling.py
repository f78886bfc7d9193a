"""The arithmetic of one GPU and of many, by hand, and that the tables have it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import scaling
from scaling import FEEDER, GPU, WORKERS, Costs, Pipeline
from stage_limits import Rates, Work, multibox_work, read_by_products, stage_work

from detect.detector import _BATCH_SIZES
from detect.shared_regions import SharedSettings

COSTS = Costs(decode=0.01, search=0.19, multibox=0.1, suppress=1e-5, launch=1e-5)
SHARED = Pipeline("shared", "shared", 1000, search=True)


def test_seconds_of_the_workers() -> None:
    assert SHARED.worker_seconds(COSTS) == 0.2
    assert Pipeline("both", "shared", 200, search=True, multibox="cpu").worker_seconds(COSTS) == pytest.approx(0.3)
    assert Pipeline("alone", "shared", 200, search=False, multibox="gpu").worker_seconds(COSTS) == 0.01


def test_rates_by_hand() -> None:
    gpu = Rates(0, {"bf16": 1e12}, 1e15)  # bytes cost nothing
    rates = SHARED.rates(COSTS, gpu, cores=16)
    settings = SharedSettings()
    work = stage_work((375, 500), settings, 1000, "bf16")
    read = read_by_products((375, 500), settings, 1000, "bf16")
    assert rates[WORKERS] == 15 / 0.2
    assert rates[FEEDER] == pytest.approx(1 / (0.01 + 1e-5 * SHARED.operations()))
    assert rates[GPU] == pytest.approx(1e12 / (work["map"].flops + read.flops + work["classify"].flops))
    assert scaling.slowest({WORKERS: 75, FEEDER: 90, GPU: 80}) == WORKERS
    assert scaling.cores_to_keep_up(SHARED, COSTS, 100) == 1 + 20
    assert scaling.cores_to_keep_up(SHARED, COSTS, 101) == 1 + 21


def test_multibox_is_one_more_look_on_the_gpu() -> None:
    alone = Pipeline("alone", "shared", 1000, search=False, multibox="gpu")
    assert alone.gpu_work() == [*SHARED.gpu_work(), multibox_work("bf16")]
    assert alone.operations() > SHARED.operations()


def test_warped_regions_go_through_the_whole_network() -> None:
    warp = Pipeline("warp", "warp", 256, search=True)
    assert warp.gpu_work() == list(stage_work((375, 500), None, 256, "bf16").values())
    assert warp.operations() == 2 * Pipeline("warp", "warp", 128, search=True).operations()


def test_batches_are_the_detector_s() -> None:
    assert {way: _BATCH_SIZES[True, way == "shared"] for way in scaling.BATCHES} == scaling.BATCHES


def test_a_gpu_reaches_a_share_of_both_rates() -> None:
    gpu = scaling.gpu_rates(1000e12, 4e12, 0.25)
    assert gpu.seconds(Work(250e12, 0), "bf16") == 1
    assert gpu.seconds(Work(0, 1e12), "bf16") == 1


def test_records_grow_with_what_was_found() -> None:
    none, one, hundred = (scaling.record_bytes(count) for count in (0, 1, 100))
    assert 100 < none < one < hundred
    assert (hundred - none) / 100 == pytest.approx(one - none, rel=0.2)


def test_a_listed_photo_takes_some_memory() -> None:
    assert 200 < scaling.listed_bytes(2000) < 5000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(86400, "1 day"), (604800, "7 days"), (3600, "1 hour"), (600, "10 minutes"), (60, "1 minute"), (30, "30 seconds")],
)
def test_durations(seconds: float, text: str) -> None:
    assert scaling.duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(1.1e13, "11 TB"), (4.42e9, "4.42 GB"), (2e6, "2 MB"), (831, "0.831 kB")])
def test_sizes(count: float, text: str) -> None:
    assert scaling.size(count) == text


def test_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["scaling", "--cores", "8", "--decode", "0.01", "--search", "0.13", "--jobs", "900000:10000"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--json", str(tmp_path / "found.json")])
    scaling.main()
    printed = capsys.readouterr().out
    found = json.loads((tmp_path / "found.json").read_text())["photos_a_second"]
    assert set(found) == {one.name for one in scaling.PIPELINES}
    best = found["shared, its best 200"]
    assert best[WORKERS] == 7 / 0.14  # 50 a second, fewer than the GPU's
    operations = next(one for one in scaling.PIPELINES if one.name == "shared, its best 200").operations()
    rates = f"{best[FEEDER]:.0f} | {best[GPU]:.0f} | **50**, {WORKERS}"
    assert f"| shared, its best 200 | {operations:.0f} | 50 | {rates} |" in printed
    # 90 a second on machines that do 50
    assert "| 900,000 in 2.77778 hours | shared, both, the best 200 | 90 | 2 | 5 | 9.9 | 99 GB |" in printed
