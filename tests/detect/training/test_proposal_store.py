"""The store of proposals: what is in it, what its key covers, and what happens to bad photos, files and disks."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from detect.image_decoding import decode_image
from detect.training import proposal_store
from detect.training.proposal_store import ProposalStore
from detect.whole_files import OutputError
from proposals import selective_search
from proposals.proposal_files import read_proposals


def store_in(folder: Path, **setting: object) -> ProposalStore:
    arguments: dict[str, object] = {"mode": "single", "superpixel_scale": 2.0, "limit": None, **setting}
    return ProposalStore(folder, **arguments)  # type: ignore[arg-type]


def sha_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Three small pictures of coloured rectangles."""
    paths = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        image = np.full((60, 80, 3), 128, np.uint8)
        for _ in range(5):
            (x, y), colour = rng.integers(0, 50, 2), rng.integers(0, 256, 3)
            image[y : y + 20, x : x + 25] = colour
        paths.append(tmp_path / "photos" / f"{seed}.png")
        paths[-1].parent.mkdir(exist_ok=True)
        cv2.imwrite(str(paths[-1]), image)
    return paths


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_boxes_are_those_of_selective_search(tmp_path: Path, photos: list[Path]) -> None:
    store = store_in(tmp_path / "store")
    hashes = [sha_of(path) for path in photos]
    assert store.fill(photos, hashes, 1) == []
    for path, sha in zip(photos, hashes, strict=True):
        expected = selective_search(decode_image(path), "single", superpixel_scale=2.0)
        np.testing.assert_array_equal(store.boxes(sha), expected.boxes)
        assert read_proposals(store.path(sha))[1] == (60, 80)
    expected_files = ["setting.json", *(f"{sha[:2]}/{sha}.npz" for sha in hashes)]
    assert files_in(store.folder) == sorted(expected_files)
    setting = json.loads((store.folder / "setting.json").read_text())
    assert (setting["mode"], setting["superpixel_scale"], setting["search_width"]) == ("single", 2.0, 500)


def test_limit_is_applied_when_reading(tmp_path: Path, photos: list[Path]) -> None:
    sha = sha_of(photos[0])
    store_in(tmp_path, limit=1).fill(photos[:1], [sha], 1)
    everything = store_in(tmp_path)
    assert everything.lacking(photos[:1], [sha]) == []
    assert len(everything.boxes(sha)) > 2
    np.testing.assert_array_equal(store_in(tmp_path, limit=2).boxes(sha), everything.boxes(sha)[:2])


@pytest.mark.parametrize(
    "change",
    [{"mode": "fast"}, {"superpixel_scale": 1.0}, {"seed": 1}, {"search_width": None}, {"min_side": 10}],
)
def test_every_setting_has_its_own_folder(tmp_path: Path, change: dict[str, object]) -> None:
    assert store_in(tmp_path, **change).folder != store_in(tmp_path).folder


def test_a_new_version_of_the_search_has_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = store_in(tmp_path).folder
    monkeypatch.setattr(proposal_store, "SEARCH_VERSION", proposal_store.SEARCH_VERSION + 1)
    assert store_in(tmp_path).folder != before


def test_equal_settings_share_a_folder_that_people_can_tell(tmp_path: Path) -> None:
    assert store_in(tmp_path, superpixel_scale=2, limit=5).folder == store_in(tmp_path, superpixel_scale=2.0).folder
    assert store_in(tmp_path).folder.name.startswith("single-2-")


def test_only_what_lacks_is_searched(tmp_path: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = [sha_of(path) for path in photos]
    store = store_in(tmp_path / "store")
    store.fill(photos[:1], hashes[:1], 1)
    before = store.path(hashes[0]).stat().st_mtime_ns
    done: list[tuple[str, str | None]] = []
    store.fill(photos, hashes, 2, lambda path, reason: done.append((path.name, reason)))
    assert done == [("1.png", None), ("2.png", None)]
    assert store.path(hashes[0]).stat().st_mtime_ns == before
    monkeypatch.setattr(proposal_store, "selective_search", None)  # nothing lacks, so that nobody calls it
    assert store.fill(photos, hashes, 2) == []


def test_photos_of_one_content_are_searched_once(tmp_path: Path, photos: list[Path]) -> None:
    copy = shutil.copy(photos[0], tmp_path / "copy.png")
    sha = sha_of(photos[0])
    assert store_in(tmp_path).lacking([photos[0], Path(copy)], [sha, sha]) == [(photos[0], sha)]


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_workers_change_nothing(tmp_path: Path, photos: list[Path], workers: int) -> None:
    hashes = [sha_of(path) for path in photos]
    one, other = store_in(tmp_path / "one"), store_in(tmp_path / "other")
    one.fill(photos, hashes, 1)
    other.fill(photos, hashes, workers)
    assert [one.path(sha).read_bytes() for sha in hashes] == [other.path(sha).read_bytes() for sha in hashes]


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_damaged_file_is_made_anew(tmp_path: Path, photos: list[Path], keep: int) -> None:
    sha = sha_of(photos[0])
    store = store_in(tmp_path / "store")
    store.fill(photos[:1], [sha], 1)
    whole = store.path(sha).read_bytes()
    store.path(sha).write_bytes(whole[:keep])
    with pytest.raises(ValueError, match=f"{sha}.npz: "):
        store.boxes(sha)
    assert store.lacking(photos[:1], [sha]) == [(photos[0], sha)]
    store.fill(photos[:1], [sha], 1)
    assert store.path(sha).read_bytes() == whole


def test_bad_photos_are_recorded_and_the_others_searched(tmp_path: Path, photos: list[Path]) -> None:
    text, gone = tmp_path / "text.jpg", tmp_path / "gone.jpg"
    text.write_text("no picture")
    unhashed = tmp_path / "unhashed.jpg"
    paths = [text, photos[0], gone, photos[1], unhashed, photos[2]]
    hashes = [sha_of(text), sha_of(photos[0]), "0" * 64, "1" * 64, None, sha_of(photos[2])]
    done: list[Path] = []
    store = store_in(tmp_path / "store")
    failed = dict(store.fill(paths, hashes, 2, lambda path, reason: done.append(path)))
    assert list(failed) == [text, gone, photos[1], unhashed]
    assert failed[gone] == "cannot be read: No such file or directory"
    assert failed[photos[1]] == "changed since its hash was taken"
    assert failed[unhashed] == "cannot be read"
    assert "\n" not in failed[text]
    assert done == paths
    assert len(store.boxes(sha_of(photos[2]))) > 0


def test_a_photo_that_breaks_the_search_is_recorded(
    tmp_path: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(*_: object, **__: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(proposal_store, "selective_search", search)
    failed = store_in(tmp_path / "store").fill(photos[:1], [sha_of(photos[0])], 1)
    assert failed == [(photos[0], "RuntimeError in selective search: two lines")]


def test_a_full_disk_is_one_sentence_and_leaves_no_rest(
    tmp_path: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = [sha_of(path) for path in photos]
    store = store_in(tmp_path / "store")
    store.fill(photos[:1], hashes[:1], 1)
    before = files_in(store.folder)
    open_file = Path.open

    class FullDisk(io.BytesIO):
        def writelines(self, lines: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    def full(path: Path, mode: str = "r", *more: Any, **others: Any) -> Any:
        if mode != "wb" or path.parent == store.folder:  # the setting still fits
            return open_file(path, mode, *more, **others)
        open_file(path, mode).close()  # the name is there, its content does not fit
        return FullDisk()

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OutputError, match=r"cannot write .*\.npz: No space left on device; make room"):
        store.fill(photos, hashes, 1)
    assert files_in(store.folder) == before


def test_a_photo_that_was_never_searched(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a{64}\.npz: cannot be read: No such file"):
        store_in(tmp_path).boxes("a" * 64)


@pytest.mark.parametrize("sha", ["", "A" * 64, "../" + "a" * 61, "a" * 63])
def test_what_is_no_hash_is_refused(tmp_path: Path, sha: str) -> None:
    with pytest.raises(ValueError, match="sha: expected 64 hexadecimal digits"):
        store_in(tmp_path).path(sha)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "slow"}, "mode: expected one of single, fast, balanced, quality, got 'slow'"),
        ({"superpixel_scale": 0.0}, "superpixel_scale: expected a finite number above 0, got 0.0"),
        ({"superpixel_scale": float("nan")}, "superpixel_scale: expected a finite number above 0, got nan"),
        ({"limit": 0}, "limit: expected at least 1, got 0"),
    ],
)
def test_impossible_settings_are_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        store_in(tmp_path, **change)


def test_no_photos_and_no_workers(tmp_path: Path, photos: list[Path]) -> None:
    store = store_in(tmp_path / "store")
    assert store.fill([], [], 1) == []
    assert not (tmp_path / "store").exists()
    with pytest.raises(ValueError, match="workers: expected at least 1, got 0"):
        store.fill(photos, [sha_of(path) for path in photos], 0)
