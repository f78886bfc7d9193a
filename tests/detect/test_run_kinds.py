"""Whose run is in a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from detect.run_kinds import DETECT, KINDS, PROPOSE, RunKind, holds_run, verb_of


def test_no_two_verbs_share_their_records() -> None:
    assert len({kind.records for kind in KINDS}) == len({kind.verb for kind in KINDS}) == len(KINDS)


def test_an_empty_folder_holds_none(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "gone"):
        assert verb_of(folder) is None
        assert not holds_run(folder, DETECT)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.verb)
def test_records_or_the_description_tell(tmp_path: Path, kind: RunKind) -> None:
    (tmp_path / kind.records).write_text("")
    assert verb_of(tmp_path) == kind.verb
    assert [holds_run(tmp_path, one) for one in KINDS] == [one is kind for one in KINDS]
    (tmp_path / kind.records).unlink()
    (tmp_path / "run.json").write_text(json.dumps({"verb": kind.verb}))
    assert verb_of(tmp_path) == kind.verb
    assert all(holds_run(tmp_path, one) for one in KINDS)


@pytest.mark.parametrize(
    ("content", "verb"), [("{", None), ("[]", None), ('{"verb": 3}', None), ('{"settings": {}}', "detect")]
)
def test_descriptions_that_do_not_say(tmp_path: Path, content: str, verb: str | None) -> None:
    """The first runs were all of `detect`, and did not say so; other programs write a `run.json` too."""
    (tmp_path / "run.json").write_text(content)
    assert verb_of(tmp_path) == verb
    assert holds_run(tmp_path, PROPOSE) is (verb is not None)
