"""Validation and report of classification training: counts by hand of a network whose answers are known."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest
import torch
from labelled_photos import labelled_photos

from detect.image_decoding import decode_image
from detect.model_file import Model
from detect.training.backbone_report import accuracy_by_class, backbone_figures, write_backbone_report
from detect.training.backbone_start import start_backbone
from detect.training.backbone_validation import validate_backbone, validation_figures
from detect.training.labelled_set import LabelledSet

SIZE = 39


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> LabelledSet:
    return labelled_photos(tmp_path_factory.mktemp("photos"), 2)


@pytest.fixture(scope="module")
def model(photos: LabelledSet) -> Model:
    """It finds class 1 the most probable in whatever it sees."""
    info, network = start_backbone(
        None, photos.classes, architecture="nin", size=SIZE, auxiliary=False, seed=0, name="one"
    )
    torch.nn.init.zeros_(network.classifier.weight)
    network.classifier.bias.data[1] = 1.0
    return Model(info, network.eval(), "")


def test_of_a_network_that_sees_one_class_everywhere(photos: LabelledSet, model: Model) -> None:
    summary = validate_backbone(model, photos, size=SIZE, device="cpu", precision="fp32", workers=2)
    assert (summary["num_images"], summary["num_unreadable"], summary["size"]) == (6, 0, SIZE)
    assert (summary["top1"], summary["top5"]) == (1 / 3, 1.0)
    assert [(one["name"], one["num_images"], one["top1"]) for one in summary["per_class"]] == [
        ("blue", 2, 0.0),
        ("green", 2, 1.0),
        ("red", 2, 0.0),
    ]
    assert validation_figures(summary) == {"top1_accuracy": 1 / 3, "top5_accuracy": 1.0}
    json.dumps(summary)


def test_images_that_cannot_be_read_do_not_count(photos: LabelledSet, model: Model, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")
    some = dataclasses.replace(photos.subset([0, 2]), images=(broken, photos.images[2]))
    summary = validate_backbone(model, some, size=SIZE, device="cpu", precision="fp32")
    assert (summary["num_images"], summary["num_unreadable"], summary["top1"]) == (1, 1, 1.0)
    assert summary["unreadable"][0]["image"] == str(broken)
    none = dataclasses.replace(photos.subset([0]), images=(broken,))
    summary = validate_backbone(model, none, size=SIZE, device="cpu", precision="fp32")
    assert (summary["top1"], validation_figures(summary)["top1_accuracy"]) == (None, 0.0)


def test_classes_before_and_after(photos: LabelledSet, model: Model) -> None:
    after = validate_backbone(model, photos.subset([0, 2, 3]), size=SIZE, device="cpu", precision="fp32")
    before = {**after, "per_class": [{**after["per_class"][1], "top1": 0.25}]}
    rows = list(csv.reader(io.StringIO(accuracy_by_class(photos.classes, [5, 6, 0], before, after))))
    assert rows == [
        ["label", "wnid", "name", "training_images", "validation_images", "top1_before", "top1_after", "change"],
        ["0", "", "blue", "5", "1", "", "0.0000", ""],
        ["1", "", "green", "6", "2", "0.2500", "1.0000", "0.7500"],
        ["2", "", "red", "0", "0", "", "", ""],
    ]
    assert accuracy_by_class(photos.classes, [5, 6, 0], None, after).splitlines()[2] == "1,,green,6,2,,1.0000,"


def test_what_a_run_leaves(photos: LabelledSet, model: Model, tmp_path: Path) -> None:
    after = validate_backbone(model, photos, size=SIZE, device="cpu", precision="fp32")
    how = {"metrics": tmp_path / "none.csv", "classes": photos.classes, "trained": [1, 2, 3]}
    write_backbone_report(tmp_path, before=None, after=None, **how)
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]
    write_backbone_report(tmp_path, before=None, after=after, **how)
    assert json.loads((tmp_path / "after.json").read_text()) == after
    assert not (tmp_path / "before.json").exists()
    assert (tmp_path / "classes.csv").read_text().startswith("label,wnid,name")
    assert decode_image(tmp_path / "curves.png").ndim == 3
    assert backbone_figures(None, after) == {
        "top1_before": None,
        "top1_after": 1 / 3,
        "top5_before": None,
        "top5_after": 1.0,
        "num_images": 6,
    }
    assert backbone_figures(None, None)["num_images"] is None
