from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import training_ablations
from cached_training import batches_of
from hidden_classes import hidden_classes, hide, retargeted
from pooled_features import CachedRegions, pooled_network
from small_voc import write_small_voc
from training_variants import VARIANTS

from detect.class_tables import DetectionClass
from detect.googlenet import GoogLeNet
from detect.input_format import BVLC_INPUT
from detect.model_file import bvlc_info, save_model
from detect.model_info import ModelInfo, Provenance
from detect.training.training_set import IGNORED, TrainingSet

DOG, CAT, BIRD = range(3)
# Rows: a class each; 3 background; 4 background or a bird, which nobody annotated there; 5 dog or background.
ALLOWED = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 1, 1], [1, 0, 0, 1]], np.bool_)


def small_set() -> TrainingSet:
    """Photo 0: a dog, a cat, something ignored; photo 1: a cat, something that may be a dog; no birds annotated."""
    return TrainingSet(
        name="small",
        images=(Path("0.jpg"), Path("1.jpg")),
        names=("0", "1"),
        weights=np.ones(2),
        classes=tuple(DetectionClass("", name, (label,)) for label, name in enumerate(("dog", "cat", "bird"))),
        allowed=ALLOWED,
        image_of=np.array([0, 0, 0, 1, 1], np.int64),
        boxes=np.tile(np.array([0, 0, 9, 9], np.float32), (5, 1)),
        targets=np.array([DOG, CAT, IGNORED, CAT, 5], np.int64),
        background=np.array([3, 4], np.int64),
    )


def cached(**table: np.ndarray) -> CachedRegions:
    files = [np.arange(n * 7 * 7 * 832, dtype=np.uint16).reshape(n, 7, 7, 832) + 1000 * n for n in (2, 3)]
    return CachedRegions(tuple(files), table)


def test_every_third_class_is_hidden_by_how_many_boxes_it_has():
    full = small_set()
    assert hidden_classes(full).tolist() == [True, False, False]  # cat 2, dog 1, bird none: the second is hidden


def test_a_hidden_class_has_no_objects_and_may_be_anywhere():
    full = small_set()
    shown = hide(full, np.array([True, False, False]))
    assert shown.targets.tolist() == [CAT, IGNORED, CAT, 5]
    assert shown.image_of.tolist() == [0, 0, 1, 1]
    assert shown.allowed[shown.background].tolist() == [[True, False, False, True], [True, False, True, True]]
    np.testing.assert_array_equal(shown.allowed[: len(ALLOWED)], ALLOWED)
    assert full.targets.tolist() == [DOG, CAT, IGNORED, CAT, 5]


def test_regions_on_hidden_objects_become_background_of_their_photo():
    full = small_set()
    shown = hide(full, np.array([True, False, False]))
    regions = cached(
        image=np.array([0, 0, 0, 1, 1]),
        target=np.array([DOG, CAT, 3, 4, 5]),
        regress=np.array([True] * 2 + [False] * 3),
    )
    targets, regress = retargeted(full, shown, regions)
    assert shown.allowed[targets].tolist() == [
        [True, False, False, True],  # the dog is background, or any hidden class
        [False, True, False, False],
        [True, False, False, True],
        [True, False, True, True],
        [True, False, False, True],  # row 5 as it was: a dog or background
    ]
    assert regress.tolist() == [False, True, False, False, False]
    same, _ = retargeted(full, full, regions)
    assert same.tolist() == regions.table["target"].tolist()


def test_batches_are_a_quarter_foreground_and_use_all_before_any_again():
    foreground = np.arange(20) < 5
    drawn = list(batches_of(foreground, 8, 5, seed=0))
    assert [int(foreground[rows].sum()) for rows in drawn] == [2] * 5
    rows = np.concatenate(drawn)
    assert np.bincount(rows[foreground[rows]], minlength=5).tolist() == [2] * 5  # 5 · 2 rows of 5
    assert np.bincount(rows[~foreground[rows]])[5:].tolist() == [2] * 15  # 5 · 6 rows of 15
    assert all((a == b).all() for a, b in zip(drawn, batches_of(foreground, 8, 5, seed=0), strict=True))
    assert any((a != b).any() for a, b in zip(drawn, batches_of(foreground, 8, 5, seed=1), strict=True))
    assert [len(one) for one in batches_of(np.zeros(3, np.bool_), 8, 2, seed=0)] == [8, 8]


def test_features_come_from_the_right_file_in_the_order_asked_for():
    regions = cached()
    whole = np.concatenate(regions.files)
    rows = np.array([4, 0, 3, 0, 1])
    found = regions.features(rows)
    assert found.shape == (5, 832, 7, 7)
    np.testing.assert_array_equal(found.permute(0, 2, 3, 1).view(torch.uint16).numpy(), whole[rows])


def test_a_network_fed_with_pooled_features_answers_as_the_whole():
    torch.manual_seed(0)
    network = GoogLeNet(4, box_outputs=0).eval()
    info = dataclasses.replace(
        bvlc_info(), num_outputs=4, background_logit=None, classes=(DetectionClass("", "dog", (0,)),)
    )
    images = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        features = network.stem_to_4e(images)
        pooled = torch.nn.functional.max_pool2d(features, 3, stride=2, ceil_mode=True)
        torch.testing.assert_close(pooled_network(info, network).eval()(pooled), network(images))


@pytest.mark.slow
def test_a_quick_run_goes_on_where_it_was_and_prints_a_table(tmp_path, monkeypatch, capsys):
    voc = write_small_voc(tmp_path / "voc", tmp_path / "store")
    torch.manual_seed(0)
    info = dataclasses.replace(bvlc_info(), name="random", provenance=Provenance("tests", "none", "MIT"))
    assert isinstance(info, ModelInfo)
    assert info.input == BVLC_INPUT
    save_model(tmp_path / "random.safetensors", info, GoogLeNet(1000).state_dict())

    def run(*more: str) -> dict[str, object]:
        paths = ["--store", str(tmp_path / "store"), "--cache", str(tmp_path / "cache")]
        how = ["--model", str(tmp_path / "random.safetensors"), "--json", str(tmp_path / "found.json")]
        monkeypatch.setattr(sys, "argv", ["ablations", "--data", f"voc={voc}", *paths, *how, "--quick", *more])
        training_ablations.main()
        return json.loads((tmp_path / "found.json").read_text())["results"]

    first = run("--held-back", "0.5", "--variants", "reference")
    assert set(first) == {"zero_shot", "reference"}
    assert set(first["reference"]["rows"]) == {"reference", "no_averaging", "reference_carried"}
    files = sorted(path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("*.np*"))
    second = run("--held-back", "0.5", "--variants", "reference,softmax,per_class,hidden")
    assert second["reference"] == first["reference"]
    assert set(second) == {*first, "softmax", "per_class", "hidden"}
    assert sorted(path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("*.np*")) == files
    table = capsys.readouterr().out
    assert all(f"| {name} |" in table for name in ("zero_shot", "no_averaging", "softmax", "hidden_carried"))
    with pytest.raises(SystemExit, match="made with other settings; choose another file"):
        run("--held-back", "0.4", "--variants", "reference")
    (tmp_path / "found.json").unlink()
    with pytest.raises(SystemExit, match=r"made with other settings .* choose another folder"):
        run("--held-back", "0.5", "--seed", "1", "--variants", "reference")


def test_the_table_is_of_classes_with_enough_objects():
    row = {"mAP": 0.5, "AP": {"dog": 0.2, "cat": 0.4, "fox": 1.0}}
    finished = {"reference": {"meaning": "as it is", "rows": {"reference": row, "no_averaging": row}}}
    table = training_ablations.report(finished, {"dog": 10, "cat": 11, "fox": 9}, {"cat"}).splitlines()
    assert table[0] == "| run | what | 2 classes | 1 hidden | 1 others | all 3, plain mAP |"
    assert table[2] == "| reference | as it is | 30.0 | 40.0 | 20.0 | 50.0 |"
    assert table[3].startswith("| no_averaging | the reference's last weights")


def test_an_unknown_variant_is_refused(monkeypatch, capsys):
    fixed = ["--data", "voc=x", "--store", "s", "--cache", "c", "--json", "j"]
    monkeypatch.setattr(sys, "argv", ["ablations", *fixed, "--variants", "reference,nothing"])
    with pytest.raises(SystemExit):
        training_ablations.parse()
    assert "expected some of " + ", ".join(VARIANTS) + ", got nothing" in capsys.readouterr().err
