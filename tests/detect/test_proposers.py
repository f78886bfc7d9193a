"""From a proposal setting to boxes: each method is what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from odd_images import quadrants
from random_multibox import CALIBRATION, PRIORS, save_random_multibox

from detect.model_file import ModelFileError, load_model
from detect.model_info import ProposalSetting
from detect.multibox_file import build_multibox
from detect.proposers import build_proposer
from proposals import selective_search
from proposals.merged_proposals import merge

IMAGE = quadrants(60, 90)


@pytest.fixture(scope="module")
def multibox_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_multibox(tmp_path_factory.mktemp("model") / "multibox.safetensors")


def test_selective_search_alone() -> None:
    setting = ProposalSetting(mode="single", superpixel_scale=1.5, limit=3)
    found = build_proposer(setting, seed=4)(IMAGE)
    wanted = selective_search(IMAGE, mode="single", superpixel_scale=1.5, seed=4).best(3)
    np.testing.assert_array_equal(found.boxes, wanted.boxes)


def test_multibox_alone(multibox_file: Path) -> None:
    setting = ProposalSetting(method="multibox", multibox=str(multibox_file), multibox_limit=7)
    found = build_proposer(setting, device="cpu", precision="fp32")(IMAGE)
    wanted = build_multibox(multibox_file, device="cpu", precision="fp32")(IMAGE)
    assert 0 < len(found) <= 7 < PRIORS
    np.testing.assert_array_equal(found.boxes, wanted.boxes[:7])


def test_both_in_the_order_of_the_files_calibration(multibox_file: Path) -> None:
    setting = ProposalSetting(method="both", mode="single", multibox=str(multibox_file), limit=20)
    found = build_proposer(setting, device="cpu", precision="fp32")(IMAGE)
    search = selective_search(IMAGE, mode="single", superpixel_scale=2.0, seed=0)
    multibox = build_multibox(multibox_file, device="cpu", precision="fp32")(IMAGE)
    wanted = merge(search, multibox, CALIBRATION).best(20)
    np.testing.assert_array_equal(found.boxes, wanted.boxes)
    assert len(found) == len(wanted) > 0


def test_what_is_not_there() -> None:
    with pytest.raises(ModelFileError, match="no MultiBox model file nowhere"):
        build_proposer(ProposalSetting(method="multibox", multibox="nowhere"))
    with pytest.raises(ValueError, match=r"expected selective_search or multibox or both, got 'magic'"):
        ProposalSetting(method="magic")
    with pytest.raises(ValueError, match=r"proposals\.multibox_limit: expected at least 1, got 0"):
        ProposalSetting(multibox_limit=0)


def test_a_multibox_file_is_no_detector(multibox_file: Path) -> None:
    with pytest.raises(ModelFileError, match="expected a detector, got a MultiBox model, which is for propose"):
        load_model(multibox_file)
