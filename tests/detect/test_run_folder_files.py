"""The files of the images, in the folder itself or one of their own, and whose they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_runs import files_in, make_proposal_run, make_run, open_folder, open_proposals

from detect.run_folder import RunFolderError


def test_a_run_without_a_folder_of_its_own_names_its_files_by_image(tmp_path: Path) -> None:
    make_proposal_run(tmp_path, "a.jpg", "sub/b.png", finished=True)
    assert files_in(tmp_path) == {"run.json", "proposals.jsonl", "a.jpg.npz", "sub/b.png.npz"}
    assert json.loads((tmp_path / "run.json").read_bytes())["verb"] == "propose"
    with open_proposals(tmp_path, "overwrite") as run:
        run.start({})
    assert {path.name for path in tmp_path.iterdir()} == {"run.json", "proposals.jsonl"}


@pytest.mark.parametrize("mode", ["new", "resume", "overwrite"])
def test_a_folder_of_another_verb_is_refused(tmp_path: Path, mode: Any) -> None:
    make_run(tmp_path / "detected", "a")
    make_proposal_run(tmp_path / "proposed", "a")
    with pytest.raises(RunFolderError, match="detected holds a run of `detect`, not of `propose`: choose another"):
        open_proposals(tmp_path / "detected", mode)
    with pytest.raises(RunFolderError, match="proposed holds a run of `propose`, not of `detect`: choose another"):
        open_folder(tmp_path / "proposed", mode)
    assert (tmp_path / "proposed/a.npz").exists()


def test_a_folder_called_pictures_is_not_in_the_way_of_proposals(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    make_proposal_run(tmp_path, "pictures/a.jpg")
    assert (tmp_path / "pictures/a.jpg.npz").exists()


@pytest.mark.parametrize("what", ["file", "folder", "broken link"])
def test_what_has_the_name_of_a_file_to_be_written_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "sub/b.jpg.npz"
    path.parent.mkdir()
    {"file": path.touch, "folder": path.mkdir, "broken link": lambda: path.symlink_to("nowhere")}[what]()
    with open_proposals(tmp_path) as run:
        with pytest.raises(RunFolderError, match=r"sub/b\.jpg\.npz is there already, and no run wrote it"):
            run.check_sources(["a.jpg", "sub/b.jpg"])
        run.check_sources(["a.jpg", "sub/c.jpg"])


def test_a_file_and_a_folder_of_one_name_are_refused(tmp_path: Path) -> None:
    with open_proposals(tmp_path) as run:
        with pytest.raises(RunFolderError, match=r"a\.jpg\.npz would have to be a file and a folder"):
            run.check_sources(["a.jpg", "a.jpg.npz/deep/b.jpg"])
        run.check_sources(["a.jpg", "a/b.jpg"])


@pytest.mark.parametrize("mode", ["resume", "overwrite"])
def test_what_a_killed_run_left_without_a_record_is_deleted_at_the_start(tmp_path: Path, mode: Any) -> None:
    make_proposal_run(tmp_path, "a", "b")
    (tmp_path / "c.npz").write_bytes(b"boxes")
    with open_proposals(tmp_path, mode) as run:
        run.check_sources(["a", "b", "c", "d"])
        assert (tmp_path / "c.npz").exists(), "until the run is sure to start"
        run.start({})
        assert not (tmp_path / "c.npz").exists()
        assert run.done == (["a", "b"] if mode == "resume" else [])


@pytest.mark.parametrize("mode", ["resume", "overwrite"])
@pytest.mark.parametrize(("finished", "names"), [(True, ["a", "c", "d"]), (False, ["a", "d", "c"])])
def test_a_file_that_no_killed_run_can_have_left_is_the_users(
    tmp_path: Path, mode: Any, finished: bool, names: list[str]
) -> None:
    make_proposal_run(tmp_path, "a", finished=finished)
    (tmp_path / "c.npz").write_bytes(b"mine")
    with open_proposals(tmp_path, mode) as run, pytest.raises(RunFolderError, match=r"c\.npz is there already"):
        run.check_sources(names)
    assert (tmp_path / "c.npz").read_bytes() == b"mine"


def test_overwriting_with_other_sources_spares_what_may_not_be_ours(tmp_path: Path) -> None:
    make_proposal_run(tmp_path, "a", "b")
    (tmp_path / "y.npz").write_bytes(b"mine")
    with open_proposals(tmp_path, "overwrite") as run, pytest.raises(RunFolderError, match=r"y\.npz is there already"):
        run.check_sources(["x", "b", "y"])


@pytest.mark.parametrize("mode", ["resume", "overwrite"])
@pytest.mark.parametrize("draw", [True, False])
def test_a_picture_without_a_record_does_not_pass_for_the_next_runs(tmp_path: Path, mode: Any, draw: bool) -> None:
    """A kill or a full disk came after the picture; of a run that draws none it is the user's."""
    make_run(tmp_path, "a", draw=draw)
    picture = tmp_path / "pictures" / "b.png.jpg"
    picture.write_bytes(b"picture")
    with open_folder(tmp_path, mode, draw=draw) as run:
        assert run.output_path("b.png") == picture
        run.check_sources(["a", "b.png", "c"])
        run.start({})
        assert picture.exists() is not draw


def test_pictures_that_would_be_a_file_and_a_folder_are_refused_before_any_work(tmp_path: Path) -> None:
    names = ["x.png", "x.png.jpg/y.jpg"]
    with open_folder(tmp_path / "drawn") as run, pytest.raises(RunFolderError, match=r"x\.png\.jpg would have to be a"):
        run.check_sources(names)
    with open_folder(tmp_path / "not drawn", draw=False) as run:
        run.check_sources(names)


def test_exports_of_fewer_images_than_there_are_now_go(tmp_path: Path) -> None:
    make_run(tmp_path, "a")
    for name in ("coco.json", "mine.json"):
        (tmp_path / name).write_text("of one image")
    for names, outdated in ((["a"], []), (["a", "b"], ["coco.json"])):
        with open_folder(tmp_path, "resume") as run:
            run.check_sources(names)
            assert run.outdated == outdated
            run.start({})
        assert (tmp_path / "coco.json").exists() is not bool(outdated)
    assert (tmp_path / "mine.json").exists()
