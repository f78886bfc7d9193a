"""`googlenet-rcnn propose` in this process, mostly with a search that is no search: files, flags."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import files_in
from odd_images import make_odd_images, make_pipe, quadrants
from proposed_files import all_but_times
from run_files import description, make_photos, records, refused

from configs.proposing import ProposeConfig, search_mode
from proposals import selective_search
from proposals.proposal_files import proposal_bytes, read_proposals
from tools.cli import main

pytestmark = pytest.mark.usefixtures("here")


# What a run writes


def test_a_run_writes_a_file_per_image_records_and_a_description(
    fake_search: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    names = make_photos(5)
    assert main(["propose", "photos", "--out", "out"]) == 0
    output = capsys.readouterr()
    assert output.out == "5 images, 10 proposals in out\n"
    assert output.err.splitlines()[-1].startswith("5/5 images, ")
    assert files_in("out") == {"run.json", "proposals.jsonl", *(f"{name}.npz" for name in names)}
    for i, (name, record) in enumerate(zip(names, records(), strict=True)):
        assert list(record) == ["image", "width", "height", "num_proposals", "seconds"]
        assert (record["image"], record["width"], record["height"], record["num_proposals"]) == (name, 40 + i, 30, 2)
        assert list(record["seconds"]) == ["decode", "propose"]
        found, size = read_proposals(Path("out", f"{name}.npz"))
        assert size == (30, 40 + i)
        assert found.boxes.tolist() == [[0, 0, 40 + i, 30], [0, 0, (40 + i) / 2, 15]]
        assert found.scores.tolist() == [0, -1]
    run = description()
    assert (run["verb"], run["status"], run["sources"]) == ("propose", "finished", ["photos"])
    assert run["counts"] == {"images": 5, "failed": 0, "proposals": 10}
    assert run["config"] == dataclasses.asdict(ProposeConfig())
    assert run["settings"]["mode"] == search_mode(ProposeConfig()), "what null came to"
    packages = {"googlenet-rcnn", "numpy", "numba", "opencv-contrib-python", "pillow"}
    assert set(run["settings"]["versions"]) == packages
    assert {"commit", "python", "processor"} <= set(run)
    assert set(run["seconds"]) == {"wall_of_last_session", "decode", "propose"}


def test_the_boxes_are_those_of_selective_search() -> None:
    make_photos(2)
    options = ["--mode", "single", "--superpixel-scale", "2", "--limit", "7", "--seed", "5", "--min-side", "9"]
    assert main(["propose", "photos", "--out", "out", *options, "--search-width", "80"]) == 0
    for i, name in enumerate(["00.png", "01.png"]):
        image = quadrants(30, 40 + i)
        expected = selective_search(image, "single", superpixel_scale=2, seed=5, min_side=9, search_width=80).best(7)
        found, _ = read_proposals(Path("out", f"{name}.npz"))
        np.testing.assert_array_equal(found.boxes, expected.boxes, strict=True)
        np.testing.assert_array_equal(found.scores, expected.scores, strict=True)


def test_a_search_width_of_null_searches_the_image_as_it_is() -> None:
    make_photos(1)
    assert main(["propose", "photos", "--out", "out", "--search-width", "null", "--mode", "single"]) == 0
    expected = selective_search(quadrants(30, 40), "single", search_width=None)
    assert read_proposals(Path("out/00.png.npz"))[0].boxes.tolist() == expected.boxes.tolist()


def test_every_odd_image_in_one_folder(fake_search: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Path("photos/sub").mkdir(parents=True)
    expected = {f"sub/{name}": expectation for name, expectation in make_odd_images(Path("photos/sub")).items()}
    pipe = f"sub/{make_pipe(Path('photos/sub'))}"
    assert main(["propose", "photos", "--out", "out", "--workers", "3"]) == 3
    names = [record["image"] for record in records()]
    assert names == sorted([*expected, pipe]), "nothing lost, nothing twice, in order"
    good = set()
    for record in records():
        name = record["image"]
        if name == pipe or expected[name].error is not None:
            assert set(record) == {"image", "error"}
            assert (expected[name].error if name != pipe else "named pipe") in record["error"]
        else:
            assert read_proposals(Path("out", f"{name}.npz"))[1] == expected[name].size
            assert (record["height"], record["width"]) == expected[name].size
            good.add(f"{name}.npz")
    assert files_in("out") == {"run.json", "proposals.jsonl", *good}
    failed = len(names) - len(good)
    assert f"{failed} of {len(names)} images failed; out/proposals.jsonl says why" in capsys.readouterr().err
    assert description()["counts"]["failed"] == failed


def test_images_that_differ_in_their_ending_or_are_long_do_not_share_a_file(fake_search: Any) -> None:
    make_photos(1)
    photo = Path("photos/00.png").read_bytes()
    for name in ("a", "a.jpg", "a.png", "a.npz", "n" * 251 + ".png"):
        Path("photos", name).write_bytes(photo)
    assert main(["propose", "photos", "photos/a", "photos/a.npz", "--out", "out"]) == 0
    assert len([name for name in files_in("out") if name.endswith(".npz")]) == len(records()) == 6


def test_a_missing_source_is_recorded(fake_search: Any) -> None:
    make_photos(1)
    assert main(["propose", "gone.jpg", "photos", "--out", "out"]) == 3
    assert [(record["image"], record.get("error")) for record in records()] == [
        ("gone.jpg", "no such file or folder"),
        ("00.png", None),
    ]


def test_results_may_go_beside_the_photos(fake_search: Any, capsys: pytest.CaptureFixture[str]) -> None:
    names = make_photos(2, "photos/sub")
    before = {name: Path("photos/sub", name).read_bytes() for name in names}
    for option in ([], ["--resume"], ["--overwrite"]):
        assert main(["propose", "photos", "--out", "photos", *option]) == 0
        written = {"run.json", "proposals.jsonl", *(f"sub/{name}.npz" for name in names)}
        assert files_in("photos") == {f"sub/{name}" for name in names} | written
    assert before == {name: Path("photos/sub", name).read_bytes() for name in names}


# The same again


def test_any_number_of_workers_gives_the_same_files() -> None:
    make_photos(4)
    for i, workers in enumerate(("1", "2", "9")):
        argv = ["propose", "photos", "--out", f"out{i}", "--workers", workers, "--search-width", "60"]
        assert main(argv) == 0
    assert all_but_times("out0") == all_but_times("out1") == all_but_times("out2")


@pytest.mark.parametrize(("count", "n"), [(7, 2), (2, 3)])
def test_shards_together_are_the_whole(fake_search: Any, count: int, n: int) -> None:
    make_photos(count)
    assert main(["propose", "photos", "--out", "whole"]) == 0
    joined: dict[str, Any] = {"records": []}
    for i in range(1, n + 1):
        assert main(["propose", "photos", "--out", f"part{i}", "--shard", f"{i}/{n}"]) == 0
        part = all_but_times(f"part{i}")
        assert part.pop("run")["settings"]["shard"] == f"{i}/{n}"
        joined["records"] += part.pop("records")
        joined |= part
    whole = all_but_times("whole")
    whole.pop("run")
    assert joined == whole


# Settings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "both", "--multibox", "x"], "--multibox: no MultiBox model file x, and the only one with a name"),
        (["--method", "bing"], "--method: expected one of selective_search, multibox, both, got 'bing'"),
        (["--mode", "slow"], "--mode: expected one of "),
        (["--superpixel-scale", "0"], "--superpixel-scale: expected a finite number above 0, got 0.0"),
        (["--superpixel-scale", "two"], "--superpixel-scale: Does not validate"),
        (["--limit", "0"], "--limit: expected at least 1, got 0"),
        (["--seed", "-1"], "--seed: expected at least 0, got -1"),
        (["--search-width", "0"], "--search-width: expected at least 1, got 0"),
        (["--min-side", "0"], "--min-side: expected at least 1, got 0"),
        (["--multibox-limit", "0"], "--multibox-limit: expected at least 1, got 0"),
        (["--multibox-nms-iou", "2"], "--multibox-nms-iou: expected a finite number from 0 to 1, got 2.0"),
        (["--multibox-crops", "3"], "--multibox-crops: expected 1 or 5, got 3"),
        (["--multibox", "x"], "--multibox: expected --method multibox or both with it"),
        (["--multibox-limit", "9"], "--multibox-limit: expected --method multibox or both with it"),
        (["--multibox-nms-iou", "0.5"], "--multibox-nms-iou: expected --method multibox or both with it"),
        (["--multibox-crops", "5"], "--multibox-crops: expected --method multibox or both with it"),
        (["--precision", "fp8"], "--precision: expected one of auto, fp32, bf16, got 'fp8'"),
        (["--workers", "0"], "--workers: expected at least 1, got 0"),
        (["--shard", "3/2"], "--shard: expected i/n with i from 1 to n, got '3/2'"),
        (["--superpixel-scal", "2"], "(did you mean --superpixel-scale?)"),
        (["--config", "gone.yaml"], "--config: File does not exist"),
    ],
)
def test_settings_out_of_range_are_one_line(
    fake_search: Any, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    make_photos(1)
    assert message in refused(capsys, "propose", "photos", "--out", "out", *options)
    assert not Path("out").exists()


def test_a_wrong_config_file_is_one_line(fake_search: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_photos(1)
    Path("c.yaml").write_text("superpixel_scal: 2")
    text = refused(capsys, "propose", "photos", "--out", "out", "--config", "c.yaml")
    assert "does not accept option 'superpixel_scal' (did you mean --superpixel-scale?)" in text


def test_a_config_file_can_hold_everything_and_flags_win(fake_search: Any) -> None:
    make_photos(2)
    Path("c.yaml").write_text("source: [photos]\nout: out\nmode: single\nlimit: 9\nseed: 3\nsearch_width: null\n")
    assert main(["propose", "--config", "c.yaml", "--limit", "1"]) == 0
    config = description()["config"]
    assert (config["mode"], config["limit"], config["seed"], config["search_width"]) == ("single", 1, 3, None)
    assert records()[0]["num_proposals"] == 1


def test_print_config_can_be_read_back(fake_search: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_photos(1)
    with pytest.raises(SystemExit) as leaves:
        main(["propose", "photos", "--out", "out", "--superpixel-scale", "2", "--limit", "1", "--print_config"])
    assert leaves.value.code == 0
    Path("c.yaml").write_text(capsys.readouterr().out)
    assert not Path("out").exists()
    assert main(["propose", "--config", "c.yaml"]) == 0
    assert (description()["config"]["superpixel_scale"], description()["config"]["limit"]) == (2.0, 1)


def test_nothing_is_written_outside_out(fake_search: Any, here: Path) -> None:
    make_photos(2)
    assert main(["propose", "photos", "--out", "out"]) == 0
    assert {path.name for path in here.iterdir()} == {"photos", "out"}
    assert files_in("photos") == {"00.png", "01.png"}


def test_what_is_written_equals_what_python_gives() -> None:
    """The bytes of a file are those of `proposal_bytes`, so that they can be compared."""
    make_photos(1)
    assert main(["propose", "photos", "--out", "out", "--mode", "single"]) == 0
    expected = proposal_bytes(selective_search(quadrants(30, 40), "single"), (30, 40))
    assert Path("out/00.png.npz").read_bytes() == expected
