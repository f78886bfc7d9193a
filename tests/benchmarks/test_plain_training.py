from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import training
from PIL import Image
from plain_training import PlainRegions, plain_regions
from small_voc import write_small_voc

from detect.googlenet import GoogLeNet
from detect.input_format import BVLC_INPUT
from detect.model_file import bvlc_info, save_model
from detect.region_warp import RegionWarper, WarpSettings
from detect.training.region_samples import ImageSample, SampledRegions


def smooth_photo() -> np.ndarray:
    rows, columns = np.mgrid[:120, :160]
    return np.stack([rows + 60, columns + 40, rows + columns // 2], axis=2).astype(np.uint8)


@pytest.mark.parametrize("box", [[40, 30, 120, 100], [0, 0, 160, 120], [100, 60, 160, 120], [0, 0, 30, 90]])
def test_the_plain_crop_is_the_region_that_we_warp(box):
    photo, boxes = smooth_photo(), np.array([box], np.float32)
    warp = WarpSettings()
    plain = PlainRegions([], BVLC_INPUT, warp).crop(Image.fromarray(photo), boxes[0])
    pixels = BVLC_INPUT.normalise(torch.from_numpy(np.array(plain)).permute(2, 0, 1)[None])[0]
    ours = RegionWarper(photo, BVLC_INPUT, settings=warp).regions(boxes)[0]
    assert float((pixels - ours).abs().median()) < 2
    assert float((pixels - ours).abs().mean()) < 5  # the border of the mean is half a pixel off


def test_regions_are_those_that_were_drawn_and_mirrored_ones_have_mirrored_boxes():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 20, 10]], np.float32)
    matched = np.array([[1, 0, 11, 10], [1, 0, 21, 10]], np.float32)
    regions = SampledRegions(boxes, np.array([3, 4]), matched, np.ones(2, bool), np.zeros(2, bool))
    image = np.zeros((10, 20, 3), np.uint8)
    sample = ImageSample(0, 0, Path("a.jpg"), image, regions, np.array([False, True]))
    found = plain_regions([sample], BVLC_INPUT, WarpSettings()).regions
    assert [(path.name, target, mirrored) for path, _, target, _, _, mirrored in found] == [
        ("a.jpg", 3, False),
        ("a.jpg", 4, True),
    ]
    assert found[0][3] == pytest.approx([1, 0, 0, 0])  # 1 / 10 of the width, over 0.1
    assert found[1][3] == pytest.approx([-0.5, 0, 0, 0])


def test_the_summary_has_ratios_of_each_round():
    rates = {"plain": [1.0, 2.0], "plain_loader": [2.0, 4.0], "ours": [4.0, 8.0], "network": [5.0, 10.0]}
    found = training.summary(rates)
    assert found["ours / plain"] == [4, 4, 4]
    assert found["ours / plain_loader"] == [2, 2, 2]
    assert found["fraction of the loop that is the network"] == pytest.approx([0.8] * 3)


@pytest.mark.slow
def test_all_ways_train_on_a_few_regions(tmp_path, monkeypatch, capsys):
    voc = write_small_voc(tmp_path / "voc", tmp_path / "store")
    torch.manual_seed(0)
    save_model(tmp_path / "random.safetensors", bvlc_info(), GoogLeNet(1000).state_dict())
    how = ["--model", str(tmp_path / "random.safetensors"), "--json", str(tmp_path / "found.json")]
    few = ["--frozen", "4e", "--images", "1", "--steps", "1", "--rounds", "1"]
    data = ["--data", f"voc={voc}", "--store", str(tmp_path / "store")]
    monkeypatch.setattr(sys, "argv", ["training", *data, *how, *few])
    training.main()
    assert "ours / plain" in capsys.readouterr().out
    assert (tmp_path / "found.json").exists()
