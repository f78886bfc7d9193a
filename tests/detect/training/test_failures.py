"""The sentences that a stopped run leaves."""

from __future__ import annotations

from pathlib import Path

from tiny_training import tiny_sample

from detect.training.failures import batch_files, not_finite, nothing_readable
from detect.training.region_samples import TrainingBatch


def test_the_step_and_its_files_are_named() -> None:
    batch = TrainingBatch(7, 0, (tiny_sample(7, 0), tiny_sample(7, 2)))
    assert str(not_finite("the loss", 7, batch_files(batch))) == (
        "the loss of step 7 is not finite; the batch's files: step7_slot0.jpg, step7_slot2.jpg. "
        "Where the files are sound, start again with a lower learning rate or a smaller clip, and --overwrite"
    )
    assert "files: none." in str(not_finite("the gradient", 7, []))


def test_the_first_unreadable_file_stands_for_all() -> None:
    batch = TrainingBatch(7, 0, (), ((Path("a.jpg"), "it is truncated"), (Path("b.jpg"), "it is missing")))
    assert str(nothing_readable(batch)) == "no image of step 7 could be read: a.jpg: it is truncated"
