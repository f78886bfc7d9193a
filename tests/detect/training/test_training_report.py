from __future__ import annotations

import json

import numpy as np
import pytest
from held_back_case import CAT, DOG, held_back

from detect.detections import Detections
from detect.training.training_report import (
    class_table,
    draw_classes,
    figures,
    objects_per_class,
    validation_summary,
    write_report,
)
from detect.training.validation import score

BOX = np.array([[0, 0, 40, 40]], np.float32)


def summary(*labels_by_image):
    """Every image has one detection, on its first object, of the given label."""
    return validation_summary(
        score(
            held_back(),
            {
                image: Detections(BOX, np.array([0.9], np.float32), np.array([label], np.int64))
                for image, label in enumerate(labels_by_image)
            },
        )
    )


@pytest.fixture
def before():
    return summary(DOG, DOG)


@pytest.fixture
def after():
    return summary(DOG, CAT)


def test_a_summary_is_plain_json_and_holds_what_validation_said(after):
    assert json.loads(json.dumps(after)) == after
    assert (after["mAP"], after["num_classes"], after["num_objects"], after["num_images"]) == (1.0, 2, 2, 3)
    assert after["per_class"][CAT] == {"wnid": "n1", "name": "cat", "AP": 1.0, "objects": 1}
    assert after["per_class"][2]["AP"] is None


def test_objects_that_a_class_is_learnt_from_are_those_of_one_class_only():
    assert objects_per_class(held_back()).tolist() == [1, 1, 1]
    assert objects_per_class(held_back(targets=np.full(6, -1, np.int64))).tolist() == [0, 0, 0]


def test_the_table_has_a_line_a_class_with_before_and_after(before, after):
    assert class_table(before, after, [5, 0, 2]).splitlines() == [
        "label,wnid,name,training_objects,validation_objects,AP_before,AP_after,change",
        "0,n0,dog,5,1,1.0000,1.0000,0.0000",
        "1,n1,cat,0,1,0.0000,1.0000,1.0000",
        "2,n2,bird,2,0,,,",
    ]
    assert class_table(None, after, [5, 0, 2]).splitlines()[1] == "0,n0,dog,5,1,,1.0000,"


def test_other_classes_are_refused(before, after):
    with pytest.raises(ValueError, match="expected the same classes before, after and in training, got 3, 3 and 2"):
        class_table(before, after, [1, 2])
    other = {**before, "per_class": before["per_class"][::-1]}
    with pytest.raises(ValueError, match="or other names"):
        draw_classes(other, after, [1, 2, 3])


def test_the_figures_of_a_run(before, after):
    assert figures(before, after) == {
        "mAP_before": 0.5,
        "mAP_after": 1.0,
        "change": 0.5,
        "num_classes": 2,
        "num_objects": 2,
        "num_images": 3,
    }
    assert figures(None, after)["change"] is None
    assert figures(None, None)["num_images"] is None


def test_a_report_is_written_whole_and_leaves_nothing_else(tmp_path, before, after):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "metrics.csv").write_text("step,loss\n0,2\n1,1\n")
    write_report(tmp_path, metrics=tmp_path / "logs" / "metrics.csv", before=before, after=after, trained=[1, 0, 1])
    names = ["after.json", "before.json", "classes.csv", "classes.png", "curves.png", "logs"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert json.loads((tmp_path / "before.json").read_text()) == before
    for name in ("classes.png", "curves.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_a_run_without_validation_has_curves_only(tmp_path):
    write_report(tmp_path, metrics=tmp_path / "metrics.csv", before=None, after=None, trained=[])
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]


def test_no_class_with_ground_truth_still_gives_a_picture(after):
    nothing = {**after, "mAP": None, "per_class": [{**one, "AP": None} for one in after["per_class"]]}
    assert draw_classes(None, nothing, [0, 0, 0]).startswith(b"\x89PNG")
