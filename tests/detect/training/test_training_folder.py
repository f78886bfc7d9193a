"""The folder of a training run: what is refused, and what is deleted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from detect.run_folder import Mode, RunFolderError
from detect.training.training_folder import TrainingFolder

VERB = "train classifier"
WRITTEN = (
    "model.safetensors",
    "config.yaml",
    "before.json",
    "checkpoints/step-000002.ckpt",
    "checkpoints/.unfinished",
    "logs/metrics.csv",
    "logs/hparams.yaml",
    "logs/tensorboard/events.out.tfevents.1.host",
)
KEPT = ("mine.txt", "data/hashes.json", "proposals/a/setting.json")


def fill(out: Path, *names: str, run: str = json.dumps({"verb": VERB})) -> Path:
    for name in (*WRITTEN, *KEPT, *names):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(name)
    (out / "run.json").write_text(run)
    return out


def files_in(out: Path) -> set[str]:
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}


@pytest.mark.parametrize("run", [json.dumps({"verb": VERB}), "", '{"verb": "tr'])
def test_overwriting_deletes_what_a_run_writes_and_nothing_else(tmp_path: Path, run: str) -> None:
    out = fill(tmp_path / "out", run=run)
    before = files_in(out)
    with TrainingFolder(out, "overwrite", verb=VERB) as folder:
        assert files_in(out) == before
        folder.start({})
    assert files_in(out) == {"run.json", *KEPT}
    assert not (out / "checkpoints").exists()
    assert not (out / "logs").exists()


def test_the_users_files_among_those_of_a_run_stay(tmp_path: Path) -> None:
    mine = ("checkpoints/best.ckpt", "logs/notes.txt", "logs/tensorboard/mine/events.out.tfevents.2")
    out = fill(tmp_path / "out", *mine)
    with TrainingFolder(out, "overwrite", verb=VERB) as folder:
        folder.start({})
    assert files_in(out) == {"run.json", *KEPT, *mine}


def test_a_run_that_is_resumed_stays(tmp_path: Path) -> None:
    out = fill(tmp_path / "out")
    with TrainingFolder(out, "resume", verb=VERB) as folder:
        folder.start({})
    assert files_in(out) == {"run.json", *WRITTEN, *KEPT}


@pytest.mark.parametrize("run", ["", "{", "[1]"])
def test_a_damaged_description_is_no_dead_end(tmp_path: Path, run: str) -> None:
    out = fill(tmp_path / "out", run=run)
    with pytest.raises(RunFolderError) as no:
        TrainingFolder(out, "new", verb=VERB)
    assert str(no.value) == (
        f"--out {out}: run.json is damaged; give --resume to continue from its checkpoints, or --overwrite"
    )
    TrainingFolder(out, "resume", verb=VERB).close()
    (out / "checkpoints" / "step-000002.ckpt").unlink()
    for mode in ("new", "resume"):
        with pytest.raises(RunFolderError) as no:
            TrainingFolder(out, mode, verb=VERB)  # type: ignore[arg-type]
        assert str(no.value) == f"--out {out}: run.json is damaged; give --overwrite"
    TrainingFolder(out, "overwrite", verb=VERB).close()


def test_data_is_ours_where_we_said_so(tmp_path: Path) -> None:
    with TrainingFolder(tmp_path, "new", verb=VERB) as folder:
        folder.mark_data()
    TrainingFolder(tmp_path, "new", verb=VERB).close()
    (tmp_path / "data" / "made-by-googlenet-rcnn.txt").unlink()
    TrainingFolder(tmp_path, "new", verb=VERB).close()  # it is empty
    (tmp_path / "data" / "mine.txt").write_text("")
    with pytest.raises(RunFolderError, match="data is there already, and no run wrote it; choose another folder"):
        TrainingFolder(tmp_path, "overwrite", verb=VERB)


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with (
        TrainingFolder(tmp_path, "new", verb=VERB),
        pytest.raises(RunFolderError, match="another process is writing there"),
    ):
        TrainingFolder(tmp_path, "resume", verb=VERB)


@pytest.mark.parametrize("mode", ["new", "resume", "overwrite"])
def test_a_description_by_another_program_is_no_run(tmp_path: Path, mode: Mode) -> None:
    out = fill(tmp_path / "out", run='{"lr": 1}')
    with pytest.raises(RunFolderError, match=r"run\.json is there already, and no run wrote it; choose another folder"):
        TrainingFolder(out, mode, verb=VERB)
    assert files_in(out) == {"run.json", *WRITTEN, *KEPT}
