"""The detector of the package: its file, and photos as people have them. What it must not see: test_min_score."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import torch
from PIL import Image

from configs.detection import DetectionConfig
from detect.class_tables import ilsvrc_detection_classes
from detect.image_decoding import decode_image
from detect.model_file import load_model
from detect.model_info import ProposalSetting
from detect.model_zoo import MODELS, Bundled, find_model_file
from detect.training.class_maps_cls import with_kindred
from tools.cli import main

PICTURES = Path(skimage.data.__file__).parent
MOST_BYTES = 16_000_000


def test_the_file_is_small_and_says_what_it_is() -> None:
    assert isinstance(MODELS["det200"].source, Bundled)
    file = find_model_file("det200")
    assert file.stat().st_size <= MOST_BYTES
    model = load_model(file)
    info = model.info
    assert (info.name, info.architecture, info.head, info.box_regression, info.fit) == (
        "det200",
        "googlenet",
        "marginal",
        "cells",
        True,
    )
    assert info.regions[0] == "shared"
    assert info.proposals == ProposalSetting(method="both", mode="balanced", superpixel_scale=2.0, limit=300)
    expected = with_kindred(ilsvrc_detection_classes(), worn=True)
    assert [(one.wnid, one.name, one.members) for one in info.classes] == [
        (one.wnid, one.name, one.members) for one in expected
    ]
    assert all(torch.isfinite(one).all() for one in model.network.state_dict().values())
    origin = info.provenance
    assert "unrestricted" in origin.licence
    assert origin.commit
    assert '"/' not in origin.config, "nothing of where anything lay on the machine"
    assert json.loads(origin.config)["short_sides"] == list(info.short_sides)
    assert "ilsvrc_det" not in origin.data
    assert "3103 images of voc2012_subset + portraits" in origin.data


def phone_photo(path: Path) -> None:
    """12 megapixels, the camera on its side: pixels are stored turned, EXIF says how to hold them."""
    upright = Image.open(PICTURES / "coffee.png").convert("RGB").resize((4000, 3000), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    stored = io.BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).save(stored, "JPEG", quality=90, exif=exif)
    path.write_bytes(stored.getvalue())


def test_a_folder_of_ones_own_photos(tmp_path: Path) -> None:
    assert DetectionConfig().model == "det200"
    folder = tmp_path / "photos"
    folder.mkdir()
    phone_photo(folder / "phone.jpg")
    coffee = decode_image(PICTURES / "coffee.png")
    cv2.imwrite(str(folder / "underexposed.jpg"), (coffee[..., ::-1] * 0.15).astype(np.uint8))
    cv2.imwrite(str(folder / "portrait.png"), coffee[:, 120:420, ::-1])
    shutil.copy(PICTURES / "page.png", folder / "scan.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    assert main(["detect", str(folder), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 3
    records = [json.loads(line) for line in (tmp_path / "out" / "detections.jsonl").read_text().splitlines()]
    by_name = {record["image"]: record for record in records}
    assert "error" in by_name.pop("broken.jpg")
    assert set(by_name) == {"phone.jpg", "portrait.png", "scan.png", "underexposed.jpg"}
    for record in by_name.values():
        for one in record["detections"]:
            x1, y1, x2, y2 = one["box"]
            assert 0 <= x1 < x2 <= record["width"]
            assert 0 <= y1 < y2 <= record["height"]
    phone = by_name["phone.jpg"]
    assert (phone["width"], phone["height"]) == (4000, 3000)
    for name in ("phone.jpg", "portrait.png"):
        assert "cup or mug" in [one["name"] for one in by_name[name]["detections"]]
    assert by_name["scan.png"]["detections"] == []
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == 4
