"""A COCO json as it is in its file: what is no such file is named with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from detect.coco_json import coco_rows, load_coco


def test_lists_of_objects(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    path.write_text('{"images": [{"id": 1}, {}], "categories": []}')
    data = load_coco(path)
    assert coco_rows(data, "images", path) == [{"id": 1}, {}]
    assert coco_rows(data, "categories", path) == []


@pytest.mark.parametrize("content", ["", "[1", "\xff", "[" * 100_000])
def test_what_is_no_json(tmp_path: Path, content: str) -> None:
    path = tmp_path / "instances.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=f"^{path}: expected JSON: "):
        load_coco(path)


def test_other_json_and_no_file(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    with pytest.raises(ValueError, match=f"^cannot read {path}: No such file"):
        load_coco(path)
    path.write_text("[]")
    with pytest.raises(ValueError, match=f"^{path}: expected a COCO object with images"):
        load_coco(path)


@pytest.mark.parametrize("rows", [None, {}, [1], [{}, []]])
def test_what_is_no_list_of_objects(rows: object) -> None:
    with pytest.raises(ValueError, match=r"^a\.json: expected a list of objects named 'images'$"):
        coco_rows({"images": rows}, "images", Path("a.json"))
