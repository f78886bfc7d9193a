"""Checkpoints: whole or passed over with a note, and refused where the settings change the course of training."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from detect.training.checkpoints import (
    checkpoint_path,
    find_checkpoint,
    newest_step,
    plain_settings,
    read_checkpoint,
    remove_damaged,
    remove_old,
    setting_differences,
    write_checkpoint,
)
from detect.whole_files import OutputError

SETTINGS: dict[str, Any] = {
    "seed": 0,
    "workers": 1,
    "data": ({"kind": "voc", "path": "a"},),
    "optimisation": {"schedule": "cosine", "steps": 10, "learning_rate": 0.001, "drops": (0.5,)},
    "validation": {"held_back": 0.1, "every": None, "data": ()},
    "proposals": {"store": "here", "limit": 2000},
    "head": {"carry_over": 5, "kind": "marginal"},
}


def save(folder: Path, step: int, settings: dict[str, Any] | None = None) -> Path:
    path = checkpoint_path(folder, step)
    content = {"global_step": step, "settings": plain_settings(settings or SETTINGS), "weights": torch.arange(5000.0)}
    write_checkpoint(path, content)
    return path


def changed(name: str, value: Any) -> dict[str, Any]:
    outer, _, inner = name.partition(".")
    return SETTINGS | {outer: SETTINGS[outer] | {inner: value} if inner else value}


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """As on a full disk: a file that grows beyond it cannot be written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_newest_is_found_by_number(tmp_path: Path) -> None:
    for step in (900000, 1000000, 20):
        save(tmp_path, step)
    (tmp_path / "step-last.ckpt").write_text("not one")
    found = find_checkpoint(tmp_path, SETTINGS)
    assert (found.path, found.step, found.notes) == (tmp_path / "step-1000000.ckpt", 1000000, ())
    assert found.path is not None
    assert torch.equal(read_checkpoint(found.path)["weights"], torch.arange(5000.0))


def test_no_folder_no_checkpoint(tmp_path: Path) -> None:
    found = find_checkpoint(tmp_path / "none", SETTINGS)
    assert (found.path, found.step, found.notes) == (None, 0, ())


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.999])
def test_a_truncated_one_falls_back_to_the_one_before(tmp_path: Path, kept: float) -> None:
    older, newer = save(tmp_path, 100), save(tmp_path, 200)
    content = newer.read_bytes()
    newer.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    found = find_checkpoint(tmp_path, SETTINGS)
    assert (found.path, found.step, found.damaged) == (older, 100, (newer,))
    (note,) = found.notes
    assert note.startswith(f"{newer} is not a whole checkpoint: ")
    assert note.endswith("; passed over")


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = save(tmp_path, 100)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    found = find_checkpoint(tmp_path, SETTINGS)
    assert found.path is None
    assert "is damaged" in found.notes[0]


def test_something_else_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save({"weights": 1}, tmp_path / "step-000001.ckpt")
    torch.save([1], tmp_path / "step-000002.ckpt")
    found = find_checkpoint(tmp_path, SETTINGS)
    assert found.path is None
    assert all("expected one of a training run" in note for note in found.notes[:2])
    assert found.notes[2:] == ("no whole checkpoint: starting at step 0",)


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    path = save(tmp_path, 100)
    other = changed("optimisation.learning_rate", 0.002)
    with pytest.raises(ValueError, match=r"optimisation.learning_rate: 0.001 there, 0.002 here\. Choose") as caught:
        find_checkpoint(tmp_path, other)
    assert str(caught.value).startswith(f"{path} belongs to a run with other settings: ")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"images": 1625, "content": "b"}, "data: 1626 images there, 1625 here"),
        ({"name": "voc + coco", "images": 1700, "objects": 9}, "data: voc there, voc + coco here, 1626 images there,"),
        ({}, "data: the same images, other boxes, classes or weights"),
        ({"content": "b"}, "data: as many images, but others"),
    ],
)
def test_how_data_differ_is_told(changes: dict[str, Any], told: str) -> None:
    summary = {"name": "voc", "images": 1626, "objects": 4000, "content": "a"}
    there, here = SETTINGS | {"data": "12ab"}, SETTINGS | {"data": "34cd"}
    (said,) = setting_differences(there | {"data_summary": summary}, here | {"data_summary": summary | changes})
    assert said.startswith(told)
    assert list(setting_differences(there, there | {"data_summary": summary})) == []  # of before there were summaries
    assert list(setting_differences(there, here | {"data_summary": summary})) == ["data: 12ab there, 34cd here"]


def test_damaged_ones_go_and_do_not_count_as_kept(tmp_path: Path) -> None:
    whole = [save(tmp_path, step) for step in (100, 200)]
    for step in (300, 400):
        save(tmp_path, step).write_bytes(b"")
    found = find_checkpoint(tmp_path, SETTINGS)
    remove_damaged(found)
    remove_damaged(found)  # twice is harmless
    remove_old(tmp_path)
    assert sorted(tmp_path.iterdir()) == whole
    assert (newest_step(tmp_path), newest_step(tmp_path / "none")) == (200, 0)


def test_many_differences_are_counted(tmp_path: Path) -> None:
    save(tmp_path, 100)
    other = SETTINGS | {"seed": 1, "head": {}, "optimisation": {"schedule": "step"}}
    with pytest.raises(ValueError, match=r"head: nothing there, \{\} here; head.kind: .*; and 4 more\. Choose"):
        find_checkpoint(tmp_path, other)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("optimisation.steps", 20, ["optimisation.steps: 10 there, 20 here"]),  # the cosine is another
        ("optimisation.drops", (0.5, 0.7), ["optimisation.drops: [0.5] there, [0.5, 0.7] here"]),
        ("data", ({"kind": "voc", "path": "b"},), ["data[0].path: a there, b here"]),
        ("validation.held_back", 0.2, ["validation.held_back: 0.1 there, 0.2 here"]),  # other images are left
        ("proposals.limit", 100, ["proposals.limit: 2000 there, 100 here"]),
        ("validation.every", 5, []),
        ("validation.data", ({"kind": "voc"},), []),
        ("workers", 4, []),
        ("proposals.store", "there", []),
        ("head.carry_over", 0, []),
    ],
)
def test_what_changes_the_course_is_compared_and_nothing_else(name: str, value: Any, told: list[str]) -> None:
    assert list(setting_differences(SETTINGS, changed(name, value))) == told


@pytest.mark.parametrize("schedule", ["constant", "googlenet"])
def test_a_run_whose_rate_does_not_know_its_end_may_go_on(schedule: str) -> None:
    short, long = ({"optimisation": {"schedule": schedule, "steps": steps}} for steps in (10, 20))
    assert list(setting_differences(short, long)) == []


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        save(tmp_path, step)
    remove_old(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000003.ckpt", "step-000004.ckpt"]


def test_a_full_disk_is_one_sentence_and_the_older_one_stays(tmp_path: Path) -> None:
    older = save(tmp_path, 100)
    with largest_file(4096), pytest.raises(OutputError, match=r"cannot write .*step-000200.ckpt: .*; make room") as no:
        save(tmp_path, 200)
    assert no.value.disk_full
    assert [path.name for path in tmp_path.iterdir()] == [older.name]
    assert find_checkpoint(tmp_path, SETTINGS).step == 100
