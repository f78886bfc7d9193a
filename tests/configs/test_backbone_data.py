"""What a classification run learns from and what judges it: by content, whatever the files are called."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled_photos import write_labelled_photos

from configs.backbone_data import BackboneData, read_backbone_data
from configs.backbone_training import BackboneTrainingConfig, BackboneValidationConfig, LabelledDataConfig
from detect.class_tables import DetectionClass
from detect.training.content_hashes import first_by_hash, held_back_by_hash


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_labelled_photos(tmp_path / "photos", 6)


def read(tmp_path: Path, photos: Path, **validation: Any) -> BackboneData:
    data = LabelledDataConfig("folders", photos.name)
    judge = BackboneValidationConfig(**validation)
    config = BackboneTrainingConfig(data=data, data_root=str(photos.parent), validation=judge)
    return read_backbone_data(config, tmp_path / "out")


def names(data: BackboneData) -> tuple[set[str], set[str]]:
    parts = (data.train, data.held_back)
    ours, theirs = ({f"{path.parent.name}/{path.name}" for path in one.images} if one else set() for one in parts)
    return ours, theirs


def test_the_content_of_images_chooses_those_that_are_held_back(tmp_path: Path, photos: Path) -> None:
    data = read(tmp_path, photos, held_back=0.4)
    train, held_back = names(data)
    assert len(train | held_back) == 18
    assert not train & held_back
    assert 0 < len(held_back) < 18
    held = held_back_by_hash(data.hashes_of(data.train), 0.4)
    assert not held.any()
    copied = shutil.copytree(photos, tmp_path / "elsewhere" / "photos")
    assert names(read(tmp_path / "other", copied, held_back=0.4)) == (train, held_back)
    assert names(read(tmp_path, photos, held_back=0.6))[1] >= held_back
    assert read(tmp_path, photos, held_back=0.0).held_back is None


def test_a_data_set_of_its_own_judges(tmp_path: Path, photos: Path) -> None:
    write_labelled_photos(tmp_path / "others", 2, seed=3)
    shutil.rmtree(tmp_path / "others" / "blue")
    data = read(tmp_path, photos, data=LabelledDataConfig("folders", "others"), held_back=0.5)
    assert data.held_back is not None
    assert len(data.train) == 18, "nothing is held back of it"
    assert (len(data.held_back), data.held_back.classes) == (4, data.train.classes)
    assert data.held_back.labels.tolist() == [1, 1, 2, 2]
    assert data.counts()["held_back_images"] == 4
    assert "18 images of 3 of 3 classes to train on; 4 images held back" in data.in_words()


def test_at_most_so_many_images_judge(tmp_path: Path, photos: Path) -> None:
    all_of_them = names(read(tmp_path, photos, held_back=0.5))[1]
    some = names(read(tmp_path, photos, held_back=0.5, images=3))[1]
    assert len(some) == 3
    assert some < all_of_them
    hashes = ["0" * 8 + digits for digits in ("5", "1", "9", "3")]
    assert first_by_hash(hashes, 2) == [1, 3]
    assert first_by_hash(hashes, None) == first_by_hash(hashes, 4) == [0, 1, 2, 3]


def test_what_the_fingerprint_sees(tmp_path: Path, photos: Path) -> None:
    data = read(tmp_path, photos)
    train = data.train
    labels = np.where(np.arange(len(train)) == 0, 2, train.labels)
    renamed = (DetectionClass("", "cyan", (0,)), *train.classes[1:])
    others = [
        dataclasses.replace(train, labels=labels),
        dataclasses.replace(train, classes=renamed),
        train.subset(range(1, len(train))),
    ]
    prints = {dataclasses.replace(data, train=one).fingerprint() for one in (train, *others)}
    assert len(prints) == 4
    assert data.fingerprint() == read(tmp_path / "again", photos).fingerprint()


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ({"data": LabelledDataConfig("folders", "photos")}, "validation: expected images that are not trained on, got"),
        ({"data": LabelledDataConfig("folders", "none")}, "validation.data.path: no such folder"),
        ({"held_back": 0.9, "images": 1}, "leaves none to train on"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, photos: Path, validation: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("green", "red"):
        shutil.rmtree(photos / part)
    for picture in sorted((photos / "blue").iterdir())[1:]:
        picture.unlink()
    if "held_back" in validation:
        held = np.array([True])
        monkeypatch.setattr("detect.training.content_hashes.held_back_by_hash", lambda hashes, fraction: held)
    with pytest.raises(ValueError, match=re.escape(message)):
        read(tmp_path, photos, **validation)
